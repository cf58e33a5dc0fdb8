"""One pair of images, in one call."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from fusionlab.images import read_image
from fusionlab.inference.fuser import Fuser, model_file
from fusionlab.paths import stamp

if TYPE_CHECKING:
    from fusionlab.images import Pixels
    from fusionlab.paths import Place


def fuse(
    a: Pixels | Path | str,
    b: Pixels | Path | str,
    run: Fuser | Place | str,
    *,
    task: str = "",
    steps: int | None = None,
    solver: str | None = None,
    tile: int | None = None,
    device: str = "auto",
) -> Pixels:
    """Fuse two images by a trained model.

    Parameters
    ----------
    a, b : images of one size, gray (H, W) or RGB (H, W, 3), uint8 or uint16; or files of such.
    run : folder of a run of ``fusionlab train``, a file of weights, or a `Fuser`. The model read
        last is kept in memory: the next call with the same run does not read it again.
    task : ``ivf``, ``mif``, ``mef`` or ``mff``; empty where it is none of these, or unknown.
    steps, solver, tile : as for `Fuser.fuse`.
    device : ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; of no account for a `Fuser`.

    Returns
    -------
    RGB (H, W, 3), or gray (H, W) where the task's colour rule finds no hue; uint16 if one of the
    sources is, else uint8.

    Raises
    ------
    ImageError
        For a file that cannot be read, or images that do not fit each other.
    LabError, UsageError, MethodError
        As `Fuser.load` and `Fuser.fuse`.
    """
    fuser = run if isinstance(run, Fuser) else _of_run(model_file(run), device)
    sources = [read_image(Path(s)) if isinstance(s, (Path, str)) else s for s in (a, b)]
    return fuser.fuse(sources, task, steps=steps, solver=solver, tile=tile)


def _of_run(file: Place, device: str) -> Fuser:
    return _load(file, stamp(file), device)


@functools.lru_cache(maxsize=1)
def _load(file: Place, _stamp: str, device: str) -> Fuser:
    return Fuser.load(file, device)
