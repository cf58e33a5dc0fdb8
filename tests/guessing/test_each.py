"""A folder of several data sets: a manifest for each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusionlab.cli import app
from fusionlab.errors import FusionLabError, UsageError
from fusionlab.guessing import guess_each
from fusionlab.ingest import load_manifest

from .test_guess import each, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three data sets, two of one name, one of scenes in folders, and one that cannot be told."""
    root = tmp_path / "data"
    write(root / "ivf" / "street", "ivf", each(["1", "2", "3"], ir="ir/{s}.png", vis="vis/{s}.png"))
    write(root / "mff" / "desk", "mff", each(["1", "2", "3"], A="{s}_A.png", B="{s}_B.png"))
    write(
        root / "mef" / "desk",
        "mef",
        each(["tree", "wall"], under="{s}/{s}_A.png", over="{s}/{s}_B.png"),
    )
    return root


def test_every_data_set_has_its_manifest_and_its_name(folder: Path) -> None:
    found = {one.root.relative_to(folder).as_posix(): one for one in guess_each(folder)}
    assert list(found) == ["ivf/street", "mef/desk", "mff/desk"]
    content = {name: one.guess.content for name, one in found.items() if one.guess}
    assert [c["dataset"] for c in content.values()] == ["street", "mef_desk", "mff_desk"]
    assert [c["task"] for c in content.values()] == ["ivf", "mef", "mff"]
    assert [one.guess.tried.scenes for one in found.values() if one.guess] == [3, 2, 3]


def test_as_many_folders_as_it_takes_name_a_data_set(tmp_path: Path) -> None:
    for place in ("x/mine/desk", "y/mine/desk", "y/other"):
        write(tmp_path / place, "mff", each(["1", "2"], A="{s}_A.png", B="{s}_B.png"))
    names = [one.guess.content["dataset"] for one in guess_each(tmp_path) if one.guess]
    assert names == ["x_mine_desk", "y_mine_desk", "other"]


def test_an_archive_of_several_data_sets_says_so(folder: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "all"), "zip", folder)
    with pytest.raises(UsageError, match="holds several data sets"):
        guess_each(Path(archive))


def test_one_data_set_is_one_guess(folder: Path) -> None:
    (one,) = guess_each(folder / "ivf" / "street")
    assert one.guess is not None
    assert one.guess.content["dataset"] == "street"


def test_a_small_data_set_beside_a_large_one_is_found(tmp_path: Path) -> None:
    names = [str(number) for number in range(12)]
    write(tmp_path / "large", "ivf", each(names, ir="ir/{s}.png", vis="vis/{s}.png"))
    write(tmp_path / "small", "mff", each(["cup"], A="{s}_A.png", B="{s}_B.png"))
    assert [one.root.name for one in guess_each(tmp_path)] == ["large", "small"]


def test_a_folder_of_sources_alone_does_not_name_the_data_set(tmp_path: Path) -> None:
    pair = each(["1", "2"], ir="images/ir/{s}.png", vis="images/vis/{s}.png")
    write(tmp_path / "mine", "ivf", pair)
    (one,) = guess_each(tmp_path / "mine")
    assert one.guess is not None
    assert one.guess.content["dataset"] == "mine"


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FusionLabError, match="no image was found"):
        guess_each(tmp_path)


def init(*words: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["init", *map(str, words)])
    return result.exit_code, result.output


def test_manifests_are_written_once_and_what_was_changed_by_hand_is_kept(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "manifests"
    assert init(folder, "--each", "--out", out, "--dry-run")[0] == 0
    assert not out.exists()
    assert init(folder, "--each", "--out", out)[0] == 0
    files = sorted(out.iterdir())
    assert [file.name for file in files] == ["mef_desk.yaml", "mff_desk.yaml", "street.yaml"]
    assert all(load_manifest(file)[1].is_dir() for file in files)
    files[0].write_text("mine")
    code, output = init(folder, "--each", "--out", out, "--json")
    assert code == 0
    assert [one["state"] for one in json.loads(output)] == ["kept"] * 3
    assert files[0].read_text() == "mine"
    assert init(folder, "--each", "--out", out, "--force")[0] == 0
    assert load_manifest(files[0])[0].task == "mef"


def test_what_was_written_is_read_back_as_it_was_guessed(folder: Path, tmp_path: Path) -> None:
    masks = each(["1", "2", "3"], A="masks/{s}.png")
    write(folder / "ivf" / "street", "mff", masks)
    out = tmp_path / "m"
    assert init(folder, "--each", "--out", out)[0] == 0
    for one in guess_each(folder):
        assert one.guess is not None
        read, root = load_manifest(out / f"{one.guess.content['dataset']}.yaml")
        assert root == one.root
        assert read.model_dump(exclude={"root"}) == one.guess.manifest.model_dump(exclude={"root"})
    assert load_manifest(out / "street.yaml")[0].ignore == ("masks/*",)


def test_what_cannot_be_told_is_a_row_and_the_rest_goes_on(folder: Path, tmp_path: Path) -> None:
    for name in ("left/1.png", "left/2.png", "right/1.png", "right/2.png"):
        path = folder / "odd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no image")
    code, output = init(folder, "--each", "--out", tmp_path / "m", "--json")
    found = {Path(one["root"]).name: one for one in json.loads(output)}
    assert code == 1
    assert "fit any task, and content does not decide" in found["odd"]["problem"]
    assert len(list((tmp_path / "m").iterdir())) == 3


def test_a_name_is_of_one_data_set(folder: Path) -> None:
    code, output = init(folder, "--each", "--name", "x")
    assert code == 2
    assert "--name names one data set" in output
