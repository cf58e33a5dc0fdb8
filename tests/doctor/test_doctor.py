"""The examination: what is planted is found, named, and stops nothing else."""

from __future__ import annotations

import json
import os
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from helpers import make_lab, tree_bytes
from typer.testing import CliRunner, Result

from fusionlab.cli import app
from fusionlab.doctor import (
    FAIL,
    OK,
    WARN,
    Finding,
    examine,
    labs,
    machine,
    selftest,
    software,
    worst,
)
from fusionlab.errors import LabError
from fusionlab.lab import Lab
from fusionlab.lock import Holder


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return make_lab(tmp_path_factory.mktemp("doctor"), scenes=2)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["doctor", *map(str, arguments)])


def only(findings: object, what: str) -> Finding:
    return next(found for found in findings if found.what == what)


def test_a_sound_machine_and_lab_have_no_failure_and_stay_as_they_are(lab: Lab) -> None:
    before = tree_bytes(lab.path)
    found = run("--lab", lab.path, "--json")
    assert found.exit_code == 0, found.output
    content = json.loads(found.stdout)
    assert content["verdict"] in (OK, WARN)
    rows = {row["what"]: row for row in content["findings"]}
    assert {"python", "fusionlab", "packages", "cores", "memory", "lab", "Zarr"} <= rows.keys()
    assert all(row["verdict"] == OK for what, row in rows.items() if what in ("metrics", "network"))
    assert "1 data sets" in rows["lab"]["finding"]
    assert set(rows["lab"]) == {"what", "finding", "verdict", "remedy"}
    assert tree_bytes(lab.path) == before


def test_whatever_is_not_ok_says_what_to_do(lab: Lab) -> None:
    assert all(found.remedy for found in examine(lab.path) if found.verdict != OK)


def test_without_a_lab_it_says_how_to_make_one(tmp_path: Path) -> None:
    found = run("--lab", tmp_path / "none")
    assert found.exit_code == 0
    assert "fusionlab ingest" in found.output
    assert not (tmp_path / "none").exists()


