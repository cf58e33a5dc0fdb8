"""The documentation says what is so: its snippets run, and what comes from the code is current."""

import doctest
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import distributions
import pytest
import typer
import yaml
from typer.testing import CliRunner

from fusionlab import (
    baselines,
    evaluation,
    headers,
    images,
    inference,
    ingest,
    making,
    medical,
    metrics,
    mosaic,
    ranges,
    scoring,
    selection,
    splits,
    tiffs,
)
from fusionlab.baselines.registry import table as method_table
from fusionlab.cli import app
from fusionlab.demo.truth import against_truth
from fusionlab.lab import Lab
from fusionlab.metrics.registry import _table as metric_table

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DOC_PAGES = sorted(DOCS.rglob("*.md"))
PAGES = [ROOT / "README.md", *DOC_PAGES]
FENCE = re.compile(
    r"(?P<mark><!-- (?:file|not executed|begin generated): [^\n]*-->\n)?"
    r"^```(?P<language>\w+)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
MARK = re.compile(r"<!-- (file|not executed|begin generated): (.*?) ?-->")
CHECKER = doctest.OutputChecker()
FLOAT = re.compile(r"\d+\.\d+")
#: Pages of what needs a cluster or an object store.
ON_CLUSTERS = [DOCS / "scaling.md", DOCS / "howto" / "clusters.md", DOCS / "howto" / "training.md"]
LOOSELY = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Snippet:
    """One fenced block: its language and text, its mark, and whether output stands right above."""

    language: str
    body: str
    mark: str
    argument: str
    follows: bool


def called(page):
    return str(page.relative_to(ROOT))


def snippets(page):
    text, end, found = page.read_text(encoding="utf-8"), 0, []
    for match in FENCE.finditer(text):
        mark = MARK.match(match["mark"] or "")
        follows = bool(found) and not text[end : match.start()].strip()
        kind, argument = mark.groups() if mark else ("", "")
        found.append(Snippet(match["language"], match["body"], kind, argument, follows))
        end = match.end()
    return found


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "demo"
    line = ["run", "demo", "--set", f"folder={folder}", "--until", "select"]
    assert CliRunner().invoke(app, line, catch_exceptions=False).exit_code == 0
    return folder


@pytest.fixture
def workplace(demo, tmp_path, monkeypatch):
    """Stand in a folder with a demo lab of one's own at ``demo/``."""
    shutil.copytree(demo, tmp_path / "demo")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FUSIONLAB_LAB", raising=False)
    # `python` on a page is this one
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def run_command(line):
    result = CliRunner().invoke(app, shlex.split(line)[1:], catch_exceptions=False)
    assert result.exit_code == 0, f"{line}\n{result.output}"
    return result.stdout


def says(page_text, printed):
    """Tell whether a page shows what was printed, numbers with a point within 2 %.

    Other versions of OpenCV and NumPy scale the demo's photographs a little differently.
    """
    shown, found = FLOAT.findall(page_text), FLOAT.findall(printed)
    if len(shown) == len(found):
        near = [
            float(f) == pytest.approx(float(s), rel=0.02, abs=0.02)
            for s, f in zip(shown, found, strict=True)
        ]
        numbers = iter([s if close else f for s, f, close in zip(shown, found, near, strict=True)])
        printed = FLOAT.sub(lambda _: next(numbers), printed)
    return CHECKER.check_output(page_text, printed, LOOSELY)


def test_the_comparison_forgives_rounding_and_nothing_else():
    assert says("VIF 1.401 (0.60)\n", "VIF 1.409 (0.60)\n")
    assert says("EN 7.63...\n", "EN 7.634521\n")
    assert not says("VIF 1.401\n", "VIF 1.501\n")
    assert not says("wins 3\n", "wins 4\n")
    assert not says("VIF 1.4\n", "SSIM 1.4\n")


def run_commands(body):
    lines = body.replace("\\\n", " ").splitlines()
    return "".join(run_command(line) for line in lines if line.startswith("fusionlab "))


def write_file(path, body):
    """Write a file of a page; a project is installed."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(body, encoding="utf-8")
    if path.name == "pyproject.toml":
        distributions.install_project(path)
        metric_table.cache_clear()
        method_table.cache_clear()


@pytest.fixture
def site(workplace, monkeypatch):
    """Stand in the workplace, in which the plug-ins of the page's project are found."""
    with (
        distributions.on_path(workplace / "acme", monkeypatch, metric_table.cache_clear),
        distributions.on_path(workplace / "acme", monkeypatch, method_table.cache_clear),
    ):
        yield


@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(s.language in ("python", "bash") for s in snippets(p))],
    ids=called,
)  # fmt: skip
def test_snippets_run_and_print_what_the_page_says(page, site, capsys):
    names, printed = {"__name__": "snippet"}, None
    for snippet in snippets(page):
        if snippet.mark == "not executed":
            assert snippet.argument, "say why"
            printed = None
        elif snippet.mark == "file":
            write_file(Path(snippet.argument), snippet.body)
        elif snippet.language == "bash":
            printed = run_commands(snippet.body)
        elif snippet.language == "python":
            capsys.readouterr()
            exec(compile(snippet.body, f"{called(page)} snippet", "exec"), names)
            printed = capsys.readouterr().out
        elif snippet.language == "text" and snippet.follows and printed:
            assert says(snippet.body, printed), (
                f"{called(page)} says\n{snippet.body}\nbut this was printed\n{printed}"
            )


