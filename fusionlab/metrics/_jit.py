"""How every kernel of the metrics is compiled.

Kernels release the GIL, touch nothing but their arguments, and are cached on disk. Of the fast-math
flags only those are on that let sums be reordered and multiply-adds be fused: nan, inf and division
keep their IEEE meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

_OPTIONS = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy"}


def kernel(function: F) -> F:
    """Compile `function` on its first call; cache it unless no cache directory is writable."""
    try:
        return njit(cache=True, **_OPTIONS)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # numba found no place for its cache
        return njit(**_OPTIONS)(function)  # type: ignore[no-any-return]
