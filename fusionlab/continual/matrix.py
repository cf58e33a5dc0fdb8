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
    from numpy.typing import ArrayLike, NDArray

    Key = tuple[str, str, int, str]

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


def matrices(results: pd.DataFrame) -> dict[Key, NDArray[np.float64]]:
    """Return R of every cell and metric: a row a stage, a column a task, as they were learned.

    Where a task has no value, as where all its images are too small for a metric, there is nan.

    Parameters
    ----------
    results : tidy, with `COLUMNS`; `order` is the tasks with ``-`` between.
    """
    found: dict[Key, dict[int, dict[str, float]]] = {}
    columns = (results[name].tolist() for name in COLUMNS)
    for strategy, order, seed, stage, task, metric, value in zip(*columns, strict=True):
        cell = found.setdefault((strategy, order, seed, metric), {})
        cell.setdefault(stage, {})[task] = value
    return {
        key: np.array(
            [[cell[s].get(task, np.nan) for task in key[1].split("-")] for s in sorted(cell)]
        )
        for key, cell in found.items()
    }


def measures(results: pd.DataFrame) -> pd.DataFrame:
    """Return what is left in each cell: columns ``strategy, order, seed, metric`` and `MEASURES`.

    Parameters
    ----------
    results : as of `matrices`. Joint and single are rows of the same order and seed; a gap to what
        is not there is nan.
    """
    cells = matrices(results)
    rows = []
    for key, r in cells.items():
        reached, learned = _reached(key[0], r), key[0] not in (JOINT, SINGLE) and len(r) == len(r.T)
        rows.append({
            "strategy": key[0],
            "order": key[1],
            "seed": key[2],
            "metric": key[3],
            "average": average([reached]),
            "forgetting": forgetting(r) if learned else np.nan,
            "bwt": backward_transfer(r) if learned else np.nan,
            **{
                f"gap_{upper}": gap([reached], _reached(upper, cells[upper, *key[1:]]))
                if (upper, *key[1:]) in cells else np.nan
                for upper in (JOINT, SINGLE)
            },
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["strategy", "order", "seed", "metric", *MEASURES])


def _reached(strategy: str, r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (T,) what a cell ends with; of `single`, each task's own network."""
    return np.diag(r) if strategy == SINGLE and len(r) == len(r.T) else r[-1]


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
