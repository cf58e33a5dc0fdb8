r"""How far metrics agree about the candidates, and how alike two methods are scored.

Kendall's tau-b of metrics m and n over the pairs of candidates (i, j) of one scene, with
:math:`s_m = \mathrm{sign}(m_i - m_j)`, both metrics pointing upwards:

.. math:: \tau_{mn} = \sum s_m s_n \, / \, \sqrt{\sum s_m^2 \sum s_n^2}

Kendall, Biometrika 33(3), 1945; pairs in which a score is not a number are left out of all sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from fusionlab import metrics as metric_library
from fusionlab.audit.study import Study, study_of
from fusionlab.selection.normalise import rank

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fusionlab.lab import Lab
    from fusionlab.paths import Place

By = Literal["kendall", "spearman"]


def agreement_metrics(
    lab: Study | Lab | Place | str = "lab", labels: str | None = None, by: By = "kendall"
) -> pd.DataFrame:
    """Return, by task, how far every two metrics order the candidates of a scene alike.

    Columns ``task, metric_a, metric_b, agreement, scenes``: the mean over scenes of Kendall's
    tau-b or Spearman's rho, -1..1, and over how many scenes. Each pair stands once in each order,
    each metric with itself too. Metrics where lower is better are turned round. Metrics of the
    truth (``PSNR_ref``) are in where they were scored.

    Parameters
    ----------
    by : ``kendall`` or ``spearman``.
    """
    found: dict[str, list[pd.DataFrame]] = {}
    for task, wide in _scores_of_tasks(study_of(lab, labels)):
        for _, scene in wide.groupby(level="scene", sort=False):
            matrix = (_kendall if by == "kendall" else _spearman)(scene.to_numpy(dtype=float))
            frame = pd.DataFrame(matrix, wide.columns, wide.columns)
            found.setdefault(task, []).append(frame)
    return _tidy(found, "metric")


def agreement_methods(
    lab: Study | Lab | Place | str = "lab", labels: str | None = None
) -> pd.DataFrame:
    """Return, by task, how alike every two methods are scored.

    Columns ``task, method_a, method_b, agreement, scenes``: one less the mean difference of their
    ranks (0 worst, 1 best of the scene), over all metrics but those of the truth, and over the
    scenes that both enter. 1 says that no metric tells them apart; two methods that are scored
    independently of each other come out near 2/3.
    """
    found: dict[str, list[pd.DataFrame]] = {}
    for task, wide in _scores_of_tasks(study_of(lab, labels)):
        blind = [m for m in wide.columns if metric_library.get(m).arity != "reference"]
        scenes = pd.Series(wide.index.get_level_values("scene"), index=wide.index)
        for _, scene in rank(wide[blind], scenes).groupby(level="scene", sort=False):
            values = scene.to_numpy(dtype=float)
            matrix = 1 - np.abs(values[:, None] - values[None]).mean(axis=2)
            methods = scene.index.get_level_values("method")
            found.setdefault(task, []).append(pd.DataFrame(matrix, methods, methods))
    return _tidy(found, "method")


def _scores_of_tasks(study: Study) -> Iterator[tuple[str, pd.DataFrame]]:
    for task, dataset in study.datasets():
        upward = study.dataset(task, dataset).upward
        if len(upward):
            yield task, upward


def _kendall(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return tau-b of the columns of (candidates, metrics)."""
    first, second = np.triu_indices(len(values), 1)
    with np.errstate(invalid="ignore"):  # infinite scores that are equal are a tie
        signs = np.where(
            values[first] == values[second], 0.0, np.sign(values[first] - values[second])
        )
    known = np.isfinite(signs).astype(float)
    signs = np.nan_to_num(signs)
    decided = np.abs(signs).T @ known  # pairs that m decides, of those that n knows
    return _quotient(signs.T @ signs, np.sqrt(decided * decided.T))


def _spearman(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Spearman's rho of the columns of (candidates, metrics), ties averaged."""
    matrix: NDArray[np.float64] = pd.DataFrame(values).rank().corr().to_numpy()
    return matrix


def _quotient(over: NDArray[np.float64], under: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide; not a number where nothing was decided."""
    return np.where(under > 0, over / np.where(under > 0, under, 1.0), np.nan)


def _tidy(found: dict[str, list[pd.DataFrame]], what: str) -> pd.DataFrame:
    """Average the matrices of each task over its scenes, and write them as rows."""
    columns = ["task", f"{what}_a", f"{what}_b", "agreement", "scenes"]
    frames = []
    for task, matrices in sorted(found.items()):
        rows = pd.concat([_stacked(matrix, what) for matrix in matrices])
        pairs = rows.groupby([f"{what}_a", f"{what}_b"])["agreement"]
        frame = pairs.agg(agreement="mean", scenes="count").reset_index()
        frame["task"] = task
        frames.append(frame[columns])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def _stacked(matrix: pd.DataFrame, what: str) -> pd.DataFrame:
    names = matrix.index.to_numpy()
    return pd.DataFrame(
        {
            f"{what}_a": np.repeat(names, len(names)),
            f"{what}_b": np.tile(names, len(names)),
            "agreement": matrix.to_numpy().ravel(),
        }
    )
