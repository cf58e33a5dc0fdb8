"""Figures for Plotly, as plain data; colours that people who cannot tell red from green can tell.

A page gives each its inks for light or dark, by the ``meta`` of a trace: ``ink`` is drawn in the
colour of the text, ``wash`` from that of the paper to blue, ``poles`` from orange over the paper to
blue. Names of scenes and methods are escaped, for Plotly reads mark-up in texts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from fusionlab.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

#: Okabe and Ito's blue and orange.
BLUE, ORANGE = "#0072B2", "#E69F00"

_ROW, _LEAST, _AROUND = 22, 260, 110
_COLUMN, _NAMES = 110, 320


@dataclass(frozen=True)
class Figure:
    """What the template draws: Plotly's data and layout, and a caption.

    Attributes
    ----------
    height : in CSS pixels.
    width : at most, in CSS pixels; 0 is the page's.
    narrow : whether two have room side by side.
    """

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    caption: str
    height: int
    narrow: bool = False
    width: int = 0


def make(
    traces: Sequence[Any],
    caption: str,
    height: int,
    *,
    narrow: bool = False,
    width: int = 0,
    **layout: Any,
) -> Figure:
    """Turn traces of Plotly and a layout into a figure; both are checked by Plotly."""
    axis = {"automargin": True, "fixedrange": True}
    made = go.Figure(
        data=traces,
        layout=go.Layout(
            template="none",
            height=height,
            margin={"l": 10, "r": 10, "t": 10, "b": 52},
            font={"size": 12},
            showlegend=False,
            hoverlabel={"font": {"family": "system-ui, sans-serif"}},
        ),
    )
    made.update_xaxes(axis)
    made.update_yaxes(axis)
    made.update_layout(layout)
    content = made.to_plotly_json()
    return Figure(
        _plain(content["data"]), _plain(content["layout"]), caption, height, narrow, width
    )


def _plain(content: Any) -> Any:
    """Turn tuples and NumPy's numbers and arrays into what JSON holds."""
    if isinstance(content, dict):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if hasattr(content, "tolist"):
        return _plain(content.tolist())
    return plain(content)


def heat_map(
    frame: pd.DataFrame,
    caption: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    says: str = "%{y}<br>%{x}: %{z:.2f}",
    narrow: bool = False,
) -> Figure:
    """Draw a frame as cells with numbers, its first row on top.

    Parameters
    ----------
    low, high : the ends of the scale; one that begins below 0 is drawn in two colours.
    says : what the pointer tells.
    """
    rows, columns = [escape(str(n)) for n in frame.index], [escape(str(n)) for n in frame.columns]
    trace = go.Heatmap(
        z=frame.to_numpy(dtype=float).tolist(),
        x=columns,
        y=rows,
        zmin=low,
        zmax=high,
        meta="poles" if low < 0 else "wash",
        texttemplate="%{z:.2f}" if len(columns) <= _MOST_NUMBERS else "",
        textfont={"size": 10},
        hovertemplate=f"{says}<extra></extra>",
        hoverongaps=False,
        xgap=1,
        ygap=1,
        colorbar={"thickness": 10, "outlinewidth": 0, "len": 0.9},
    )
    axis = {
        "type": "category",
        "showgrid": False,
        "ticks": "",
        "showline": False,
        "zeroline": False,
    }
    return make(
        [trace],
        caption,
        max(_LEAST, _ROW * len(rows) + _AROUND),
        narrow=narrow,
        width=_NAMES + _COLUMN * len(columns),
        xaxis={**axis, "side": "top", "tickangle": -45 if len(columns) > _LEVEL else 0},
        yaxis={**axis, "autorange": "reversed", "dtick": 1},
        margin={"l": 10, "r": 10, "t": 60, "b": 10},
    )


#: More columns than this have no room for numbers; more than that none for level names.
_MOST_NUMBERS, _LEVEL = 22, 8


def spreads(distribution: pd.DataFrame, caption: str) -> Figure:
    """Draw `rank_distribution` of one data set: a box a method, the best on top."""
    names = [escape(name) for name in distribution["method"]]
    trace = go.Box(
        y=names,
        q1=distribution["p25"].tolist(),
        median=distribution["median"].tolist(),
        q3=distribution["p75"].tolist(),
        lowerfence=distribution["best"].tolist(),
        upperfence=distribution["worst"].tolist(),
        mean=distribution["mean"].tolist(),
        orientation="h",
        boxmean=True,
        line={"width": 1.5, "color": BLUE},
        fillcolor="rgba(0,114,178,0.25)",
        hoverinfo="x+y",
    )
    return make(
        [trace],
        caption,
        max(_LEAST, _ROW * len(names) + _AROUND),
        xaxis={"title": {"text": "place in the scene, 1 is the best"}, "rangemode": "tozero"},
        yaxis={"autorange": "reversed", "type": "category", "dtick": 1, "showgrid": False},
    )


def bars(
    names: Sequence[str], values: Sequence[float], caption: str, says: str, colour: str = BLUE
) -> Figure:
    """Draw horizontal bars, the first on top."""
    shown = [escape(str(name)) for name in names]
    trace = go.Bar(
        x=list(values),
        y=shown,
        orientation="h",
        marker={"color": colour},
        text=list(values),
        textposition="outside",
        cliponaxis=False,
        hovertemplate=f"%{{y}}: %{{x}} {says}<extra></extra>",
    )
    return make(
        [trace],
        caption,
        max(160, _ROW * len(shown) + 92),
        narrow=True,
        xaxis={
            "title": {"text": says},
            "rangemode": "tozero",
            "dtick": _whole_step(max(values, default=1)),
        },
        yaxis={"autorange": "reversed", "type": "category", "dtick": 1, "showgrid": False},
        margin={"l": 10, "r": 30, "t": 10, "b": 52},
        bargap=0.25,
    )


def histogram(values: pd.Series, caption: str, title: str) -> Figure:
    """Draw how a quantity from 0 on is spread over the scenes, in 20 bins."""
    shown = values.dropna().to_numpy()
    counts, edges = np.histogram(shown, bins=20, range=(0.0, max(1e-9, shown.max(initial=0.0))))
    trace = go.Bar(
        x=((edges[:-1] + edges[1:]) / 2).tolist(),
        y=counts.tolist(),
        width=(0.97 * np.diff(edges)).tolist(),
        marker={"color": BLUE},
        customdata=np.stack([edges[:-1], edges[1:]], axis=1).tolist(),
        hovertemplate="%{customdata[0]:.3f} to %{customdata[1]:.3f}: %{y} scenes<extra></extra>",
    )
    return make(
        [trace],
        caption,
        _LEAST,
        narrow=True,
        xaxis={"title": {"text": title}},
        yaxis={"title": {"text": "scenes"}, "dtick": _whole_step(counts.max())},
    )


def _whole_step(highest: float) -> int:
    """Return a distance between ticks that are whole numbers: 1, 2 or 5 times a power of ten."""
    step = max(1.0, highest / 6)
    power = 10 ** math.floor(math.log10(step))
    return next(int(power * times) for times in (1, 2, 5, 10) if power * times >= step)
