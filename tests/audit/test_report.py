"""The report is whole, harmless, needs no network, and a second run does only what is new."""

from __future__ import annotations

import json
import re
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from helpers import make_lab, tree_bytes
from PIL import Image
from reports import METHODS, ODD, ODD_METHOD, Links
from typer.testing import CliRunner

from fusionlab.audit import report as report_module
from fusionlab.audit import write_report
from fusionlab.audit.links import scene_url
from fusionlab.audit.pictures import encode_picture, to_8_bits
from fusionlab.audit.report import HtmlReport
from fusionlab.cli import app
from fusionlab.errors import LabError, UsageError
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import Policy, load_policy, select
from fusionlab.store import Address

Written = tuple[Path, HtmlReport]


def pages(out: Path) -> list[Path]:
    return sorted(out.rglob("*.html"))


def test_every_scene_data_set_and_task_has_a_page(written: Written) -> None:
    out, report = written
    names = {str(page.relative_to(out)) for page in pages(out)}
    assert {"index.html", "scenes.html", "task/ivf.html", "task/mff.html"} <= names
    for scene in ("s1", ODD, "bare", "large"):
        assert scene_url("ivf", "odd", scene) in names
    assert report.pages == len(names) == 2 + 2 + 2 + 5
    assert report.pictures == len(list(out.rglob("*.webp")))
    assert report.bytes == sum(
        f.stat().st_size for f in out.rglob("*") if f.name != "report.json" and f.is_file()
    )
    assert report.damaged == 0


def test_every_link_and_picture_leads_somewhere(written: Written) -> None:
    out, _ = written
    reached = {out / "index.html"}
    for page in pages(out):
        files = Links(page).files(page)
        assert [f for f in files if not f.is_file()] == []
        reached |= set(files)
    unreached = {f for f in out.rglob("*") if f.is_file()} - reached
    assert unreached == {out / "report.json"}


def test_anchors_within_pages_exist(written: Written) -> None:
    for page in pages(written[0]):
        text = page.read_text(encoding="utf-8")
        ids = set(re.findall(r' id="([^"]+)"', text))
        assert set(re.findall(r'href="#([^"]+)"', text)) <= ids


def test_nothing_comes_from_the_network(written: Written) -> None:
    out, _ = written
    for page in pages(out):
        for address in Links(page).addresses:
            assert not re.match(r"(?:[a-z]+:)?//", address), address
    for name in ("report.css", "report.js", "viewer.js", "theme.js"):
        text = (out / "assets" / name).read_text(encoding="utf-8")
        assert not re.search(r"https?:|@import|url\(|\bfetch\(|XMLHttpRequest", text)


def test_names_are_harmless(written: Written) -> None:
    out, _ = written
    page = out / scene_url("ivf", "odd", ODD)
    links = Links(page)
    assert ODD in links.text
    assert ODD_METHOD in links.text
    for file in pages(out):
        found = Links(file)
        text = file.read_text(encoding="utf-8")
        assert "<script>alert" not in text
        assert "<b onclick" not in text
        assert found.handlers == []
        assert set(found.tags) <= ALLOWED
    assert all(re.fullmatch(r"[a-z0-9./-]+", str(p.relative_to(out))) for p in out.rglob("*"))


