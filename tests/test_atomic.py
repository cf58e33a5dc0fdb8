import errno
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from fusionlab import atomic
from fusionlab.atomic import TEMPORARY_PREFIX, atomic_write, atomic_write_bytes
from fusionlab.errors import StorageError


def write_half(path, error):
    with atomic_write(path) as file:
        file.write(b"half of the n")
        raise error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_whole_and_alone(tmp_path):
    atomic_write_bytes(tmp_path / "deep" / "er" / "file", b"content")
    assert (tmp_path / "deep" / "er" / "file").read_bytes() == b"content"
    assert names(tmp_path / "deep" / "er") == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_in_the_block_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(error):
        write_half(path, error)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_nobody_sees_the_new_file_before_the_end_of_the_block(tmp_path):
    path = tmp_path / "file"
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert not path.exists()
        assert all(name.startswith(TEMPORARY_PREFIX) for name in names(tmp_path))
    assert path.read_bytes() == b"new"


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(StorageError, match=r"file: no space left; free some and run the same"):
        atomic_write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_synced_does_not_undo_the_write(tmp_path, monkeypatch):
    real = os.fsync

    def only_files(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(atomic.os, "fsync", only_files)
    atomic_write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


KILLED = """
import os, signal, sys
from pathlib import Path
from fusionlab.atomic import atomic_write
with atomic_write(Path(sys.argv[1])) as file:
    file.write(b"n" * 1_000_000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_in_mid_write_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    leftovers = [name for name in names(tmp_path) if name != "file"]
    assert leftovers
    assert all(name.startswith(TEMPORARY_PREFIX) for name in leftovers)


def test_of_many_writers_at_once_one_wins_whole(tmp_path):
    path = tmp_path / "file"
    contents = [bytes([i]) * 200_000 for i in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: atomic_write_bytes(path, content), contents))
    assert path.read_bytes() in contents
    assert names(tmp_path) == ["file"]


def test_permissions_are_those_the_user_asks_of_new_files(tmp_path):
    old = os.umask(0o027)
    try:
        atomic_write_bytes(tmp_path / "file", b"")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
