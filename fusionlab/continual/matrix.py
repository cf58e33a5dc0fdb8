r"""What is left of old tasks: the matrix R, and numbers that are read from it.

R[i][j] is how good the network is at task j after stage i, in a metric of which more is better;
tasks are numbered in the order in which they were learned, T of them. With the last stage T:

.. math::
    \text{average} &= \frac{1}{T} \sum_{j} R_{T,j} \\
    \text{backward transfer} &= \frac{1}{T-1} \sum_{j<T} (R_{T,j} - R_{j,j}) \\
    \text{forgetting} &= \frac{1}{T-1} \sum_{j<T} \Big(\max_{i<T} R_{i,j} - R_{T,j}\Big) \\
    \text{gap to U} &= \frac{1}{T} \sum_{j} (U_j - R_{T,j})

U_j: what a network that learned all tasks together (joint), or this task alone (single), reaches.
(Average and backward transfer: Lopez-Paz and Ranzato, "Gradient episodic memory for continual
learning", NeurIPS 2017. Forgetting: Chaudhry, Dokania, Ajanthan and Torr, "Riemannian walk for
incremental learning", ECCV 2018; its maximum is over all stages before the last one, those before
the task was learned as well.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

#: Columns of a tidy frame of results: `task` was judged after `stage` (1 is the first).
COLUMNS = ("strategy", "order", "seed", "stage", "task", "metric", "value")

#: The strategies that are no continual learning, but what it is compared with.
JOINT, SINGLE = "joint", "single"

#: What `measures` says of each cell.
MEASURES = ("average", "forgetting", "bwt", "gap_joint", "gap_single")


def average(r: ArrayLike) -> float:
    """Return the mean over tasks after the last stage, of R (stages, tasks)."""
    return float(np.mean(np.asarray(r, dtype=float)[-1]))


def backward_transfer(r: ArrayLike) -> float:
    """Return what learning later tasks did to earlier ones, of R (T, T); nan of a single task."""
    matrix = _square(r)
    return _mean((matrix[-1] - np.diag(matrix))[:-1])


def forgetting(r: ArrayLike) -> float:
    """Return how far tasks fell from their best, of R (T, T); nan of a single task."""
    matrix = _square(r)
    if len(matrix) == 1:
        return float("nan")
    return _mean((matrix[:-1].max(axis=0) - matrix[-1])[:-1])


def gap(r: ArrayLike, reached: ArrayLike) -> float:
    """Return how much less than `reached` (T,) the last stage of R (stages, T) is, on average."""
    return float(np.mean(np.asarray(reached, dtype=float) - np.asarray(r, dtype=float)[-1]))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _square(r: ArrayLike) -> np.ndarray:
    matrix = np.asarray(r, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"R has shape {matrix.shape}; expected (T, T), a stage for each task")
    return matrix


def matrix_of(results: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """Return R of the results of one cell and metric: a row a stage, a column a task."""
    wide = results.pivot(index="stage", columns="task", values="value")
    return wide.sort_index()[list(tasks)]


def measures(results: pd.DataFrame) -> pd.DataFrame:
    """Return what is left in each cell: columns ``strategy, order, seed, metric`` and `MEASURES`.

    Parameters
    ----------
    results : tidy, with `COLUMNS`; `order` is the tasks with ``-`` between. Joint and single are
        rows of the same order and seed; a gap to what is not there is nan.
    """
    cells = ["order", "seed", "metric"]
    upper = {
        name: dict(list(results[results["strategy"] == name].groupby(cells)))
        for name in (JOINT, SINGLE)
    }
    rows = []
    for (strategy, order, seed, metric), cell in results.groupby(["strategy", *cells], sort=False):
        tasks, key = str(order).split("-"), dict(zip(cells, (order, seed, metric), strict=True))
        r = matrix_of(cell, tasks)
        same = {name: found.get((order, seed, metric)) for name, found in upper.items()}
        reached = {name: _reached(found, tasks) for name, found in same.items()}
        learned = strategy not in upper and len(r) == len(tasks)
        rows.append({
            "strategy": strategy, **key,
            "average": float(np.mean(_reached(cell, tasks))),
            "forgetting": forgetting(r) if learned else np.nan,
            "bwt": backward_transfer(r) if learned else np.nan,
            **{f"gap_{n}": float(np.mean(u - _reached(cell, tasks))) for n, u in reached.items()},
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["strategy", *cells, *MEASURES])


def _reached(cell: pd.DataFrame | None, tasks: Sequence[str]) -> np.ndarray:
    """Return (T,) what a cell ends with; of `single`, each task's own network."""
    if cell is None:
        return np.full(len(tasks), np.nan)
    r = matrix_of(cell, tasks).to_numpy(dtype=float)
    alone = (cell["strategy"] == SINGLE).all()
    return np.diag(r) if alone and len(r) == len(tasks) else r[-1]


def spread(measured: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation of `MEASURES` over orders and seeds.

    Columns ``strategy, metric, cells`` and, of each measure, its name and its name with ``_sd``
    (nan of a single cell).
    """
    groups = measured.groupby(["strategy", "metric"], sort=False)[list(MEASURES)]
    mean, deviation = groups.mean(), groups.std().add_suffix("_sd")
    both = [name for measure in MEASURES for name in (measure, f"{measure}_sd")]
    found = pd.concat([groups.size().rename("cells"), mean, deviation], axis=1)[["cells", *both]]
    return found.reset_index()
