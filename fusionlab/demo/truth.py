"""How near labels of the demo are to the true fusion, which only the demo knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionlab.audit import truth

if TYPE_CHECKING:
    import pandas as pd

    from fusionlab.lab import Lab


def against_truth(lab: Lab, labels: str) -> pd.DataFrame:
    """Return, by task, the mean PSNR (dB) of the plain mean, the labels and the best choice."""
    columns = ["mean", "chosen", "best", "regret"]
    scenes = truth(lab, labels)
    frame = scenes.groupby("task", sort=False)[columns].mean()
    frame.loc["all"] = scenes[columns].mean()
    return frame.reset_index()
