"""Fusion methods of other distributions: really installed, in a folder of their own."""

import json
import subprocess
import sys
from pathlib import Path

import distributions
import pytest

from fusionlab import baselines
from fusionlab.baselines import plugins, registry
from fusionlab.plugins import PluginWarning

GOOD = """
from fusionlab.baselines import Baseline


def darker(luminances):
    return sum(luminances) / (len(luminances) + 1)


METHOD = Baseline("darker", "a dark mean", ("ivf", "mff"), "a test", darker)
"""


def install(folder: Path, name: str, code: str, target: str = "METHOD") -> None:
    distributions.install(folder, name, code, plugins.GROUP, target)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with distributions.on_path(tmp_path, monkeypatch, registry.table.cache_clear) as folder:
        yield folder


def test_an_installed_method_makes_candidates(tmp_path: Path) -> None:
    install(tmp_path, "acme-dark", GOOD)
    code = (
        "import json, numpy, fusionlab.baselines as b\n"
        "from fusionlab.making import choose_methods\n"
        "x = numpy.full((9, 9), 90, numpy.uint8)\n"
        "print(json.dumps([[m.name for m in choose_methods()][-1], b.names('ivf')[-1] != 'darker',"
        "b.apply('darker', 'ivf', [x, x]).max().item()]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"PYTHONPATH": f"{tmp_path}:{Path(plugins.__file__).parents[2]}", "HOME": "/tmp"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == ["darker", True, 60]


def test_nothing_is_loaded_for_a_name_of_ours(site: Path) -> None:
    install(site, "acme-dark", GOOD)
    baselines.get("mean")
    assert "acme_dark" not in sys.modules
    assert baselines.get("darker").title == "a dark mean"
    assert "acme_dark" in sys.modules


def test_a_list_of_methods(site: Path) -> None:
    more = "\nfrom dataclasses import replace\nALL = [METHOD, replace(METHOD, name='other')]\n"
    install(site, "acme-dark", GOOD + more, "ALL")
    assert list(baselines.table())[-2:] == ["darker", "other"]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise RuntimeError('boom')", "does not load: RuntimeError"),
        ("import a_package_that_is_not_there", "ModuleNotFoundError"),
        ("X = 1", "AttributeError"),
        ("METHOD = 3", "is a int, not a baselines.Baseline"),
        (GOOD.replace('"darker"', '"gff"'), "the name 'gff' is taken by FusionLab"),
        (GOOD.replace('"darker"', '"../x"'), "the method name '../x'"),
        (GOOD.replace('("ivf", "mff")', '("ivv",)'), "the tasks ('ivv',)"),
        (GOOD.replace('("ivf", "mff")', "()"), "the tasks ()"),
        (GOOD.replace("darker)", "3)"), "the 'fuse' of 'darker' is no function"),
    ],
)
def test_a_broken_one_is_named_and_left_out(site: Path, code: str, says: str) -> None:
    install(site, "acme-broken", code)
    install(site, "acme-dark", GOOD.replace('"darker"', '"good"'))
    with pytest.warns(PluginWarning, match=r"acme-broken 1\.2 is left out") as caught:
        known = baselines.table()
    assert says in str(caught[0].message)
    assert len(caught) == 1
    assert "good" in known
    assert "gff" in known


def test_two_that_clash(site: Path) -> None:
    install(site, "acme-one", GOOD)
    install(site, "acme-two", GOOD.replace("a dark mean", "another"))
    with pytest.warns(PluginWarning, match=r"acme-two.*taken by acme-one 1\.2"):
        baselines.table()
    assert baselines.get("darker").title == "a dark mean"