def test_a_broken_lab_fails(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text("{")
    found = run("--lab", tmp_path, "--json")
    assert found.exit_code == 1
    assert "is not a lab's description" in found.stdout


def test_a_table_that_cannot_be_read_fails(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    next((lab.path / "index").glob("*.parquet")).write_bytes(b"PAR1")
    (found,) = labs.lab_state(lab.path)
    assert found.verdict == FAIL
    assert "is not a readable table" in found.finding


def test_a_lab_of_an_older_format_is_said_to_be_one(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    (lab.path / "lab.json").write_text('{"format": 2}')
    found = only(labs.lab_state(lab.path), "format of the lab")
    assert found.finding.startswith("2, which is read")


def test_locks_that_are_held_and_left_over_are_told_apart(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    with lab.writing():
        held = only(labs.lab_state(lab.path), "lock of the lab")
    assert (held.verdict, f"process {os.getpid()}" in held.finding) == (WARN, True)
    gone = {**vars(Holder.me()), "pid": 2**22 + 1}  # more than Linux gives out
    (lab.path / ".lock-holder").write_text(json.dumps(gone))
    left = only(labs.lab_state(lab.path), "lock of the lab")
    assert "left over" in left.finding
    with lab.writing():  # as it says, nothing is to be done
        pass
    assert only(labs.lab_state(lab.path), "lock of the lab").verdict == OK


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("free", "verdict"), [(5e10, OK), (1e9, WARN), (1e6, FAIL)])
def test_a_full_disk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free, verdict):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: Usage(0, 0, free))
    (found,) = machine.disk("disk", tmp_path / "not" / "there")
    assert found.verdict == verdict
    assert str(tmp_path) in found.finding


def test_a_folder_that_cannot_be_written_and_few_files_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_free_files", lambda _: 7)
    (few,) = machine.disk("disk", tmp_path)
    assert (few.verdict, "only 7 more files" in few.finding) == (WARN, True)

    def refuse(**_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(machine.tempfile, "TemporaryFile", refuse)
    (found,) = machine.disk("disk", tmp_path)
    assert (found.verdict, "not writable" in found.finding) == (FAIL, True)


@pytest.mark.parametrize(
    ("free", "verdict"), [(None, OK), (8_000_000_000, OK), (10**9, WARN), (10**6, FAIL)]
)
def test_scarce_memory_is_found(monkeypatch: pytest.MonkeyPatch, free, verdict) -> None:
    monkeypatch.setattr(machine.memory, "available", lambda: free)
    (found,) = machine.memory_left()
    assert found.verdict == verdict


def test_a_quota_and_settings_that_differ_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    monkeypatch.setattr(machine, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 64)
    for name in machine._THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    cores, omp = machine.threads()
    assert (cores.verdict, cores.finding) == (WARN, "1 of 64 may be used")
    assert (omp.what, omp.verdict) == ("OMP_NUM_THREADS", WARN)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert [found.finding for found in machine.threads()] == ["64"]


def test_a_driver_that_torch_does_not_see_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    monkeypatch.setattr(machine, "_DRIVER", tmp_path / "none")
    (found,) = machine.devices()
    assert (found.verdict, "none here" in found.finding) == (OK, True)
    monkeypatch.setattr(machine, "_DRIVER", tmp_path)
    (found,) = machine.devices()
    assert found.verdict == WARN


def test_missing_and_old_packages_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ["numpy>=99", "nothere>=1", "pandas", "nibabel>=99; extra == 'medical'"]
    monkeypatch.setattr(metadata, "requires", lambda _: needed)
    packages = [found for found in software.versions() if found.what == "packages"]
    assert packages[0].verdict == FAIL
    assert "nothere is missing" in packages[0].finding
    assert packages[0].remedy == "pip install 'numpy>=99' 'nothere>=1'"
    medical = only(software.extras(), "extra medical")
    assert (medical.verdict, "DICOM" in medical.finding) == (OK, True)
    assert medical.remedy.endswith("pip install 'fusionlab[medical]'")


def test_what_is_not_installed_as_a_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "requires", missing)
    assert list(software.versions())[-1].verdict == WARN


def test_every_extra_has_words() -> None:
    import tomllib

    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    assert software.EXTRAS.keys() == extras.keys() - {"dev", "docs"}


def test_a_wrong_metric_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(selftest.KNOWN, "EN", 7.6632)
    (found,) = selftest.metrics_are_right()
    assert (found.verdict, "EN is 7.66313" in found.finding) == (FAIL, True)


def test_a_store_that_loses_pixels_fails(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(selftest.ImageStore, "read", lambda *_: np.zeros((48, 64), np.uint8))
    (found,) = selftest.zarr_is_read_back(tmp_path)
    assert found.verdict == FAIL
    assert list(tmp_path.iterdir()) == []


def test_kernels_without_a_folder_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusionlab.metrics._jit.cache_folder", lambda: None)
    (found,) = selftest.kernels()
    assert (found.verdict, "NUMBA_CACHE_DIR" in found.remedy) == (WARN, True)


def test_a_network_that_gives_no_numbers_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fusionlab.flow.model.FusionModel.fuse", lambda _self, a, _b, _task: a * float("nan")
    )
    (found,) = selftest.network_runs()
    assert found.verdict == FAIL


def test_a_check_that_raises_is_a_finding_and_the_rest_goes_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[Finding]:
        raise LabError("odd")

    monkeypatch.setattr(machine, "devices", broken)
    found = examine(lab.path)
    assert only(found, "devices") == Finding(
        "devices",
        "LabError: odd",
        FAIL,
        "install FusionLab anew in an empty environment; if it stays so, report it",
    )
    assert worst(found) == FAIL
    assert only(found, "Zarr").verdict == OK
