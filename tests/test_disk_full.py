"""A full or failing disk: a clear error, a lab that still opens, and the same bytes in the end."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest
from helpers import tree_bytes, write_dataset
from typer.testing import CliRunner

from fusionlab import atomic, lab, store, tables
from fusionlab.cli import app
from fusionlab.errors import LabError, StorageError
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.scoring import score

#: Where a write can fail: the name that is called, and the modules that call it by that name.
WRITES = {
    "image": (store, "replace_bytes"),
    "table": (tables, "atomic_write_bytes"),
}
CODES = {
    errno.ENOSPC: "no space left; free some",
    errno.EDQUOT: "the quota is used up",
    errno.EIO: "the device or store fails",
}


def failing(real, after: int, code: int):
    """Return `real` that from the call number `after` on fails inside, as the system does."""
    left = [after]

    def call(path, *arguments):
        if left[0] <= 0:
            with atomic.storage_errors(path):
                raise OSError(code, os.strerror(code))
        left[0] -= 1
        return real(path, *arguments)

    return call


@pytest.mark.parametrize("after", [0, 1, 5, 17])
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("where", WRITES)
def test_the_run_says_so_and_the_next_ends_as_if_nothing_had_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, code: int, after: int
) -> None:
    manifest = write_dataset(tmp_path, scenes=2)
    whole, hurt = Lab.create(tmp_path / "whole"), Lab.create(tmp_path / "hurt")
    ingest(*load_manifest(manifest), whole)
    module, name = WRITES[where]
    with monkeypatch.context() as broken:
        broken.setattr(module, name, failing(getattr(module, name), after, code))
        if where == "image" or after < 2:
            with pytest.raises(StorageError, match=f"{CODES[code]}.* run the same command again"):
                ingest(*load_manifest(manifest), hurt)
    again = Lab.open(hurt.path)
    ingest(*load_manifest(manifest), again)
    assert tree_bytes(again.path) == tree_bytes(whole.path)


def test_scoring_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_dataset(tmp_path, scenes=2)
    whole, hurt = Lab.create(tmp_path / "whole"), Lab.create(tmp_path / "hurt")
    for each in (whole, hurt):
        ingest(*load_manifest(manifest), each)
    score(whole, ["EN"])
    with monkeypatch.context() as broken:
        broken.setattr(tables, "atomic_write_bytes", failing(print, 0, errno.ENOSPC))
        with pytest.raises(StorageError, match="no space left"):
            score(hurt, ["EN"])
    score(Lab.open(hurt.path), ["EN"])
    assert tree_bytes(hurt.path) == tree_bytes(whole.path)


def test_a_lock_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Lab.create(tmp_path / "lab")

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(filelock.FileLock, "acquire", full)
        with pytest.raises(StorageError, match=r"\.lock: no space left"), made.writing():
            pass
    with monkeypatch.context() as broken:
        broken.setattr(atomic.os, "fsync", full)  # the note that says who holds it
        with pytest.raises(StorageError, match="no space left"), made.writing():
            pass
    with made.writing():
        assert made.rejects().empty


@pytest.mark.parametrize("written", [0, 7])
def test_a_chunk_is_not_replaced_by_half_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    path = tmp_path / "c.0.0.0"
    path.write_bytes(b"old")

    class FullFile:
        def __init__(self, *_arguments: object, **_options: object) -> None:
            self.file = open(*_arguments, **_options)  # noqa: PTH123, SIM115

        def __enter__(self):
            return self

        def __exit__(self, *_error: object) -> None:
            self.file.close()

        def write(self, data: memoryview) -> int:
            if written and len(data) > written:
                return self.file.write(data[:written])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic, "open", FullFile, raising=False)
    with pytest.raises(StorageError, match=r"c\.0\.0\.0: no space left"):
        atomic.replace_bytes(path, b"the new one", tmp_path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["c.0.0.0"]


def test_other_errors_of_the_system_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), atomic.storage_errors(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system of 300 KiB, where one may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    command = [mount, "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_full_indeed(small_disk: Path, tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path, scenes=8, size=(96, 114))
    whole = Lab.create(tmp_path / "whole")
    ingest(*load_manifest(manifest), whole)
    place = small_disk / "lab"
    result = CliRunner().invoke(app, ["ingest", str(manifest), "--lab", str(place)])
    said = " ".join(result.output.split())  # the terminal breaks lines where paths are long
    assert (result.exit_code, "no space left" in said) == (1, True), said
    assert Lab.open(place).rejects().empty
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    ingest(*load_manifest(manifest), Lab.open(place))
    assert tree_bytes(place) == tree_bytes(whole.path)


def test_a_lab_on_a_full_disk_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "atomic_write_bytes", failing(print, 0, errno.ENOSPC))
    with pytest.raises(LabError, match="no space left"):
        Lab.create(tmp_path / "lab")
