"""Fusing files: names, rejects, going on, and never writing over what is another's."""

from __future__ import annotations

import json
import os
import unicodedata
import zlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import picture
from fusing_models import make_model, save_run
from typer.testing import CliRunner

from fusionlab.cli import app
from fusionlab.errors import LabError, UnknownNameError, UsageError
from fusionlab.images import encode_png, read_image
from fusionlab.inference import Fuser
from fusionlab.inference.record import read_record
from fusionlab.inference.run import fuse_files
from fusionlab.lock import hold
from fusionlab.schemas import REJECTS
from fusionlab.tables import read_table


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return save_run(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture(scope="module")
def fuser(run) -> Fuser:
    return Fuser.load(run, "cpu")


def put(path: Path, content: np.ndarray | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, np.ndarray):
        jpeg = path.suffix.lower() == ".jpg"
        content = cv2.imencode(".jpg", content)[1].tobytes() if jpeg else encode_png(content)
    path.write_bytes(content)
    return path


@pytest.fixture
def pairs(tmp_path) -> tuple[Path, Path]:
    """Three pairs, under names that differ in case, ending and writing of an accent."""
    for a, b in (("one.png", "one.png"), ("Two.PNG", "two.jpg"), ("é.png", "é.png")):
        put(tmp_path / "a" / unicodedata.normalize("NFC", a), picture(a, (20, 31)))
        put(tmp_path / "b" / unicodedata.normalize("NFD", b), picture(b, (20, 31, 3)))
    return tmp_path / "a", tmp_path / "b"


def times(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("*.png")}


def reasons(out: Path) -> list[tuple[str, str]]:
    frame = read_table(out / "rejects.parquet", REJECTS)
    assert (frame["stage"] == "fuse").all()
    return sorted(zip(frame["scene"], frame["reason"], strict=True))


def test_folders_are_paired_and_fused(fuser, pairs, tmp_path):
    seen = []
    report = fuse_files(
        fuser, pairs, tmp_path / "out", task="ivf", on_progress=lambda *of: seen.append(of)
    )
    assert (report.images, report.fused, report.kept, report.rejects) == (3, 3, 0, [])
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert sorted(times(tmp_path / "out")) == ["Two.png", "one.png", "é.png"]
    two = [read_image(pairs[0] / "Two.PNG"), read_image(pairs[1] / "two.jpg")]
    assert np.array_equal(read_image(tmp_path / "out" / "Two.png"), fuser.fuse(two, "ivf"))
    assert reasons(tmp_path / "out") == []


def test_what_is_done_is_recognised_by_what_it_was_made_of(fuser, pairs, tmp_path):
    out = tmp_path / "out"

    def again(with_fuser: Fuser = fuser, **settings: object) -> tuple[int, int]:
        report = fuse_files(with_fuser, pairs, out, **{"task": "ivf", **settings})
        return report.fused, report.kept

    assert again() == (3, 0)
    before = times(out)
    assert again() == (0, 3)
    assert again(steps=fuser.model.settings.steps, solver="euler", tile=512) == (0, 3)
    assert times(out) == before
    assert again(steps=1) == (3, 0)
    assert again(task="mif", steps=1) == (3, 0)
    other = Fuser(make_model(seed=3), "first", "another digest")
    assert again(other) == (3, 0)
    assert again() == (3, 0)
    put(pairs[0] / "one.png", picture("new", (20, 31)))
    assert again() == (1, 2)
    assert again(overwrite=True) == (3, 0)


def test_a_fused_file_that_was_changed_is_no_longer_ours(fuser, pairs, tmp_path):
    out = tmp_path / "out"
    fuse_files(fuser, pairs, out)
    data = bytearray((out / "one.png").read_bytes())
    (out / "one.png").write_bytes(data[: len(data) // 2])
    put(out / "Two.png", picture("by hand"))
    assert fuse_files(fuser, pairs, out, dry_run=True).as_dict()["rejected"] == {"output_exists": 2}
    report = fuse_files(fuser, pairs, out)
    assert (report.fused, report.kept) == (0, 1)
    assert reasons(out) == [("Two", "output_exists"), ("one", "output_exists")]
    assert np.array_equal(read_image(out / "Two.png"), picture("by hand"))
    assert fuse_files(fuser, pairs, out, overwrite=True).fused == 3
    assert reasons(out) == []


def test_a_dry_run_writes_nothing(fuser, pairs, tmp_path):
    put(pairs[0] / "three.png", picture("three"))
    report = fuse_files(fuser, pairs, tmp_path / "out", dry_run=True)
    assert (report.fused, report.kept, len(report.rejects)) == (3, 0, 1)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_fused_is_a_row_and_the_rest_goes_on(fuser, pairs, tmp_path):
    a, b = pairs
    for name, first, second in (
        ("broken", b"\x89PNG\r\n\x1a\nnothing", picture("x")),
        ("empty", picture("x"), b""),
        ("sizes", picture("x", (9, 9)), picture("x", (9, 10))),
        ("bomb", picture("x"), png_header(60_000, 60_000)),
        ("alone", picture("x"), None),
    ):
        put(a / f"{name}.png", first)
        if second is not None:
            put(b / f"{name}.png", second)
    put(b / "lonely.png", picture("x"))
    put(a / "twice.png", picture("x"))
    put(a / "TWICE.png", picture("x"))
    put(a / "notes.txt", b"text")
    (a / "folder").mkdir()
    (a / ".hidden.png").write_bytes(b"")
    os.mkfifo(a / "pipe.png")
    put(b / "pipe.png", picture("x"))
    report = fuse_files(fuser, pairs, tmp_path / "out")
    assert (report.images, report.fused) == (8, 3)
    assert reasons(tmp_path / "out") == [
        ("", "unmatched_file"),
        ("alone", "missing_source"),
        ("bomb", "too_many_pixels"),
        ("broken", "undecodable"),
        ("empty", "empty_file"),
        ("lonely", "missing_source"),
        ("notes", "unmatched_file"),
        ("pipe", "unreadable"),
        ("sizes", "source_sizes_differ"),
        ("twice", "duplicate_file"),
        ("twice", "duplicate_file"),
    ]
    frame = read_table(tmp_path / "out" / "rejects.parquet", REJECTS).set_index("scene")
    assert "b/empty.png" in frame.loc["empty", "detail"]
    assert sorted(times(tmp_path / "out")) == ["Two.png", "one.png", "é.png"]


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is this large."""
    data = bytearray(encode_png(np.zeros((1, 1), np.uint8)))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def test_names_cannot_lead_elsewhere(fuser, tmp_path):
    a, b, out = tmp_path / "a", tmp_path / "b", tmp_path / "out"
    bad = ["up\\down", "x\ny", "a:b", "n" * 200]
    names = [os.fsdecode(f"{name}.png".encode()) for name in [*bad, "good"]] + [
        os.fsdecode(b"\xff.png")
    ]
    for folder in (a, b):
        for name in names:
            put(folder / name, picture("x", (5, 6)))
    report = fuse_files(fuser, [a, b], out)
    assert (report.images, report.fused) == (1, 1)
    assert [reason for _, reason in reasons(out)] == ["unsafe_name"] * 5
    assert sorted(p.name for p in out.iterdir() if p.name[0] != ".") == [
        "good.png",
        "rejects.parquet",
    ]


def test_a_link_at_the_output_is_replaced_and_not_followed(fuser, pairs, tmp_path):
    out, target = tmp_path / "out", put(tmp_path / "precious.png", picture("p"))
    out.mkdir()
    (out / "one.png").symlink_to(target)
    assert fuse_files(fuser, pairs, out, overwrite=True).fused == 3
    assert np.array_equal(read_image(target), picture("p"))
    assert not (out / "one.png").is_symlink()


def test_files_are_one_image_and_further_sources_count(fuser, tmp_path):
    shots = [put(tmp_path / f"{i}" / f"shot{i}.png", picture(i, (12, 13, 3))) for i in range(3)]
    out = tmp_path / "out"
    assert fuse_files(fuser, shots[:2], out, task="mef").fused == 1
    two = read_image(out / "shot0.png")
    assert fuse_files(fuser, shots, out, task="mef").fused == 1
    three = read_image(out / "shot0.png")
    assert not np.array_equal(two, three)
    assert np.array_equal(three, fuser.fuse([read_image(shot) for shot in shots], "mef"))
    assert len(read_record(out / "shot0.png").recipe.sources) == 3


def test_16_bit_colour_is_written_as_it_is(fuser, tmp_path):
    a = put(tmp_path / "a.png", picture("a", (7, 8), np.uint16))
    b = put(tmp_path / "b" / "b.png", picture("b", (7, 8, 3), np.uint8))
    fuse_files(fuser, [a, b], tmp_path / "out", task="ivf")
    fused = read_image(tmp_path / "out" / "a.png")
    assert (fused.dtype, fused.shape) == (np.uint16, (7, 8, 3))
    assert fuse_files(fuser, [a, b], tmp_path / "out", task="ivf").kept == 1


def test_a_fused_image_that_turns_out_gray_is_known_again(fuser, tmp_path):
    b = np.full((3, 3, 3), 100, np.uint8)
    b[0, 0] = (100, 100, 101)
    files = [put(tmp_path / "a.png", picture("a", (3, 3))), put(tmp_path / "b" / "b.png", b)]
    assert fuse_files(fuser, files, tmp_path / "out", task="ivf").fused == 1
    assert fuse_files(fuser, files, tmp_path / "out", task="ivf").kept == 1


def test_requests_that_cannot_be(fuser, pairs, tmp_path):
    a, b = pairs
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="does not exist"):
        fuse_files(fuser, [a, tmp_path / "c"], out)
    with pytest.raises(UsageError, match="folders only, or files only"):
        fuse_files(fuser, [a, b / "one.png"], out)
    with pytest.raises(UsageError, match="holds sources"):
        fuse_files(fuser, pairs, b)
    with pytest.raises(UsageError, match="is a file"):
        fuse_files(fuser, pairs, a / "one.png")
    with pytest.raises(UnknownNameError, match="task"):
        fuse_files(fuser, pairs, out, task="mmf")
    with pytest.raises(UsageError, match="tile"):
        fuse_files(fuser, pairs, out, tile=1)
    (tmp_path / "c").mkdir()
    put(tmp_path / "c" / "other.png", picture("x"))
    with pytest.raises(UsageError, match="no image has the same file name"):
        fuse_files(fuser, [a, tmp_path / "c"], out)
    assert not out.exists()


def test_one_process_writes_into_a_folder(fuser, pairs, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with hold(out), pytest.raises(LabError, match="process"):
        fuse_files(fuser, pairs, out)
    (out / ".partial-one.png-0").write_bytes(b"left by a kill")
    fuse_files(fuser, pairs, out)
    assert not (out / ".partial-one.png-0").exists()


def command(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_fuses_and_tells(run, pairs, tmp_path):
    a, b = pairs
    out = tmp_path / "out"
    put(a / "alone.png", picture("x"))
    call = ("fuse", run, "--a", a, "--b", b, "--out", out, "--task", "ivf", "--device", "cpu")
    shown = command(*call)
    assert shown.exit_code == 0, shown.output
    assert "missing_source 1" in shown.output
    assert "alone   missing_source" in shown.output
    report = json.loads(command(*call, "--json").stdout)
    assert (report["images"], report["fused"], report["kept"]) == (3, 0, 3)
    assert report["rejected"] == {"missing_source": 1}
    assert (report["run"], report["device"], report["task"]) == ("first", "cpu", "ivf")
    assert len(pd.read_parquet(out / "rejects.parquet")) == 1


def test_the_command_fails_where_nothing_is_fused_or_found(run, tmp_path):
    a = put(tmp_path / "a.png", picture("a", (4, 4)))
    b = put(tmp_path / "b" / "b.png", picture("b", (4, 5)))
    done = command("fuse", run, "--a", a, "--b", b, "--out", tmp_path / "out", "--device", "cpu")
    assert done.exit_code == 1
    assert "source_sizes_differ" in done.output
    none = command("fuse", tmp_path / "none", "--a", a, "--b", b, "--out", tmp_path / "out")
    assert none.exit_code == 1
    assert "there is no such model" in none.output
    wrong = command("fuse", run, "--a", a, "--b", tmp_path / "c.png", "--out", tmp_path / "out")
    assert wrong.exit_code == 2
