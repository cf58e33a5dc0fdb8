"""Where kernels keep their machine code: the folder follows the helpers, and need not exist."""

import ast
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from fusionlab.metrics import _jit

MEASURE = (
    "import numpy as np, numba\n"
    "from fusionlab.metrics import measure, _jit\n"
    "x = np.arange(64, dtype=np.uint8).reshape(8, 8)\n"
    "print(measure(x, x, x, ['SD'])['SD'], _jit.CACHE, repr(numba.config.CACHE_DIR))\n"
)
ROOM = Path(_jit.__file__).parent


def run(code, **environment):
    settings = {k: v for k, v in os.environ.items() if k not in {"NUMBA_CACHE_DIR", "HOME"}}
    settings.pop("XDG_CACHE_HOME", None)
    return subprocess.run(
        [sys.executable, "-c", code],
        env=settings | environment,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture
def room(tmp_path):
    """A copy of the sources of the metrics."""
    return Path(shutil.copytree(ROOM, tmp_path / "room", ignore=shutil.ignore_patterns("__py*")))


def test_digest_follows_the_helpers(room):
    before = _jit.digest(room)
    assert before == _jit.digest()
    (room / "qabf.py").write_text("other")
    assert _jit.digest(room) == before
    (room / "_window.py").write_text((room / "_window.py").read_text() + "# more\n")
    changed = _jit.digest(room)
    assert changed != before
    (room / "_sobel.py").unlink()
    assert _jit.digest(room) not in {before, changed}


def test_digest_follows_numba(monkeypatch):
    before = _jit.digest()
    monkeypatch.setattr(numba, "__version__", "0.0")
    assert _jit.digest() != before


def test_another_helper_another_folder(room, tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "users"))
    before = _jit.cache_folder(room)
    assert before.is_dir()
    assert before.is_relative_to(tmp_path / "users")
    (room / "_sobel.py").write_text("other")
    after = _jit.cache_folder(room)
    assert after != before
    assert after.is_dir()


def test_roots(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    beside = tmp_path / "room" / "__pycache__"
    assert _jit.cache_folder(tmp_path / "room").parent == tmp_path / "xdg" / "fusionlab"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert _jit.cache_folder(tmp_path / "room").is_relative_to(tmp_path / "home" / ".cache")
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert _jit.cache_folder(tmp_path / "room").parent == beside
    shutil.rmtree(beside)
    beside.touch()
    assert _jit.cache_folder(tmp_path / "room") is None


def test_unwritable_place_of_the_user_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "file"))
    assert _jit.cache_folder() is None


def test_settings_of_the_user_stay(tmp_path):
    out = run(MEASURE, HOME=str(tmp_path)).stdout.split()
    assert out[2] == "''"
    assert list(Path(out[1]).rglob("*.nbi"))
    out = run(MEASURE, HOME=str(tmp_path), NUMBA_CACHE_DIR=str(tmp_path / "mine")).stdout.split()
    assert out[2] == repr(str(tmp_path / "mine"))
    assert list((tmp_path / "mine").rglob("*.nbi"))


def test_home_that_cannot_be_written():
    assert run(MEASURE, HOME="/dev/null").stderr == ""


def test_no_folder_can_be_written(tmp_path):
    out = run(MEASURE, HOME="/dev/null", NUMBA_CACHE_DIR="/dev/null").stdout.split()
    assert out[1] == "None"
    assert float(out[0]) == pytest.approx(18.473, abs=1e-3)


def on_a_terminal(code, cache):
    """What `code` writes to a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as reader:
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            check=True,
        )
        os.set_blocking(ours, False)
        written = reader.read() or b""
        os.close(theirs)
    return written.decode()


def test_a_cold_cache_is_announced_once_and_to_people_only(tmp_path):
    foreign = "import numba\nfrom fusionlab.metrics import measure\nnumba.njit(lambda: 1)()\n"
    assert on_a_terminal(foreign, tmp_path) == ""
    assert on_a_terminal(MEASURE, tmp_path).count("compiling metric kernels") == 1
    assert on_a_terminal(MEASURE, tmp_path) == ""
    assert run(MEASURE, NUMBA_CACHE_DIR=str(tmp_path / "other")).stderr == ""


@pytest.mark.parametrize("file", sorted(ROOM.glob("*.py")), ids=lambda file: file.name)
def test_kernels_rest_on_helpers_only(file):
    """What a kernel uses comes from its own file or a helper: the digest covers no other file."""
    tree = ast.parse(file.read_text())
    foreign = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fusionlab")
        for alias in node.names
        if not (node.module or "").rpartition(".")[2].startswith("_")
    }
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and any(
            isinstance(d, ast.Name) and d.id in ("kernel", "inlined")
            for d in function.decorator_list
        ):
            used = {n.id for part in function.body for n in ast.walk(part) if hasattr(n, "id")}
            assert not used & foreign, function.name
