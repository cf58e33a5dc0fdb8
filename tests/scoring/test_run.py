"""The scoring run: right values, nothing twice, the same bytes whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import METHODS, make_lab, sources, tree_bytes, write_dataset, write_image

from fusionlab import decoys
from fusionlab import metrics as library
from fusionlab.errors import LabError, UnknownNameError, UsageError
from fusionlab.images import luminance, read_image
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.scoring import Only, missing, score
from fusionlab.scoring import run as scoring_run
from fusionlab.selection import load_policy, select
from fusionlab.store import Address
from fusionlab.tables import rejects_frame

FIVE = ["EN", "SD", "SSIM", "Qabf", "VIF"]
DECOYS = list(decoys.DECOYS)


def test_scores_are_what_measure_says(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=2)
    report = score(lab, FIVE)
    scores = lab.scores("ivf", "toy")
    assert len(scores) == 2 * (len(METHODS) + len(DECOYS)) * len(FIVE)
    assert (report.scenes, report.candidates, report.measured) == (2, 8, 16)
    images = tmp_path / "images" / "toy"
    for method in METHODS:
        a, b, fused = (
            luminance(read_image(images / f))
            for f in ("ir/s1.png", "vis/s1.png", f"out/{method}/s1.png")
        )
        row = scores[(scores["scene"] == "s1") & (scores["method"] == method)]
        assert dict(zip(row["metric"], row["value"], strict=True)) == library.measure(
            a, b, fused, FIVE
        )


def test_decoys_are_copies_and_the_rounded_mean() -> None:
    a, b = sources(0)
    assert np.array_equal(decoys.DECOYS["decoy:copy_a"](a, b), a)
    assert np.array_equal(decoys.DECOYS["decoy:copy_b"](a, b), b)
    mean = decoys.DECOYS["decoy:mean"](a, b)
    assert mean.dtype == np.uint8
    assert np.array_equal(mean, np.rint((a.astype(float) + b) / 2))
    assert decoys.DECOYS["decoy:mean"](a.astype(float), b).dtype == np.float64


def test_one_and_two_workers_give_the_same_bytes(tmp_path: Path) -> None:
    labs = [make_lab(tmp_path / str(n), scenes=5) for n in (1, 2)]
    for workers, lab in zip((1, 2), labs, strict=True):
        score(lab, workers=workers)
    first, second = (tree_bytes(lab.path / "scores") for lab in labs)
    assert first == second
    assert list(first) == ["ivf-toy.parquet"]


def test_a_second_run_measures_nothing_and_keeps_the_bytes(tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    score(lab)
    before = tree_bytes(lab.path)
    assert missing(lab)["to_measure"] == 0
    assert score(lab).measured == 0
    assert tree_bytes(lab.path) == before


def test_a_new_metric_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make_lab(tmp_path)
    score(lab, ["EN", "SD"])
    asked: set[tuple[str, ...]] = set()
    real = scoring_run.batches

    def spy(works: Iterator, size: int) -> object:
        found = list(works)
        asked.update(candidate.metrics for work in found for candidate in work.candidates)
        return real(found, size)

    monkeypatch.setattr(scoring_run, "batches", spy)
    score(lab, ["EN", "SD", "SF"])
    assert asked == {("SF",)}
    assert set(lab.scores("ivf", "toy")["metric"]) == {"EN", "SD", "SF"}


def test_a_new_method_and_a_changed_image_cost_only_themselves(tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    score(lab, ["EN"])
    manifest = write_dataset(tmp_path / "images", methods=(*METHODS,))
    fresh = np.zeros((48, 57), np.uint8)
    write_image(tmp_path / "images/toy/out/new/s0.png", fresh)
    write_image(tmp_path / "images/toy/out/mean/s1.png", fresh)
    ingest(*load_manifest(manifest), lab)
    assert score(lab, ["EN"]).measured == 2
    scores = lab.scores("ivf", "toy").set_index(["scene", "method"])["value"]
    assert scores[("s0", "new")] == 0.0
    assert scores[("s1", "mean")] == 0.0


def test_a_changed_source_makes_its_scene_stale(tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    score(lab, ["EN"])
    source = tmp_path / "images/toy/ir/s2.png"
    write_image(source, read_image(source) // 2 + 40)
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab)
    assert missing(lab, ["EN"])["to_measure"] == len(METHODS) + len(DECOYS)


def test_a_raised_metric_version_is_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    lab = make_lab(tmp_path, scenes=1)
    score(lab, ["EN", "SD"])
    table = library.registry._table()
    metric, family = table["EN"]
    monkeypatch.setitem(table, "EN", (dataclasses.replace(metric, version=99), family))
    assert missing(lab, ["EN", "SD"])["to_measure"] == len(METHODS) + len(DECOYS)
    score(lab, ["EN", "SD"])
    scores = lab.scores("ivf", "toy")
    assert set(scores.loc[scores["metric"] == "EN", "metric_version"]) == {99}


def test_reference_metrics_only_where_there_is_a_truth(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=2, reference=True)
    ingest(*load_manifest(write_dataset(tmp_path / "more", dataset="bare", scenes=1)), lab)
    score(lab)
    with_truth = lab.scores("ivf", "toy")
    assert "PSNR_ref" in set(with_truth["metric"])
    assert "PSNR_ref" not in set(lab.scores("ivf", "bare")["metric"])
    mean = with_truth[(with_truth["method"] == "mean") & (with_truth["metric"] == "PSNR_ref")]
    assert np.isinf(mean["value"]).all()  # in this data set the mean is the truth


def test_a_damaged_chunk_is_a_reject_and_the_run_goes_on(tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    entry = lab.index("ivf", "toy").query("scene == 's1' and name == 'noisy'").iloc[0]
    address = Address.of(entry)
    lab.images.write(address, np.zeros((48, 57), np.uint8))  # other pixels than the index says
    broken = lab.index("ivf", "toy").query("scene == 's2' and name == 'ir'").iloc[0]
    chunk = lab.images.path / Address.of(broken).folder / "source/ir" / f"c.{broken['row']}.0.0"
    chunk.write_bytes(chunk.read_bytes()[:50])
    report = score(lab, ["EN", "Qabf"])
    rejects = lab.rejects()
    assert report.rejected == {"unreadable_pixels": 2}
    assert sorted(zip(rejects["scene"], rejects["name"], strict=True)) == [
        ("s1", "noisy"),
        ("s2", ""),
    ]
    assert "--force" in rejects["detail"].iloc[0]
    scores = lab.scores("ivf", "toy")
    assert len(scores) == (2 * 8 - 1) * 2
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab, force=True)
    score(lab, ["EN", "Qabf"])
    assert len(lab.scores("ivf", "toy")) == 3 * 8 * 2
    assert lab.rejects().empty


def test_images_too_small_for_a_metric_score_nan_and_are_counted(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1, size=(20, 33))
    report = score(lab, ["EN", "VIF"])
    assert report.nan == {"VIF": len(METHODS) + len(DECOYS)}
    scores = lab.scores("ivf", "toy")
    assert scores.loc[scores["metric"] == "VIF", "value"].isna().all()
    assert scores.loc[scores["metric"] == "EN", "value"].notna().all()


_KILLED_AFTER = """
import os, signal, sys
from fusionlab.lab import Lab
from fusionlab.scoring import run

