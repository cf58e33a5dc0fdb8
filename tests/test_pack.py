"""A packed lab is the same lab in few files: read by everything, written by nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr
from helpers import make_lab, tree_bytes
from typer.testing import CliRunner

from fusionlab import packing, upkeep
from fusionlab.cli import app
from fusionlab.errors import LabError
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.packing import pack
from fusionlab.schemas import INDEX
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select
from fusionlab.store import Address, ImageStore


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return make_lab(tmp_path, scenes=5, reference=True)


@pytest.fixture(autouse=True)
def shards_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PER_SHARD", 2)


def pixel_files(lab: Lab) -> list[Path]:
    return [p for p in lab.images.path.rglob("c.*") if "scene" not in p.parts]


def test_every_image_and_table_is_the_same_and_the_files_are_fewer(
    lab: Lab, tmp_path: Path
) -> None:
    score(lab, ["EN", "SD"])
    seen: list[tuple[int, int]] = []
    report = pack(lab, tmp_path / "packed", workers=2, on_progress=lambda *at: seen.append(at))
    packed = Lab.open(tmp_path / "packed")
    assert packed.packed == 2
    assert (report.images, report.shards, report.kept) == (35, 7 * 3, 0)
    assert report.pixel_bytes == 35 * 48 * 57
    assert (seen[0], seen[-1]) == ((0, 35), (35, 35))
    assert (len(pixel_files(lab)), len(pixel_files(packed))) == (35, 21)
    index = packed.index("ivf", "toy")
    for row in index.to_dict("records"):
        address = Address.of(row)
        np.testing.assert_array_equal(packed.images.read(address), lab.images.read(address))
    for table in ("index/ivf-toy.parquet", "scores/ivf-toy.parquet", "rejects.parquet"):
        assert (packed.path / table).read_bytes() == (lab.path / table).read_bytes()
    assert upkeep.verify(packed).wrong == []
    assert not list(packed.path.rglob(".*pack*"))


def test_a_data_set_of_which_nothing_was_taken_is_no_hindrance(lab: Lab, tmp_path: Path) -> None:
    lab.write_index("ivf", "none", INDEX.empty())
    assert pack(lab, tmp_path / "packed").images == len(lab.index("ivf", "toy"))
    assert len(Lab.open(tmp_path / "packed").index("ivf", "none")) == 0


def test_plain_zarr_reads_a_shard_and_one_plain_zarr_wrote_is_read(
    lab: Lab, tmp_path: Path
) -> None:
    pack(lab, tmp_path / "packed")
    packed, folder = Lab.open(tmp_path / "packed"), "ivf/toy/48x57x1-uint8"
    for name in ("source/ir", "method/mean", "reference/truth"):
        ours = zarr.open_array(packed.images.path / folder / name, mode="r")
        assert (ours.shards, ours.chunks) == ((2, 48, 57), (1, 48, 57))
        plain = zarr.open_array(lab.images.path / folder / name, mode="r")
        np.testing.assert_array_equal(ours[:], plain[:])
    theirs = zarr.open_array(packed.images.path / folder / "source/ir", mode="r+")
    theirs[2:4] = np.full((2, 48, 57), 7, np.uint8)
    read = ImageStore(packed.images.path).read(Address(folder, "source/ir", 3))
    assert (read == 7).all()


def test_xarray_opens_a_packed_bucket(lab: Lab, tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    pack(lab, tmp_path / "packed")
    bucket = tmp_path / "packed/images.zarr/ivf/toy/48x57x1-uint8"
    with xarray.open_datatree(bucket, engine="zarr", consolidated=False) as tree:
        assert list(tree["scene"].values) == [f"s{i}" for i in range(5)]
        got = tree["method"]["sharp"].values
    plain = zarr.open_array(lab.images.path / "ivf/toy/48x57x1-uint8/method/sharp", mode="r")
    np.testing.assert_array_equal(got, plain[:])


def test_a_packed_lab_is_scored_and_selected_from_like_the_other(lab: Lab, tmp_path: Path) -> None:
    pack(lab, tmp_path / "packed")
    packed = Lab.open(tmp_path / "packed")
    policy = tmp_path / "p.yaml"
    policy.write_text("name: two\nversion: 1\nweights:\n  ivf: {EN: 1, SD: 1}\n")
    for each in (lab, packed):
        score(each, ["EN", "SD"])
        select(each, load_policy(str(policy)), "first")
    for table in ("scores/ivf-toy.parquet", "labels/first.parquet", "rejects.parquet"):
        assert (packed.path / table).read_bytes() == (lab.path / table).read_bytes()


def test_ingest_into_a_packed_lab_is_refused(lab: Lab, tmp_path: Path) -> None:
    pack(lab, tmp_path / "packed")
    packed, before = Lab.open(tmp_path / "packed"), tree_bytes(tmp_path / "packed")
    with pytest.raises(LabError, match="packed lab, whose pixels are read-only; ingest into the"):
        ingest(*load_manifest(tmp_path / "images/toy.yaml"), packed)
    address = Address("ivf/toy/48x57x1-uint8", "source/ir", 0)
    with pytest.raises(LabError, match="holds 2 images, which are written together"):
        packed.images.write(address, np.zeros((48, 57), np.uint8))
    assert tree_bytes(tmp_path / "packed") == before


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_shard_is_written_whole_or_not_at_all(lab: Lab, tmp_path: Path, count: int) -> None:
    pack(lab, tmp_path / "packed")
    store = Lab.open(tmp_path / "packed").images
    with pytest.raises(LabError, match="a shard is written whole"):
        store.write_shard("ivf/toy/48x57x1-uint8", "source/ir", 0, [None] * count)


def test_a_target_with_anything_in_it_is_refused(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.tex").write_text("")
    for dry in (False, True):
        with pytest.raises(LabError, match="is not empty; name an empty place"):
            pack(lab, tmp_path / "full", dry_run=dry)
        with pytest.raises(LabError, match="is a lab already"):
            pack(lab, lab.path, dry_run=dry)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["thesis.tex"]


def test_a_dry_run_counts_and_writes_nothing(lab: Lab, tmp_path: Path) -> None:
    arguments = [
        "pack",
        "--lab",
        str(lab.path),
        "--out",
        str(tmp_path / "p"),
        "--dry-run",
        "--json",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["images"], found["shards"], found["written_bytes"]) == (35, 21, 0)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("after", [0, 1, 9, 20])
def test_a_pack_that_was_stopped_is_no_lab_and_goes_on(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    pack(lab, tmp_path / "whole")
    real, left = ImageStore.write_shard, [after]

    def stopping(*arguments: object) -> int:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return real(*arguments)

    monkeypatch.setattr(ImageStore, "write_shard", stopping)
    with pytest.raises(KeyboardInterrupt):
        pack(lab, tmp_path / "packed", workers=1)
    with pytest.raises(LabError, match="there is no lab here"):
        Lab.open(tmp_path / "packed")
    monkeypatch.setattr(ImageStore, "write_shard", real)
    report = pack(lab, tmp_path / "packed", workers=1)
    assert report.kept == after
    assert tree_bytes(tmp_path / "packed") == tree_bytes(tmp_path / "whole")


def test_a_stopped_pack_of_another_state_is_refused(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "_copy_tables", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pack(lab, tmp_path / "packed")
    lab.write_index("ivf", "toy", lab.index("ivf", "toy").iloc[:-1])
    with pytest.raises(LabError, match="unfinished pack of another state"):
        pack(lab, tmp_path / "packed")


def test_a_wrong_image_stops_the_pack_and_is_named(lab: Lab, tmp_path: Path) -> None:
    entry = lab.index("ivf", "toy").query("scene == 's3' and name == 'mean'").iloc[0]
    lab.images.write(Address.of(entry), np.zeros((48, 57), np.uint8))
    with pytest.raises(LabError, match="mean of scene s3 is not the image that the index means"):
        pack(lab, tmp_path / "packed")


@pytest.mark.parametrize("damage", ["index", "chunk", "cut"])
def test_a_damaged_shard_is_found_by_verify(lab: Lab, tmp_path: Path, damage: str) -> None:
    pack(lab, tmp_path / "packed")
    packed = Lab.open(tmp_path / "packed")
    shard = packed.images.path / "ivf/toy/48x57x1-uint8/method/mean/c.1.0.0"
    data = bytearray(shard.read_bytes())
    if damage == "cut":
        del data[len(data) // 2 :]
    else:
        data[-6 if damage == "index" else 60] ^= 0xFF
    shard.write_bytes(bytes(data))
    wrong = upkeep.verify(packed).wrong
    assert {row["name"] for row in wrong} == {"mean"}
    assert {row["scene"] for row in wrong} <= {"s2", "s3"}
