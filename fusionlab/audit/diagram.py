"""The critical-difference diagram: mean ranks on an axis, bars over who is not told apart.

After figure 1 of Demsar, Journal of Machine Learning Research 7, 2006.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from fusionlab.audit.figures import ORANGE, Figure, make

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

_STEP, _ABOVE = 20, 90


def cliques(ranks: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """Return the longest runs (first, last) of sorted ranks that span less than `difference`."""
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = first
        while last + 1 < len(ranks) and ranks[last + 1] - ranks[first] < difference:
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def critical_diagram(compared: pd.DataFrame, caption: str) -> Figure:
    """Draw the rows of `critical_difference` of one data set."""
    ranks = compared["mean_rank"].tolist()
    names = [escape(name) for name in compared["method"]]
    count, difference = len(ranks), float(compared["cd"].iloc[0])
    runs = cliques(ranks, difference)
    low, high = math.floor(min(ranks)), max(math.ceil(max(ranks)), math.floor(min(ranks)) + 1)
    half = math.ceil(count / 2)
    depth = len(runs) + half + 1.0  # of the lowest name, in steps below the axis
    traces: list[Any] = [_line([low, high], [0, 0], 1.5)]
    notes = []
    for place, (rank, name) in enumerate(zip(ranks, names, strict=True)):
        left = place < half
        y = -(len(runs) + 1.0 + (place if left else count - 1 - place))
        edge = low if left else high
        traces.append(_line([rank, rank, edge], [0, y, y], 1))
        notes.append(_note(edge, y, f"{name} {rank:.2f}" if left else f"{rank:.2f} {name}", left))
    for level, (first, last) in enumerate(runs, 1):
        ends = [ranks[first] - 0.02 * (high - low), ranks[last] + 0.02 * (high - low)]
        traces.append(_line(ends, [-0.8 * level] * 2, 5, ORANGE))
    traces.append(_line([low, min(low + difference, high)], [1.5, 1.5], 2.5, ORANGE))
    notes.append(_note(low, 2.3, f"critical difference {difference:.2f}", left=False, gap=0))
    return make(
        traces,
        caption,
        round(_STEP * depth + _ABOVE),
        xaxis={"range": _range(low, high), "visible": False},
        yaxis={"range": [-depth - 0.3, 3.2], "visible": False},
        annotations=[*notes, *_ticks(low, high)],
        margin={"l": 5, "r": 5, "t": 5, "b": 5},
        hovermode=False,
    )


def _range(low: float, high: float) -> list[float]:
    """Leave room on either side for the names."""
    room = 0.3 * (high - low)
    return [low - room, high + room]


def _line(x: list[float], y: list[float], width: float, colour: str = "") -> Any:
    ink = {} if colour else {"meta": "ink"}
    line = {"width": width, "color": colour} if colour else {"width": width}
    return go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", **ink)


def _note(x: float, y: float, text: str, left: bool, gap: int = 5) -> dict[str, Any]:
    side = {"xanchor": "right", "xshift": -gap} if left else {"xanchor": "left", "xshift": gap}
    return {"x": x, "y": y, "text": text, "showarrow": False, "yanchor": "middle", **side}


def _ticks(low: int, high: int) -> list[dict[str, Any]]:
    step = max(1, round((high - low) / 12))
    return [
        {"x": x, "y": 0.55, "text": str(x), "showarrow": False, "font": {"size": 10}}
        for x in range(low, high + 1, step)
    ]
