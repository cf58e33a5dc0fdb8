"""How every kernel of the metrics is compiled, and where its machine code is kept.

Kernels release the GIL, touch nothing but their arguments, and are cached on disk. Of the fast-math
flags only those are on that let sums be reordered and multiply-adds be fused: nan, inf and division
keep their IEEE meaning.

Numba notices a change of the file that a kernel stands in, not of the helpers it calls. So the name
of the cache folder holds a digest of all helpers (the files that start with an underscore): kernels
may call kernels of their own file and of helpers, nothing else.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numba
from numba import njit
from numba.core import event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

F = TypeVar("F", bound="Callable[..., Any]")

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "fastmath": {"contract", "reassoc", "nsz"},
    "error_model": "numpy",
}
_HERE = Path(__file__).parent


def digest(folder: Path = _HERE) -> str:
    """Return 16 hex digits that change with numba's version and with any helper in `folder`."""
    state = hashlib.sha256(numba.__version__.encode())
    for file in sorted(folder.glob("_*.py")):
        source = file.read_bytes()
        state.update(f"\n{file.name} {len(source)}\n".encode() + source)
    return state.hexdigest()[:16]


def cache_folder(folder: Path = _HERE) -> Path | None:
    """Return the folder for machine code that rests on the helpers in `folder`, made if need be.

    It lies where NUMBA_CACHE_DIR says, else in the user's cache, else beside the sources; None if
    nothing can be written there.
    """
    for root in _roots(folder):
        path = root / f"kernels-{digest(folder)}"
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                return path
        except OSError:
            continue
    return None


def _roots(folder: Path) -> Iterator[Path]:
    if numba.config.CACHE_DIR:
        yield Path(numba.config.CACHE_DIR, "fusionlab")
        return
    user = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not user.is_absolute():
        user = Path(os.path.expanduser("~"), ".cache")  # noqa: PTH111 - Path's raises without a home
    if user.is_absolute():
        yield user / "fusionlab"
    yield folder / "__pycache__"


CACHE = cache_folder()


class _Announcement(event.Listener):  # type: ignore[misc]
    """Says once, on a terminal, why the first metric takes so long."""

    def __init__(self) -> None:
        self.due = CACHE is None or not any(CACHE.rglob("*.nbi"))

    def on_start(self, event: event.Event) -> None:
        function = event.data["dispatcher"].py_func
        if self.due and function.__module__.startswith(f"{__package__}."):
            self.due = False
            if sys.stderr.isatty():
                sys.stderr.write("compiling metric kernels, once: about half a minute\n")

    def on_end(self, event: event.Event) -> None:
        """Nothing to say."""


event.register("numba:compile", _Announcement())


def kernel(function: F) -> F:
    """Compile `function` on its first call; cache it unless no cache folder is writable."""
    return _compile(function, _OPTIONS)


def inlined(function: F) -> F:
    """Compile `function` into its callers: for the scalar steps of loops that must vectorise."""
    return _compile(function, {**_OPTIONS, "forceinline": True})


def _compile(function: F, options: dict[str, Any]) -> F:
    if CACHE is not None:
        try:
            with _caching_in(CACHE):
                return njit(cache=True, **options)(function)  # type: ignore[no-any-return]
        except RuntimeError:  # numba has reasons of its own not to cache, say a frozen program
            pass
    return njit(**options)(function)  # type: ignore[no-any-return]


@contextmanager
def _caching_in(folder: Path) -> Iterator[None]:
    """Let numba, which asks while it decorates, keep machine code in `folder`."""
    users = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = users