ALLOWED = {
    *("html", "head", "meta", "title", "link", "script", "body", "header", "nav", "main", "footer"),
    *(
        "h1",
        "h2",
        "h3",
        "p",
        "a",
        "span",
        "div",
        "section",
        "strong",
        "small",
        "kbd",
        "pre",
        "code",
    ),
    *("dl", "dt", "dd", "figure", "img", "figcaption", "details", "summary", "dialog"),
    *("form", "label", "input", "output", "button"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


def test_names_in_figures_are_escaped_for_plotly(written: Written) -> None:
    text = (written[0] / "task" / "ivf.html").read_text(encoding="utf-8")
    figures = re.findall(r'<script type="application/json">(.*?)</script>', text, re.S)
    assert figures
    traces = [trace for figure in map(json.loads, figures) for trace in figure["data"]]
    names = {str(name) for trace in traces for name in trace.get("y", [])}
    assert any("&lt;b onclick" in name for name in names)
    assert not any("<b" in name for name in names)


def test_a_scene_without_labels_says_why(written: Written) -> None:
    out, _ = written
    text = Links(out / scene_url("ivf", "odd", "bare")).text
    assert "No label" in text
    assert "no candidate of scene 'bare' has a score" in text


def test_a_label_without_runner_up_has_a_page(written: Written) -> None:
    text = Links(written[0] / scene_url("mff", "deep", "one")).text
    assert "mean is the only candidate." in text


def test_pictures_in_full_are_the_pixels(odd_lab: Lab, written: Written) -> None:
    out, _ = written
    for key in odd_lab.datasets():
        for row in odd_lab.index(*key).to_dict("records"):
            files = list(out.glob(f"images/{row['digest'][:2]}/{row['digest'][2:34]}-full*.webp"))
            shown = np.asarray(Image.open(files[0]))
            pixels = odd_lab.images.read(Address.of(row))
            want = pixels if pixels.dtype == np.uint8 else np.rint(pixels / 257.0)
            assert np.array_equal(shown if want.ndim == 3 else shown[..., 0], want)
            small = list(out.glob(f"images/{row['digest'][:2]}/{row['digest'][2:34]}-thumb*.webp"))
            assert len(small) == (max(row["height"], row["width"]) > 400)


def test_sixteen_bits_are_mapped_linearly() -> None:
    levels = np.array([[0, 128, 129, 32896, 65407, 65535]], np.uint16)
    assert to_8_bits(levels).tolist() == [[0, 0, 1, 128, 255, 255]]
    wide = np.zeros((2, 9000), np.uint16)
    assert Image.open(BytesIO(encode_picture(wide, "full"))).size == (8192, 2)
    assert Image.open(BytesIO(encode_picture(wide.T, "thumb"))).size == (1, 400)


def test_a_second_run_writes_nothing(odd_lab: Lab, written: Written, tmp_path: Path) -> None:
    shutil.copytree(written[0], tmp_path / "out")
    before = tree_bytes(tmp_path / "out")
    again = write_report(odd_lab, tmp_path / "out")
    assert (again.written, again.removed) == (0, 0)
    assert again.bytes == written[1].bytes
    assert tree_bytes(tmp_path / "out") == before


def test_what_is_lost_or_cut_short_is_written_again(
    odd_lab: Lab, written: Written, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(written[0], out)
    before = tree_bytes(out)
    picture, *_ = sorted(out.rglob("*.webp"))
    picture.unlink()
    sorted(out.rglob("*.webp"))[0].write_bytes(b"")
    (out / "index.html").write_text("cut")
    assert write_report(odd_lab, out).written == 3
    assert tree_bytes(out) == before


def test_other_labels_replace_pages_and_remove_what_is_left_over(tmp_path: Path) -> None:
    made = make_lab(tmp_path, scenes=2)
    score(made)
    select(made, load_policy("fusionfm"), "x")
    out = tmp_path / "out"
    write_report(made, out)
    stale = out / "scenes" / "gone.html"
    stale.write_text("old")
    note = json.loads((out / "report.json").read_text())
    note["files"] += ["scenes/gone.html", "../outside", "/etc/outside"]
    (out / "report.json").write_text(json.dumps(note))
    (tmp_path / "outside").write_text("not ours")
    mine = out / "notes.txt"
    mine.write_text("a reader's own")
    select(made, Policy(name="q", version=1, weights={"ivf": {"EN": 1.0}}), "x")
    again = write_report(made, out)
    assert again.removed == 1
    assert 0 < again.written <= again.pages
    assert not stale.exists()
    assert mine.exists()
    assert (tmp_path / "outside").exists()


def test_a_run_that_was_killed_is_gone_on_with(
    odd_lab: Lab, written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def stop(*_: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(report_module, "encode_picture", stop)
        with pytest.raises(KeyboardInterrupt):
            write_report(odd_lab, out, workers=1)
    assert (out / "index.html").exists()
    report = write_report(odd_lab, out)
    assert report.written == report.pictures
    assert tree_bytes(out) == tree_bytes(written[0])


def test_a_folder_of_other_things_is_left_alone(odd_lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="no report of FusionLab"):
        write_report(odd_lab, tmp_path)
    assert tree_bytes(tmp_path) == {"thesis.tex": b"mine"}
    (tmp_path / "report.json").write_text("[]")
    with pytest.raises(UsageError, match=r"report\.json"):
        write_report(odd_lab, tmp_path)


def test_a_damaged_image_is_counted_and_the_rest_is_shown(tmp_path: Path) -> None:
    made = make_lab(tmp_path, scenes=1, methods=("mean", "noisy"))
    score(made)
    select(made, load_policy("fusionfm"), "x")
    row = made.index("ivf", "toy").query("name == 'noisy'").iloc[0]
    array = tmp_path / "lab/images.zarr/ivf/toy" / row["bucket"] / "method" / "noisy"
    for chunk in array.glob("c*"):
        if chunk.is_file():
            chunk.write_bytes(b"\x00broken")
    with pytest.raises(LabError):
        made.images.read(Address.of(row.to_dict()))
    report = write_report(made, tmp_path / "out")
    assert report.damaged == 1
    assert report.pictures == 3


def test_progress_ends_with_all(odd_lab: Lab, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = write_report(odd_lab, tmp_path / "out", on_progress=lambda *s: seen.append(s))
    total = 5 + report.pictures
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == list(range(1, total + 1))


def test_the_command_writes_a_report_and_says_so(odd_lab: Lab, tmp_path: Path) -> None:
    arguments = ["audit", "--lab", str(odd_lab.path), "--html", str(tmp_path / "out")]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "index.html" in shown.output
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert (found["written"], found["pages"]) == (0, 11)


def test_methods_of_the_fixture_are_all_in(written: Written) -> None:
    text = Links(written[0] / scene_url("ivf", "odd", "s1")).text
    assert all(method in text for method in METHODS)