def unexecuted(page):
    return [s for s in snippets(page) if s.mark == "not executed"]


def test_few_snippets_are_not_executed():
    """Those for clusters and object stores cannot be; they are at least of their language."""
    assert sum(len(unexecuted(page)) for page in PAGES if page not in ON_CLUSTERS) <= 2
    for snippet in [snippet for page in ON_CLUSTERS for snippet in unexecuted(page)]:
        if snippet.language == "python":
            compile(snippet.body, "snippet for a cluster", "exec")
        elif snippet.language == "yaml":
            assert list(yaml.safe_load_all(snippet.body))
        else:
            subprocess.run(["bash", "-n"], input=snippet.body, text=True, check=True)


def load_generator():
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", DOC_PAGES, ids=called)
def test_generated_parts_are_current(page):
    text = page.read_text(encoding="utf-8")
    assert load_generator().regenerated(text) == text, "run: python docs/generate.py"


def test_every_generated_part_stands_on_a_page():
    names = {
        match["name"]
        for page in DOC_PAGES
        for match in load_generator().BLOCK.finditer(page.read_text(encoding="utf-8"))
    }
    assert names == set(load_generator().PARTS)


def test_every_table_has_a_part_on_a_page():
    generator = load_generator()
    shown = list(generator.all_schemas().values())
    for module in (generator.schemas, generator.evaluation):
        for name, schema in vars(module).items():
            assert not isinstance(schema, generator.schemas.TableSchema) or schema in shown, name


def test_every_metric_is_on_the_metrics_page():
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert [name for name in metrics.names() if f"`{name}`" not in text] == []


def test_every_command_and_option_is_on_the_commands_page():
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## fusionlab ([\w ]+)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    commands = dict(load_generator()._commands(typer.main.get_command(app)))
    assert set(sections) == set(commands)
    for name, command in commands.items():
        options = [
            o for p in command.params for o in p.opts if o.startswith("--") and o != "--help"
        ]
        assert [o for o in options if f"`{o}`" not in sections[name]] == [], name


def test_reason_codes_are_those_of_the_code():
    packages = (
        splits,
        ingest,
        scoring,
        selection,
        mosaic,
        making,
        baselines,
        inference,
        evaluation,
    )
    folders = [Path(package.__file__).parent for package in packages]
    ground = [Path(m.__file__) for m in (headers, images, medical, ranges, tiffs)]
    files = [*ground, *(file for folder in folders for file in folder.glob("*.py"))]
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    raised = re.findall(r"(?:Reject|ImageError|MethodError)\(\s*\"(\w+)\"", source)
    raised += re.findall(r"(?:_reject\(|Fault\([\w\"]+,|\bfault =)\s*\"(\w+)\"", source)
    raised += re.findall(r"return \(?\s*\"(\w+)\",", source)
    raised += re.findall(r"reason, (?:detail|said) = \"(\w+)\"", source)
    raised += re.findall(r"\breason = \"(\w+)\"", source)
    raised += re.findall(r"\"reason\": \"(\w+)\"", source)
    raised += re.findall(r"Failed\([^)]*\"(\w+)\", detail\)", source)
    refiner = ROOT / "fusionlab" / "refine"
    source = "\n".join((refiner / f"{name}.py").read_text() for name in ("gate", "plan", "work"))
    raised += re.findall(r"\"(refine_\w+)\"", source.replace('NO_CHANGE = "refine_no_change"', ""))
    text = (DOCS / "manifests.md").read_text(encoding="utf-8")
    tables = text.split("## What is rejected, and why")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \|", tables, re.M)
    # encoding is not decoding: no input is rejected by it; the sources that a method cannot take
    # are method_failed
    assert sorted(documented) == sorted(set(raised) - {"unencodable", "sources", "size"})


def test_the_tutorial_shows_the_demo_as_it_is(demo):
    lines = (DOCS / "tutorial.md").read_text(encoding="utf-8").split("<!-- demo table -->\n")[1]
    rows = [line.strip("| ").split(" | ") for line in lines.split("\n\n")[0].splitlines()[2:]]
    shown = {task: [float(value) for value in values] for task, *values in rows}
    made = against_truth(Lab.open(demo / "lab"), "demo").set_index("task")
    made = made[["mean", "chosen", "best", "regret"]]
    assert set(shown) == set(made.index)
    for task, values in shown.items():
        assert values == pytest.approx(made.loc[task].tolist(), abs=0.051), task


def test_links_between_files_lead_somewhere():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{called(page)}: {target}"


def test_pictures_are_small():
    assert (DOCS / "images" / "demo.png").stat().st_size < 400 * 1024
    assert (DOCS / "images" / "rewards.png").stat().st_size < 150 * 1024


def test_pages_are_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    places = [str(page.relative_to(DOCS)) for page in DOC_PAGES]
    assert [place for place in places if f": {place}\n" not in text] == []


@pytest.mark.skipif(
    importlib.util.find_spec("material") is None, reason="mkdocs-material is not installed"
)
def test_the_site_builds_strictly(tmp_path):

    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(
        [*command, "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
