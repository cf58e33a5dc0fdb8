"""Table families: which of our metrics stands behind which column of a published table.

The tables of the field share column names and not definitions. A preset maps the names of one
family of tables to the metrics that give its numbers, bugs and all:

    cddfuse   the evaluator of CDDFuse (Zhao et al. 2023), in float64
    tang      Linfeng Tang's toolbox (SeAFusion, PIAFusion, SwinFusion ...)
    vifb      the benchmark VIFB (Zhang, Ye, Xiao 2020) on gray images
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlab.errors import UnknownNameError
from fusionlab.metrics import registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionlab.metrics.base import Metric


@dataclass(frozen=True)
class Preset:
    """One family of published tables.

    Attributes
    ----------
    name : what tables and the command line call it.
    title : whose tables they are.
    metrics : column name -> name of the metric that gives the column's numbers.
    notes : what differs from the published program all the same.
    """

    name: str
    title: str
    metrics: Mapping[str, str]
    notes: str = ""

    def columns(self, chosen: Sequence[str] | None = None) -> dict[str, Metric]:
        """Return column name -> declaration of the metric, all of them or the `chosen` ones.

        Raises
        ------
        UnknownNameError
            For a column that these tables do not have.
        """
        wanted = list(self.metrics) if chosen is None else list(chosen)
        for column in wanted:
            if column not in self.metrics:
                raise UnknownNameError(
                    "column", column, self.metrics, f"preset {self.name!r}"
                ) from None
        return {column: registry.get(self.metrics[column]) for column in wanted}


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "cddfuse",
            "the evaluator of CDDFuse (Zhao et al. 2023) and of the many papers that copied it",
            {
                "EN": "EN",
                "SD": "SD",
                "SF": "SF",
                "AG": "AG",
                "MI": "MI",
                "MSE": "MSE",
                "CC": "CC",
                "PSNR": "PSNR_maxF",
                "SCD": "SCD",
                "VIF": "VIF",
                "Qabf": "Qabf",
                "SSIM": "SSIM_cddfuse",
            },
            "published runs are in float32, which moves SSIM by up to 9e-4 and the rest by 3e-7",
        ),
        Preset(
            "tang",
            "Linfeng Tang's toolbox (SeAFusion, PIAFusion, SwinFusion ...)",
            {
                "EN": "EN",
                "SF": "SF",
                "SD": "SD",
                "PSNR": "PSNR_tang",
                "MSE": "MSE_01",
                "MI": "MI_tang",
                "VIF": "VIF",
                "AG": "AG_rc1",
                "CC": "CC",
                "SCD": "SCD",
                "Qabf": "Qabf",
                "Nabf": "Nabf_tang",
                "SSIM": "SSIM_tang",
                "MS_SSIM": "MEF_SSIM",
            },
            "its FMI columns use edge features of MATLAB, which are not reproduced; its MS_SSIM is "
            "the MEF-SSIM of Ma et al. 2015",
        ),
        Preset(
            "vifb",
            "the benchmark VIFB (Zhang, Ye, Xiao 2020)",
            {
                "AG": "AG_rc1",
                "CE": "CE",
                "EI": "EI",
                "EN": "EN",
                "MI": "MI",
                "PSNR": "PSNR_vifb",
                "Qabf": "Qabf",
                "Qcb": "Qcb",
                "Qcv": "Qcv",
                "RMSE": "RMSE_vifb",
                "SD": "SD",
                "SF": "SF_vifb",
                "SSIM": "SSIM_sum",
            },
            "VIFB takes the mean of the channels' values on colour images; here luminance is "
            "measured",
        ),
    )
}


def get(name: str) -> Preset:
    """Return the preset `name`.

    Raises
    ------
    UnknownNameError
        When there is none; the message names the nearest.
    """
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[name]
