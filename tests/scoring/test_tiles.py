"""Tile scores: those of the crops, nothing twice, the same bytes whatever the workers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from helpers import METHODS, make_lab, tree_bytes, write_dataset, write_image

from fusionlab import metrics as library
from fusionlab.decoys import DECOYS
from fusionlab.errors import MetricInputError
from fusionlab.images import luminance, read_image
from fusionlab.ingest import Checks, ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.regions import Region
from fusionlab.scoring import missing, score
from fusionlab.scoring import run as scoring_run
from fusionlab.scoring import tiles as tile_scoring
from fusionlab.store import Address
from fusionlab.tiling import tiles

SIZE = (130, 197)  # 2 x 3 tiles
SMALL = {"scenes": 2, "size": SIZE}


def tile_scores(lab: Lab, *metrics: str, **options: object) -> object:
    score(lab, metrics, tiles=True, **options)
    return lab.tiles("ivf", "toy").set_index(["scene", "method", "metric", "tile"])["value"]


def test_every_candidate_and_decoy_is_measured_on_every_tile_as_on_the_crop(
    tmp_path: Path,
) -> None:
    lab = make_lab(tmp_path, reference=True, **SMALL)
    found = tile_scores(lab, "SSIM", "VIF", "PSNR_ref")
    grid = tiles(*SIZE)
    assert len(grid) == 6
    assert len(found) == 2 * (len(METHODS) + len(DECOYS)) * 3 * len(grid)
    root = tmp_path / "images/toy"
    a, b, truth = (luminance(read_image(root / n / "s1.png")) for n in ("ir", "vis", "truth"))
    fused = {m: luminance(read_image(root / f"out/{m}/s1.png")) for m in METHODS}
    fused |= {name: decoy(a, b) for name, decoy in DECOYS.items()}
    for tile in grid:
        scene = library.prepare(
            [tile.crop(a), tile.crop(b)],
            ["SSIM", "VIF", "PSNR_ref"],
            reference=tile.crop(truth),
        )
        for method, image in fused.items():
            values = scene.measure(tile.crop(image))
            got = {m: found["s1", method, m, str(tile)] for m in values}
            assert got == values


def test_a_scene_too_small_for_two_tiles_scores_as_the_whole(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    score(lab, ["EN", "SSIM"])
    score(lab, ["EN", "SSIM"], tiles=True)
    whole, tiled = lab.scores("ivf", "toy"), lab.tiles("ivf", "toy")
    assert set(tiled["tile"]) == {"0,0,48,57"}
    assert tiled.drop(columns="tile").equals(whole)


def test_one_and_two_workers_give_the_same_bytes(tmp_path: Path) -> None:
    labs = [make_lab(tmp_path / str(n), **SMALL) for n in (1, 2)]
    for workers, lab in zip((1, 2), labs, strict=True):
        score(lab, ["EN", "Qabf"], tiles=True, workers=workers)
    first, second = (tree_bytes(lab.path / "tiles") for lab in labs)
    assert first == second
    assert list(first) == ["ivf-toy.parquet"]
    assert not labs[0].tile_parts.exists()


def test_nothing_is_measured_twice_and_images_and_tiles_do_not_mix(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, **SMALL)
    assert score(lab, ["EN"]).measured == 16
    assert missing(lab, ["EN"])["to_measure"] == 0
    assert missing(lab, ["EN"], tiles=True)["to_measure"] == 16
    assert score(lab, ["EN"], tiles=True).measured == 16
    before = tree_bytes(lab.path)
    assert score(lab, ["EN"], tiles=True).measured == 0
    assert score(lab, ["EN"]).measured == 0
    assert tree_bytes(lab.path) == before


def test_a_new_metric_or_image_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_lab(tmp_path, **SMALL)
    score(lab, ["EN"], tiles=True)
    asked: list[tuple[str, str]] = []
    real = library.prepare

    def spy(*args: object, **options: object) -> object:
        asked.append(tuple(args[1]))
        return real(*args, **options)

    monkeypatch.setattr("fusionlab.scoring.work.prepare", spy)
    score(lab, ["EN", "SD"], tiles=True)
    assert asked == [("SD",)] * 12
    write_image(tmp_path / "images/toy/out/mean/s1.png", np.zeros(SIZE, np.uint8))
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab)
    assert score(lab, ["EN", "SD"], tiles=True).measured == 1
    values = lab.tiles("ivf", "toy").query("scene == 's1' and method == 'mean'")["value"]
    assert len(values) == 12
    assert (values == 0).all()


def test_each_image_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make_lab(tmp_path, reference=True, **SMALL)
    read: list[object] = []
    real = tile_scoring.ImageStore.read

    def spy(self: object, address: Address) -> object:
        read.append(address)
        return real(self, address)

    monkeypatch.setattr(tile_scoring.ImageStore, "read", spy)
    score(lab, ["EN", "PSNR_ref"], tiles=True)
    assert len(read) == len(set(read)) == 2 * (3 + len(METHODS))


def test_finished_batches_of_a_stopped_run_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, whole = make_lab(tmp_path / "a", **SMALL), make_lab(tmp_path / "b", **SMALL)
    monkeypatch.setattr(scoring_run, "_CANDIDATES_PER_TASK", 1)
    real = scoring_run._keep

    def stop(*args: object) -> None:
        real(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr(scoring_run, "_keep", stop)
        with pytest.raises(KeyboardInterrupt):
            score(lab, ["EN"], tiles=True, workers=1)
    assert score(lab, ["EN"], tiles=True).measured == 8
    score(whole, ["EN"], tiles=True)
    assert tree_bytes(lab.path / "tiles") == tree_bytes(whole.path / "tiles")


def test_a_crop_has_the_tiles_that_lie_in_it(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path, scenes=1, size=(192, 256))
    image = read_image(tmp_path / "toy/out/mean/s0.png")
    write_image(tmp_path / "toy/out/mean/s0.png", image[:150, 10:])
    lab = Lab.create(tmp_path / "lab")
    ingest(*load_manifest(manifest), lab)
    assert lab.index("ivf", "toy").query("name == 'mean'")["region"].tolist() == ["0,10,150,246"]
    found = tile_scores(lab, "SSIM")
    inside = [t for t in tiles(192, 256) if t.x > 0 and t.y + t.height <= 150]
    assert list(found["s0", "mean"].index.get_level_values("tile")) == sorted(map(str, inside))
    assert len(found["s0", "noisy"]) == 12
    tile = inside[-1]
    a, b = (luminance(read_image(tmp_path / f"toy/{n}/s0.png")) for n in ("ir", "vis"))
    expected = library.measure(tile.crop(a), tile.crop(b), tile.crop(image), ["SSIM"])["SSIM"]
    assert found["s0", "mean", "SSIM", str(tile)] == expected


def test_a_dark_tile_of_a_16_bit_scene_is_measured(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path, scenes=1, size=(64, 200))
    for file in (tmp_path / "toy").rglob("*.png"):
        pixels = read_image(file).astype(np.uint16) * 257
        pixels[:, :66] //= 150  # below 2 of 255
        write_image(file, pixels)
    lab = Lab.create(tmp_path / "lab")
    ingest(*load_manifest(manifest), lab, checks=Checks(keep_displaced=True))
    report = score(lab, ["SSIM"], tiles=True)
    assert report.rejected == {}
    assert report.nan == {}
    assert set(lab.tiles("ivf", "toy")["tile"]) == {"0,0,64,66", "0,66,64,67", "0,133,64,67"}


def test_a_damaged_image_is_a_reject_of_its_own_and_the_others_are_measured(
    tmp_path: Path,
) -> None:
    lab = make_lab(tmp_path, **SMALL)
    entry = lab.index("ivf", "toy").query("scene == 's1' and name == 'noisy'").iloc[0]
    lab.images.write(Address.of(entry), np.zeros(SIZE, np.uint8))
    score(lab, ["EN"])
    report = score(lab, ["EN"], tiles=True)
    assert report.rejected == {"unreadable_pixels": 1}
    rejects = lab.rejects()
    assert rejects["stage"].tolist() == ["score", "tiles"]
    assert len(lab.tiles("ivf", "toy")) == 15 * 6


def test_a_candidate_that_fails_on_a_tile_is_rejected_once_and_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_lab(tmp_path, scenes=1, size=SIZE)
    bad = luminance(read_image(tmp_path / "images/toy/out/sharp/s0.png"))
    bad_tile = tiles(*SIZE)[2]
    real = library.scene.PreparedScene.measure

    def measure(self: object, fused: np.ndarray) -> object:
        if np.array_equal(fused, bad_tile.crop(bad)):
            raise MetricInputError("no")
        return real(self, fused)

    monkeypatch.setattr(library.scene.PreparedScene, "measure", measure)
    assert score(lab, ["EN"], tiles=True).rejected == {"unmeasurable": 1}
    (reject,) = lab.rejects().to_dict("records")
    assert (reject["name"], reject["detail"]) == ("sharp", f"tile {bad_tile}: no")
    counts = lab.tiles("ivf", "toy")["method"].value_counts()
    assert counts.pop("sharp") == 2
    assert set(counts) == {6}
    monkeypatch.undo()
    assert score(lab, ["EN"], tiles=True).measured == 1
    assert lab.rejects().empty


def test_another_grid_makes_tiles_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make_lab(tmp_path, scenes=1, size=SIZE)
    score(lab, ["EN"], tiles=True)
    monkeypatch.setattr("fusionlab.tiling.SMALLEST", 100)
    assert score(lab, ["EN"], tiles=True).measured == 8
    assert set(lab.tiles("ivf", "toy")["tile"]) == {str(Region(0, 0, *SIZE))}


def test_a_raised_metric_version_is_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_lab(tmp_path, scenes=1, size=SIZE)
    score(lab, ["EN", "SD"], tiles=True)
    table = library.registry._table()
    metric, family = table["EN"]
    monkeypatch.setitem(table, "EN", (dataclasses.replace(metric, version=99), family))
    assert missing(lab, ["EN", "SD"], tiles=True)["to_measure"] == 8


def test_the_batched_path_scores_the_same_within_its_tolerance(tmp_path: Path) -> None:
    labs = [make_lab(tmp_path / str(n), scenes=1, size=SIZE) for n in (1, 2)]
    kernels = tile_scores(labs[0], "SSIM", "VIF", "SCD")
    batched = tile_scores(labs[1], "SSIM", "VIF", "SCD", device="cpu:0")
    assert np.allclose(kernels, batched, rtol=1e-6, atol=1e-9, equal_nan=True)
