r"""Which candidate is shown in which tile.

.. math:: E = \sum_t -T_t(c_t) + \lambda [c_t \ne c^*]
          + \beta \sum_{(s, t)} \frac{|\partial_{st}|}{|\partial_t|} [c_s \ne c_t]

T_t(c): total of candidate c in tile t under the policy; c*: the best whole candidate. So another
one is shown only where it leads by more than lambda, and rather where its neighbours show it too
(a Potts model). |d_st| / |d_t| is the share of t's inner border that it has in common with s. The
minimum is sought from ``c_t = c*`` on by iterated conditional modes: tile after tile takes what is
best given the others, until none changes. (Besag, "On the statistical analysis of dirty pictures",
Journal of the Royal Statistical Society B 48(3), 1986.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusionlab.regions import Region

_SWEEPS = 20


def choose(
    totals: NDArray[np.float64], best: int, tiles: Sequence[Region], lead: float, smooth: float
) -> NDArray[np.intp]:
    """Return, tile by tile, the candidate to show.

    Parameters
    ----------
    totals : (tiles, candidates), higher is better; nan where a candidate must not be shown.
    best : the best whole candidate.
    tiles : of the scene, in the order of `totals`.
    lead : lambda, by how much another candidate must lead.
    smooth : beta, what a border between two candidates costs.
    """
    gain = np.where(np.isnan(totals), -np.inf, totals)
    gain = gain - lead * (np.arange(totals.shape[1]) != best)
    shares = smooth * _border_shares(tiles)
    chosen = np.full(len(tiles), best, dtype=np.intp)
    for _ in range(_SWEEPS):
        before = chosen.copy()
        for t in range(len(tiles)):
            agreeing = np.bincount(chosen, weights=shares[t], minlength=totals.shape[1])
            scored = gain[t] + agreeing
            if scored.max() > scored[chosen[t]]:
                chosen[t] = int(scored.argmax())
        if (before == chosen).all():
            break
    return chosen


def shown_map(
    tiles: Sequence[Region], chosen: NDArray[np.intp], size: tuple[int, int]
) -> NDArray[np.intp]:
    """Return, pixel by pixel, the candidate to show, (H, W)."""
    shown = np.zeros(size, dtype=np.intp)
    for tile, candidate in zip(tiles, chosen, strict=True):
        shown[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = candidate
    return shown


def _border_shares(tiles: Sequence[Region]) -> NDArray[np.float64]:
    """Return (t, s): the share of tile t's border with other tiles that it has with tile s."""
    lengths = np.array([[_common(s, t) for s in tiles] for t in tiles], dtype=np.float64)
    whole = lengths.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = lengths / np.where(whole > 0, whole, 1.0)
    return shares


def _common(a: Region, b: Region) -> int:
    """Return how many pixels long the border of two tiles is."""
    rows = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    columns = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    if rows == 0 and columns > 0:
        return columns
    return rows if columns == 0 and rows > 0 else 0
