"""Candidates that are made: complete, resumable, deterministic, and like any other afterwards."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import make_lab, sources, tree_bytes, write_dataset, write_image

from fusionlab import audit, baselines
from fusionlab.baselines import registry
from fusionlab.errors import LabError, UnknownNameError, UsageError
from fusionlab.images import digest
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.making import choose_methods, drop, make, missing, plan
from fusionlab.packing import pack
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select
from fusionlab.store import Address
from fusionlab.upkeep import verify

BareLab = Callable[..., Lab]
TWO = ["laplacian", "gff"]
IVF = [name for name in baselines.names("ivf") if name not in ("mean", "max")]


def made_rows(lab: Lab, task: str = "ivf") -> dict[tuple[str, str], dict]:
    rows = lab.index(task, "toy").to_dict("records")
    return {(r["scene"], r["name"]): r for r in rows if r["notes"].startswith("made:method ")}


def pixels_of(lab: Lab, row: dict) -> np.ndarray:
    return lab.images.read(Address.of(row))


def test_every_scene_gets_what_apply_makes_of_it(bare_lab: BareLab, tmp_path: Path) -> None:
    lab = bare_lab(tmp_path)
    report = make(lab, choose_methods())
    assert (report.scenes, report.made, report.standing) == (3, 3 * len(IVF), 0)
    assert (report.methods, report.rejected, report.taken) == (IVF, {}, {})
    rows = made_rows(lab)
    assert set(rows) == {(f"s{i}", name) for i in range(3) for name in IVF}
    for (scene, name), row in rows.items():
        expected = baselines.apply(name, "ivf", list(sources(int(scene[1:]))))
        np.testing.assert_array_equal(pixels_of(lab, row), expected)
        assert row["digest"] == digest(expected)
        assert row["notes"] == f"made:method {name} {baselines.get(name).version}"
    assert verify(lab).wrong == []


def test_a_second_run_makes_nothing_and_changes_no_byte(bare_lab: BareLab, tmp_path: Path) -> None:
    lab = bare_lab(tmp_path)
    make(lab, choose_methods(TWO))
    before = tree_bytes(lab.path)
    assert missing(lab, choose_methods(TWO))["to_make"] == 0
    again = make(lab, choose_methods(TWO))
    assert (again.made, again.standing) == (0, 6)
    assert tree_bytes(lab.path) == before


def test_one_and_two_workers_give_the_same_bytes(bare_lab: BareLab, tmp_path: Path) -> None:
    labs = [bare_lab(tmp_path / str(n), scenes=7) for n in (1, 2)]
    for workers, lab in zip((1, 2), labs, strict=True):
        make(lab, choose_methods(TWO), workers=workers)
    assert tree_bytes(labs[0].path) == tree_bytes(labs[1].path)


def test_only_what_is_new_is_made(
    bare_lab: BareLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = bare_lab(tmp_path)
    make(lab, choose_methods(["laplacian"]))
    assert missing(lab, choose_methods(TWO))["by_method"] == {"laplacian": 0, "gff": 3}
    assert make(lab, choose_methods(TWO)).made == 3
    newer = replace(baselines.get("gff"), version=2)
    monkeypatch.setitem(registry.BASELINES, "gff", newer)
    registry.table.cache_clear()
    assert missing(lab, choose_methods(TWO))["by_method"] == {"laplacian": 0, "gff": 3}
    assert make(lab, choose_methods(TWO)).made == 3
    assert made_rows(lab)["s0", "gff"]["notes"] == "made:method gff 2"
    monkeypatch.undo()
    registry.table.cache_clear()


def test_a_changed_source_costs_its_scene(bare_lab: BareLab, tmp_path: Path) -> None:
    lab = bare_lab(tmp_path)
    make(lab, choose_methods(TWO))
    before = made_rows(lab)
    a, _ = sources(41)
    write_image(tmp_path / "images/toy/ir/s1.png", a)
    assert ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab).pruned == 2
    report = make(lab, choose_methods(TWO))
    assert (report.made, report.standing) == (2, 4)
    after = made_rows(lab)
    changed = {key for key in before if before[key]["digest"] != after[key]["digest"]}
    assert changed == {("s1", "laplacian"), ("s1", "gff")}


def test_a_row_of_other_sources_is_made_again(bare_lab: BareLab, tmp_path: Path) -> None:
    lab = bare_lab(tmp_path, scenes=1)
    make(lab, choose_methods(["laplacian"]))
    index = lab.index("ivf", "toy")
    index.loc[index["name"] == "laplacian", "inspected"] = "of other sources"
    with lab.writing():
        lab.write_index("ivf", "toy", index)
    assert make(lab, choose_methods(["laplacian"])).made == 1


_KILLED = """
import os, signal, sys
from fusionlab.lab import Lab
from fusionlab.making import choose_methods, make, write
write._IMAGES_AT_ONCE = 2
left, where = int(sys.argv[2]), sys.argv[3]
real = write.add_made

