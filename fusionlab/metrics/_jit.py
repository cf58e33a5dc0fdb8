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

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "fastmath": {"contract", "reassoc", "nsz"},
    "error_model": "numpy",
}


def kernel(function: F) -> F:
    """Compile `function` on its first call; cache it unless no cache directory is writable."""
    return _compile(function, _OPTIONS)


def inlined(function: F) -> F:
    """Compile `function` into its callers: for the scalar steps of loops that must vectorise."""
    return _compile(function, {**_OPTIONS, "forceinline": True})


def _compile(function: F, options: dict[str, Any]) -> F:
    try:
        return njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # numba found no place for its cache
        return njit(**options)(function)  # type: ignore[no-any-return]
