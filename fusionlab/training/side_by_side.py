"""Runs on the same data beside each other: a flow, and the controls that say what it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab.training.judge import MEASURES
from fusionlab.training.run_folder import RunFolder
from fusionlab.validation.intervals import bootstrap_mean

if TYPE_CHECKING:
    from pathlib import Path


def runs_like(path: Path) -> dict[str, pd.DataFrame]:
    """Return what the validation scenes came to in a run and in those beside it on the same data.

    Returns
    -------
    Name -> one row a scene; the run itself comes first. Runs that have not ended are left out.
    """
    config = RunFolder(path).config()
    found = {}
    for folder in (path, *sorted(path.parent.iterdir())):
        other, table = RunFolder(folder).config(), folder / "validation.parquet"
        if config and other and table.exists() and other["data"] == config["data"]:
            found[folder.name] = pd.read_parquet(table)
    return found


def side_by_side(path: Path) -> pd.DataFrame:
    """Return one row a run: its objective, the mean of each measure, how far the first is ahead.

    ``ahead`` is the mean difference of PSNR_local of the run at `path` and the other one over the
    same scenes, in dB, with its bootstrap interval of 95 % over scenes. All scenes count alike.
    """
    runs = runs_like(path)
    rows, mine = [], runs.get(path.name)
    for name, frame in runs.items():
        config = RunFolder(path.parent / name).config() or {}
        row = {
            "run": name,
            "objective": config["settings"]["model"]["objective"],
            "steps": config["settings"]["steps"],
            **{measure: float(frame[measure].mean()) for measure in MEASURES},
            "ahead": "",
        }
        if mine is not None and name != path.name:
            both = mine.merge(frame, on="place", suffixes=("", "_other"))
            gap = (both["PSNR_local"] - both["PSNR_local_other"]).to_numpy(np.float64)
            row["ahead"] = str(bootstrap_mean(gap))
        rows.append(row)
    return pd.DataFrame(rows)