def add_made(lab, *args):
    global left
    left -= 1
    if where == "between" and left == 0:
        lab.write_index = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    real(lab, *args)
    if where == "after" and left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

write.add_made = add_made
make(Lab.open(sys.argv[1]), choose_methods(["laplacian", "gff"]), workers=2)
"""


@pytest.mark.parametrize(("left", "where", "kept"), [(2, "between", 2), (3, "after", 6)])
def test_killed_it_goes_on_where_it_was(
    bare_lab: BareLab, tmp_path: Path, left: int, where: str, kept: int
) -> None:
    lab, whole = (bare_lab(tmp_path / name, scenes=5) for name in ("killed", "whole"))
    make(whole, choose_methods(TWO))
    command = [sys.executable, "-c", _KILLED, str(lab.path), str(left), where]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    report = make(lab, choose_methods(TWO))
    assert (report.made, report.standing) == (10 - kept, kept)
    assert tree_bytes(lab.path) == tree_bytes(whole.path)


def test_a_candidate_of_a_file_keeps_its_name(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=2)
    before = lab.index("ivf", "toy")
    report = make(lab, choose_methods(["mean"]))
    assert (report.made, report.taken, report.rejected) == (0, {"mean": 2}, {"name_taken": 1})
    (row,) = lab.rejects().query("stage == 'baselines'").to_dict("records")
    assert (row["name"], row["scene"], row["reason"]) == ("mean", "", "name_taken")
    assert "--prefix" in row["detail"]
    assert lab.index("ivf", "toy").equals(before)
    assert make(lab, choose_methods(["mean"]), prefix="own-").made == 2
    assert ("s0", "own-mean") in made_rows(lab)


def test_a_file_that_comes_later_takes_the_place(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "images", scenes=2, methods=())
    lab = Lab.create(tmp_path / "lab")
    ingest(*load_manifest(manifest), lab)
    make(lab, choose_methods(["mean", "gff"]))
    a, b = sources(0)
    write_image(tmp_path / "images/toy/out/mean/s0.png", baselines.apply("gff", "ivf", [a, b]))
    ingest(*load_manifest(manifest), lab)
    assert make(lab, choose_methods(["mean", "gff"])).taken == {"mean": 1}
    assert {key for key in made_rows(lab) if key[1] == "mean"} == {("s1", "mean")}
    assert verify(lab).wrong == []


def test_rejects_of_other_methods_stay(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    make(lab, choose_methods(["mean"]))
    make(lab, choose_methods(["gff"]))
    assert list(lab.rejects()["name"]) == ["mean"]
    drop(lab, ["gff"])
    index = lab.index("ivf", "toy")
    with lab.writing():
        lab.write_index("ivf", "toy", index[index["name"] != "mean"])
    make(lab, choose_methods(["mean"]))
    assert lab.rejects().empty


def test_they_are_ingested_scored_selected_and_audited_like_any_other(
    bare_lab: BareLab, tmp_path: Path
) -> None:
    lab = bare_lab(tmp_path, scenes=2)
    select_before = score(lab, ["EN", "SSIM", "Qabf", "VIF", "SD"])
    assert (select_before.candidates, select_before.scenes) == (0, 2)
    make(lab, choose_methods())
    score(lab, ["EN", "SSIM", "Qabf", "VIF", "SD"])
    report = select(lab, load_policy("fusionfm"), "first")
    assert report.labels == 2
    labels = lab.labels("first")
    assert set(labels["method"]) <= set(IVF)
    assert audit.why("s1", lab, "first").method in IVF
    index = lab.index("ivf", "toy")
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab, prune=True)
    assert lab.index("ivf", "toy").equals(index)


def test_what_is_dropped_is_gone_and_files_stay(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=2)
    before = lab.index("ivf", "toy")
    make(lab, choose_methods(TWO))
    assert drop(lab, ["gff"]) == {"gff": 2}
    assert {name for _, name in made_rows(lab)} == {"laplacian"}
    with pytest.raises(UnknownNameError, match="made candidate 'mean'"):
        drop(lab, ["mean"])
    assert drop(lab, ["laplacian"], datasets=["toy"]) == {"laplacian": 2}
    assert lab.index("ivf", "toy").equals(before)


def test_a_source_that_is_damaged_or_gone_costs_its_scene(
    bare_lab: BareLab, tmp_path: Path
) -> None:
    lab = bare_lab(tmp_path)
    rows = lab.index("ivf", "toy").query("name == 'ir'").to_dict("records")
    with lab.writing(pixels=True):
        lab.images.write(Address.of(rows[0]), np.zeros((48, 57), np.uint8))
    (chunk,) = (lab.path / "images.zarr/ivf/toy/48x57x1-uint8/source/ir").glob("c*1*0*0")
    chunk.unlink()
    report = make(lab, choose_methods(TWO))
    assert (report.made, report.rejected) == (2, {"unreadable_pixels": 4})
    rejects = lab.rejects().query("stage == 'baselines'")
    assert sorted(rejects["scene"]) == ["s0", "s0", "s1", "s1"]
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab, force=True)
    assert make(lab, choose_methods(TWO)).made == 4
    assert lab.rejects().empty


def test_sources_of_two_sizes_are_a_reject(bare_lab: BareLab, tmp_path: Path) -> None:
    """Ingest lets no such scene in; whatever wrote the index, the run goes on."""
    lab = bare_lab(tmp_path, scenes=2)
    write_dataset(tmp_path / "other", scenes=1, methods=(), dataset="toy", size=(40, 57))
    index = lab.index("ivf", "toy")
    donor = Lab.create(tmp_path / "donor")
    ingest(*load_manifest(tmp_path / "other/toy.yaml"), donor)
    row = donor.index("ivf", "toy").query("name == 'vis'").iloc[0]
    with lab.writing(pixels=True):
        address = Address("ivf/toy/40x57x1-uint8", "source/vis", 0)
        lab.images.grow(address.folder, ["s0"], [address.array], (40, 57), "uint8")
        lab.images.write(address, pixels_of(donor, row.to_dict()))
        here = (index["scene"] == "s0") & (index["name"] == "vis")
        for column in ("height", "bucket", "row", "digest"):
            index.loc[here, column] = row[column]
        lab.write_index("ivf", "toy", index)
    report = make(lab, choose_methods(TWO))
    assert (report.made, report.rejected) == (2, {"method_failed": 2})
    assert "expected (48, 57) as source 1" in lab.rejects()["detail"].iloc[0]


def test_a_method_that_fails_stops_no_other(
    bare_lab: BareLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(luminances: list[np.ndarray]) -> np.ndarray:
        if luminances[0][0, 0] == sources_first(1):
            raise RuntimeError("boom")
        return luminances[0] * np.nan

    def sources_first(seed: int) -> float:
        return float(next(iter(sources(seed)))[0, 0])

    bad = replace(baselines.get("gff"), fuse=broken)
    monkeypatch.setitem(registry.BASELINES, "gff", bad)
    lab = bare_lab(tmp_path)
    report = make(lab, choose_methods(TWO))
    assert (report.made, report.rejected) == (3, {"method_failed": 3})
    details = lab.rejects().set_index("scene")["detail"]
    assert "RuntimeError('boom')" in details["s1"]
    assert "values that are not finite" in details["s0"]
    monkeypatch.undo()
    assert make(lab, choose_methods(TWO)).made == 3
    assert lab.rejects().empty


def test_sixteen_bits_colour_and_three_shots(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shots = {
        "low": rng.integers(0, 9000, (24, 30, 3), np.uint16),
        "high": rng.integers(30000, 65535, (24, 30, 3), np.uint16),
        "mid": rng.integers(9000, 40000, (24, 30), np.uint16),
    }
    lines = ["task: mef", "dataset: toy", "sources:"]
    for name, image in shots.items():
        write_image(tmp_path / name / "s.png", image)
        lines.append(f"  {name}: '{name}/{{scene}}.*'")
    (tmp_path / "toy.yaml").write_text("\n".join(lines))
    lab = Lab.create(tmp_path / "lab")
    ingest(*load_manifest(tmp_path / "toy.yaml"), lab)
    stored = [pixels_of(lab, r) for r in lab.index("mef", "toy").to_dict("records")]
    assert [image.dtype for image in stored] == [np.uint16] * 3
    report = make(lab, choose_methods([*TWO, "mean", "mertens", "focus_map"]))
    assert report.methods == [*TWO, "mean", "mertens"]
    assert report.rejected == {}
    rows = made_rows(lab, "mef")
    for name in report.methods:
        image = pixels_of(lab, rows["s", name])
        assert (image.dtype, image.shape) == (np.uint16, (24, 30, 3))
    mean = baselines.apply("mean", "mef", list(shots.values()))
    np.testing.assert_array_equal(pixels_of(lab, rows["s", "mean"]), mean)
    assert score(lab, ["EN"]).nan == {}


def test_a_packed_lab_is_refused(bare_lab: BareLab, tmp_path: Path) -> None:
    pack(bare_lab(tmp_path, scenes=1), tmp_path / "packed")
    packed = Lab.open(tmp_path / "packed")
    assert missing(packed, choose_methods(TWO))["to_make"] == 2
    with pytest.raises(LabError, match="packed lab"):
        make(packed, choose_methods(TWO))


def test_wrong_names_are_answered_and_nothing_is_started(bare_lab: BareLab, tmp_path: Path) -> None:
    lab = bare_lab(tmp_path, scenes=1)
    with pytest.raises(UnknownNameError, match="Did you mean 'laplacian'"):
        choose_methods(["laplace"])
    with pytest.raises(UnknownNameError, match="data set 'toi'"):
        make(lab, choose_methods(), datasets=["toi"])
    with pytest.raises(UnknownNameError, match="task 'mfff'"):
        make(lab, choose_methods(), tasks=["mfff"])
    with pytest.raises(UsageError, match=r"for mertens \(mef\): the lab has scenes of ivf"):
        make(lab, choose_methods(["mertens"]))
    assert make(lab, choose_methods(), tasks=["mef"]).scenes == 0


def test_filters_and_progress(bare_lab: BareLab, tmp_path: Path) -> None:
    lab = bare_lab(tmp_path, scenes=2)
    ingest(*load_manifest(write_dataset(tmp_path / "b", 1, (), task="mff", dataset="near")), lab)
    seen: list[tuple[int, int]] = []
    make(lab, choose_methods(TWO), tasks=["ivf"], on_progress=lambda *at: seen.append(at))
    assert (seen[0], seen[-1]) == ((0, 4), (4, 4))
    assert seen == sorted(seen)
    found = missing(lab, choose_methods())["by_dataset"]
    assert found == {"ivf/toy": 2 * (len(IVF) - 2), "mff/near": len(baselines.names("mff")) - 2}
    assert make(lab, choose_methods(TWO), datasets=["near"]).made == 2


def test_work_is_bounded_and_travels(
    bare_lab: BareLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = bare_lab(tmp_path, scenes=2)
    monkeypatch.setattr(plan, "_BYTES_AT_ONCE", 2 * 48 * 57 * 3)
    planned = plan.plan_dataset(
        "ivf", "toy", lab.index("ivf", "toy"), choose_methods(["mean", *TWO]), ""
    )
    cut = list(plan.works(planned))
    assert [(w.scenes[0].name, w.images) for w in cut] == [
        ("s0", 2),
        ("s0", 1),
        ("s1", 2),
        ("s1", 1),
    ]
    assert pickle.loads(pickle.dumps(cut)) == cut


def test_workers_of_another_process(bare_lab: BareLab, tmp_path: Path) -> None:
    from distributed import LocalCluster

    lab, whole = (bare_lab(tmp_path / name, scenes=2) for name in ("far", "here"))
    make(whole, choose_methods(TWO))
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
    ) as cluster:  # fmt: skip
        report = make(lab, choose_methods(TWO), scheduler=cluster.scheduler_address)
    assert (report.made, report.rejected) == (4, {})
    assert tree_bytes(lab.path) == tree_bytes(whole.path)
