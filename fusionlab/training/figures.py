"""The page of a study: the matrix R of every strategy, and what is read from it."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from fusionlab.continual.matrix import MEASURES, matrices

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

_CELL, _AROUND = 58, 150

_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Forgetting - FusionLab</title>
<style>body{font:15px system-ui,sans-serif;margin:2em auto;max-width:1400px;padding:0 1em}
table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right}
td:first-child,th:first-child{text-align:left}thead{border-bottom:1px solid}</style>
"""


def page(results: pd.DataFrame, table: pd.DataFrame) -> str:
    """Return one HTML document without anything from elsewhere.

    Parameters
    ----------
    results : tidy, see `fusionlab.continual.matrix.COLUMNS`.
    table : what `fusionlab.continual.matrix.spread` makes of their measures.
    """
    parts = [_HEAD, f"<script>{get_plotlyjs()}</script></head><body><h1>Forgetting</h1>"]
    parts.append(
        "<p>Row i, column j: task j after stage i, mean over scenes and seeds; tasks in the order "
        "in which they were learned. Mean and standard deviation over orders and seeds.</p>"
    )
    for metric in results["metric"].unique():
        mine = table[table["metric"] == metric]
        parts += [f"<h2>{escape(str(metric))}</h2>", _table(mine)]
        figure = heat_maps(results[results["metric"] == metric])
        parts.append(figure.to_html(full_html=False, include_plotlyjs=False))
    return "\n".join([*parts, "</body></html>"])


def heat_maps(results: pd.DataFrame) -> go.Figure:
    """Draw R of one metric, mean over seeds: a heat map for each order and strategy."""
    seeds: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    for (strategy, order, _seed, _metric), r in matrices(results).items():
        seeds.setdefault((order, strategy), []).append(r)
    orders, strategies = (list(dict.fromkeys(names)) for names in zip(*seeds, strict=True))
    titles = [f"{strategy}, {order}" for order in orders for strategy in strategies]
    figure = make_subplots(len(orders), len(strategies), subplot_titles=titles)
    for (order, strategy), found in seeds.items():
        trace = _heat_map(np.mean(found, axis=0), order.split("-"))
        figure.add_trace(trace, orders.index(order) + 1, strategies.index(strategy) + 1)
    figure.update_layout(
        template="none",
        height=_AROUND + len(orders) * _CELL * (1 + results["task"].nunique()),
        margin={"l": 40, "r": 20, "t": 60, "b": 30},
        coloraxis={"colorscale": "Blues", "colorbar": {"thickness": 10}},
    )
    figure.update_annotations(font_size=11)
    figure.update_xaxes(type="category")
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def _heat_map(r: NDArray[np.float64], tasks: Sequence[str]) -> go.Heatmap:
    return go.Heatmap(
        z=r.tolist(),
        x=list(tasks),
        y=[str(stage) for stage in range(1, len(r) + 1)],
        coloraxis="coloraxis",
        texttemplate="%{z:.2f}",
        hovertemplate="%{x} after stage %{y}: %{z:.3f}<extra></extra>",
        xgap=1,
        ygap=1,
    )


def _table(table: pd.DataFrame) -> str:
    heads = "".join(f"<th>{name}</th>" for name in ("strategy", "cells", *MEASURES))
    rows = []
    for row in table.to_dict("records"):
        cells = [escape(str(row["strategy"])), str(row["cells"])]
        cells += [with_spread(row[m], row[f"{m}_sd"]) for m in MEASURES]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def with_spread(mean: float, deviation: float) -> str:
    """Return ``mean ± deviation``, the mean alone where there is one cell only, - for nothing."""
    if math.isnan(mean):
        return "-"
    return f"{mean:.3f}" if math.isnan(deviation) else f"{mean:.3f} ± {deviation:.3f}"