run._CANDIDATES_PER_TASK = 7
left = int(sys.argv[2])
where = sys.argv[3]
real_keep, real_write = run._keep, Lab.write_scores

def keep(*args):
    global left
    if where == "before" and left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real_keep(*args)
    left -= 1
    if where == "after" and left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def write_scores(self, *args):
    real_write(self, *args)
    if where == "merged":
        os.kill(os.getpid(), signal.SIGKILL)

run._keep, Lab.write_scores = keep, write_scores
run.score(Lab.open(sys.argv[1]), ["EN", "SD", "Qabf"], workers=2)
"""


@pytest.mark.parametrize(
    ("left", "where", "kept"),
    [(0, "before", 0), (1, "after", 1), (3, "after", 3), (0, "merged", 6)],
)
def test_killed_at_any_moment_it_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, left: int, where: str, kept: int
) -> None:
    lab, whole = make_lab(tmp_path / "killed", scenes=6), make_lab(tmp_path / "whole", scenes=6)
    score(whole, ["EN", "SD", "Qabf"])
    command = [sys.executable, "-c", _KILLED_AFTER, str(lab.path), str(left), where]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    report = score(lab, ["EN", "SD", "Qabf"])
    assert report.measured == (6 - kept) * 8  # no finished batch is measured twice
    assert tree_bytes(lab.path / "scores") == tree_bytes(whole.path / "scores")
    assert not lab.score_parts.exists()


def test_only_the_data_sets_that_are_named_are_measured(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    ingest(*load_manifest(write_dataset(tmp_path / "images", dataset="toy-b", scenes=1)), lab)
    counted = missing(lab, ["EN"], only=Only(datasets=["toy"]))
    assert list(counted["by_dataset"]) == ["ivf/toy"]
    assert score(lab, ["EN"], only=Only(datasets=["toy"])).measured == counted["to_measure"] == 8
    assert lab.scores("ivf", "toy-b").empty
    assert score(lab, ["EN"], only=Only(tasks=["ivf"])).measured == 8
    with pytest.raises(UnknownNameError, match="Did you mean 'toy'"):
        score(lab, only=Only(datasets=["toi"]))


def test_only_the_scenes_of_some_parts_of_the_split_are_measured(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=6)
    with pytest.raises(LabError, match="has no split yet"):
        score(lab, ["SF"], only=Only(parts=["test"]))
    score(lab)
    select(lab, load_policy("fusionfm"), "first", test=["ivf/toy/s1", "ivf/toy/s4"])
    split = lab.splits().set_index("scene")["split"]
    mine = sorted(split.index[split == "test"])
    assert {"s1", "s4"} <= set(mine) < {f"s{i}" for i in range(6)}
    report = score(lab, ["SF"], only=Only(parts=["test"]))
    assert (report.scenes, report.measured) == (len(mine), 8 * len(mine))
    scores = lab.scores("ivf", "toy")
    assert sorted(scores.loc[scores["metric"] == "SF", "scene"].unique()) == mine
    with pytest.raises(UnknownNameError, match="Did you mean 'test'"):
        score(lab, only=Only(parts=["tests"]))


def test_a_run_over_a_part_keeps_the_rejects_of_the_others(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=4)
    score(lab)
    select(lab, load_policy("fusionfm"), "first", test=["ivf/toy/s1"])
    kept = {"scene": "s0", "role": "method", "name": "mean", "reason": "worker_died"}
    gone = {**kept, "scene": "s1"}
    lab.replace_rejects("score", "ivf", "toy", rejects_frame("score", "ivf", "toy", [kept, gone]))
    score(lab, ["SF"], only=Only(parts=["test"]))
    rejects = lab.rejects()
    assert "s0" in set(rejects["scene"])
    assert "s1" not in set(rejects["scene"])


def test_a_run_over_one_data_set_keeps_what_a_killed_one_left_of_another(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=3)
    ingest(*load_manifest(write_dataset(tmp_path / "images", dataset="toy-b", scenes=3)), lab)
    command = [sys.executable, "-c", _KILLED_AFTER, str(lab.path), "1", "after"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    left = {file.stem.rpartition("-")[0] for file in lab.score_parts.glob("*.parquet")}
    named = {"ivf-toy": "toy-b", "ivf-toy-b": "toy"}[left.pop()]
    assert score(lab, ["EN", "SD", "Qabf"], only=Only(datasets=[named])).measured == 3 * 8
    assert score(lab, ["EN", "SD", "Qabf"]).measured == 2 * 8
    assert not lab.score_parts.exists()


def test_a_leftover_partial_file_is_swept_away(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    leftover = lab.path / "scores" / ".partial-x"
    leftover.parent.mkdir()
    leftover.write_bytes(b"half")
    score(lab, ["EN"])
    assert not leftover.exists()
    assert len(pd.read_parquet(lab.path / "scores")) == 8


def test_a_real_scheduler_with_two_worker_processes(tmp_path: Path) -> None:
    lab, whole = make_lab(tmp_path / "cluster", scenes=8), make_lab(tmp_path / "threads", scenes=8)
    score(whole)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    port_file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    cluster = [
        subprocess.Popen(
            [
                *dask,
                "scheduler",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--no-dashboard",
                "--scheduler-file",
                str(port_file),
            ],
            **quiet,
        )
    ]
    try:
        cluster += [
            subprocess.Popen(
                [
                    *dask,
                    "worker",
                    "--host",
                    "127.0.0.1",
                    "--scheduler-file",
                    str(port_file),
                    "--nthreads",
                    "1",
                    "--no-dashboard",
                ],
                **quiet,
            )
            for _ in range(2)
        ]
        address = _address(port_file)
        _wait_for_workers(address, 2)
        score(lab, scheduler=address)
    finally:
        for process in reversed(cluster):
            process.terminate()
            process.wait(timeout=30)
    assert tree_bytes(lab.path / "scores") == tree_bytes(whole.path / "scores")


def _address(scheduler_file: Path) -> str:
    import json

    for _ in range(300):
        if scheduler_file.exists() and scheduler_file.stat().st_size:
            return str(json.loads(scheduler_file.read_text())["address"])
        time.sleep(0.1)
    pytest.fail("the dask scheduler did not start in 30 s")


def _wait_for_workers(address: str, count: int) -> None:
    from distributed import Client

    with Client(address) as client:
        client.wait_for_workers(count, timeout=60)


def test_no_scheduler_at_the_address(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    with pytest.raises(UsageError, match="no Dask scheduler answers"):
        score(lab, scheduler="tcp://127.0.0.1:9")


def test_nothing_is_open_to_other_machines_while_threads_score(tmp_path: Path) -> None:
    import psutil

    listening: list[str] = []

    def look(_done: int, _total: int) -> None:
        connections = psutil.Process().net_connections(kind="inet")
        listening.extend(c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN)

    score(make_lab(tmp_path, scenes=2), ["EN"], on_progress=look)
    assert set(listening) <= {"127.0.0.1"}


def test_progress_counts_up_to_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    score(make_lab(tmp_path), ["EN"], on_progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 24)
    assert seen[-1] == (24, 24)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_the_batched_path_scores_the_same_within_its_tolerance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, other = make_lab(tmp_path / "a", scenes=2), make_lab(tmp_path / "b", scenes=2)
    score(lab, [*FIVE, "SCD"])
    monkeypatch.setattr("fusionlab.scoring.work.CANDIDATES_PER_BATCH", 3)
    write = Address.of(other.index("ivf", "toy").query("scene == 's1' and name == 'sharp'").iloc[0])
    other.images.write(write, np.zeros((48, 57), np.uint8))
    report = score(other, [*FIVE, "SCD"], device="cpu:0")  # torch's CPU, not the kernels
    assert report.rejected == {"unreadable_pixels": 1}
    key = ["scene", "method", "metric"]
    mine, theirs = (x.scores("ivf", "toy").set_index(key)["value"] for x in (other, lab))
    theirs = theirs.drop(index=("s1", "sharp"))
    assert mine.index.tolist() == theirs.index.tolist()
    assert np.allclose(mine, theirs, rtol=1e-6, atol=1e-12, equal_nan=True)
    with pytest.raises(UsageError, match="device 'abacus'"):
        score(lab, ["EN"], device="abacus")


def test_unknown_metric_and_locked_lab(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    with pytest.raises(UnknownNameError, match="Qabf"):
        score(lab, ["Qabg"])
    with lab.writing(), pytest.raises(LabError, match="another fusionlab process"):
        score(Lab.open(lab.path), ["EN"])


def test_a_data_set_with_brackets_and_stars_in_its_name(tmp_path: Path) -> None:
    lab = Lab.create(tmp_path / "lab")
    manifest = write_dataset(tmp_path / "images", scenes=2)
    text = manifest.read_text().replace("dataset: toy", 'dataset: "t[o-y]* v2?"')
    manifest.write_text(text)
    ingest(*load_manifest(manifest), lab)
    score(lab, ["EN"])
    assert len(lab.scores("ivf", "t[o-y]* v2?")) == 2 * 8
    assert missing(lab, ["EN"])["to_measure"] == 0


def test_stopping_prints_nothing_of_dasks(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=12)
    code = (
        "import sys\nfrom fusionlab.scoring import run\nrun._CANDIDATES_PER_TASK = 7\n"
        "def keep(*a):\n    raise KeyboardInterrupt\nrun._keep = keep\n"
        "from fusionlab.cli import main\n"
        f"sys.argv = ['fusionlab', 'score', '--lab', {str(lab.path)!r}, '--metrics', 'EN']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "distributed" not in done.stderr
    assert "Traceback" not in done.stderr
