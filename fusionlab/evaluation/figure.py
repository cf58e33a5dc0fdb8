"""The figure of a leaderboard: mean ranks on seen against unseen metrics, with their intervals."""

from __future__ import annotations

from html import escape
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from fusionlab.audit.figures import BLUE, ORANGE, Figure, make
from fusionlab.evaluation.comparing import OURS
from fusionlab.evaluation.field import SEEN, UNSEEN

if TYPE_CHECKING:
    import pandas as pd

_HEIGHT, _WIDTH = 560, 860
_GRAY = "#888888"

#: Kind -> colour, size, and whether the name stands beside the dot.
_LOOK: dict[str, tuple[str, int, bool]] = {
    "candidate": (_GRAY, 6, False),
    "decoy": (ORANGE, 8, True),
    "labels": ("#009E73", 11, True),
    "run": (BLUE, 11, True),
}


def rank_figure(rows: pd.DataFrame, caption: str) -> Figure | None:
    """Draw the rows of the leaderboard of one data set; None where a group has no metrics.

    Lossless images among compressed ones are drawn hollow.
    """
    keys = ["method", "form", "kind", "level"]
    seen, unseen = (rows[rows["group"] == group] for group in (SEEN, UNSEEN))
    both = seen.merge(unseen, on=keys, suffixes=("_x", "_y"))
    if both.empty:
        return None
    traces = [
        _dots(mine, str(kind), bool(level))
        for (kind, level), mine in both.groupby(["kind", "level"])
    ]
    ends = [min(both["rank_x"].min(), both["rank_y"].min()), both[["rank_x", "rank_y"]].max().max()]
    line = go.Scatter(
        x=ends, y=ends, mode="lines", line={"width": 1, "dash": "dot"}, meta="ink", hoverinfo="skip"
    )
    return make(
        [line, *traces],
        caption,
        _HEIGHT,
        width=_WIDTH,
        xaxis={"title": {"text": "mean rank on metrics that the policy weighed"}},
        yaxis={"title": {"text": "mean rank on metrics that it never saw"}},
    )


def _dots(rows: pd.DataFrame, kind: str, level: bool) -> Any:
    colour, size, named = _LOOK[kind]
    rows = rows.sort_values("rank_x", ascending=False)
    names = [
        f"{escape(m)}{'' if level or kind not in OURS else ' (lossless)'}" for m in rows["method"]
    ]
    return go.Scatter(
        x=rows["rank_x"].tolist(),
        y=rows["rank_y"].tolist(),
        error_x=_bars(rows, "x", colour),
        error_y=_bars(rows, "y", colour),
        mode="markers+text" if named else "markers",
        text=names,
        textposition=_beside(len(rows), level),
        marker={"color": colour, "size": size, "symbol": "circle" if level else "circle-open"},
        hovertemplate="%{text}: %{x:.2f} seen, %{y:.2f} unseen<extra></extra>",
        cliponaxis=False,
    )


def _beside(count: int, level: bool) -> list[str]:
    """Place the names of neighbours apart: right and left in turn, those of hollow dots below."""
    edge = "top" if level else "bottom"
    return [f"{edge} {side}" for side in islice(cycle(("right", "left")), count)]


def _bars(rows: pd.DataFrame, axis: str, colour: str) -> dict[str, Any]:
    """Return the intervals; one scene has none."""
    high = (rows[f"high_{axis}"] - rows[f"rank_{axis}"]).fillna(0.0)
    low = (rows[f"rank_{axis}"] - rows[f"low_{axis}"]).fillna(0.0)
    return {
        "type": "data",
        "symmetric": False,
        "array": high.tolist(),
        "arrayminus": low.tolist(),
        "thickness": 1,
        "width": 0,
        "color": colour,
    }
