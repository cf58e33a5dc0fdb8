"""The kinds of scores, of images, tiles and trials: how they are measured, where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlab.metrics import DEFAULT_METRICS
from fusionlab.schemas import SCORES, TILES, TableSchema
from fusionlab.scoring.plan import plan_scenes, plan_tiles
from fusionlab.scoring.tiles import score_tiles
from fusionlab.scoring.work import score_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from fusionlab.lab import Lab
    from fusionlab.paths import Place
    from fusionlab.scoring.plan import ScenePlan
    from fusionlab.scoring.work import Outcome, SceneWork


#: What is measured when nothing is asked for: all that the shipped policies need, and the distance
#: to the truth, for the scenes that have one and validation alone.
DEFAULT = (
    *DEFAULT_METRICS,
    *("SSIM_cddfuse", "SELS", "GERR", "MS_GERR", "VIFFd", "MEF_SSIM"),
    *("COPYD", "ALIEN", "GHOST", "NOISEX", "SHARPX", "HALO", "ENVX", "TONEX", "SDX", "CLIPX"),
    "PSNR_ref",
)

#: The same for tiles, less what only guards ask for: those judge whole images.
TILE_DEFAULT = (*DEFAULT[: DEFAULT.index("COPYD")], "ENVX", "PSNR_ref")


@dataclass(frozen=True)
class Kind:
    """One kind of scores.

    Attributes
    ----------
    stage : what its reject rows are filed under.
    schema : of its tables.
    default : metrics that are measured when none are named.
    plan : index of a data set -> what is to be measured.
    measure : what a worker does with a batch.
    parts : where finished batches lie until they are merged.
    read, write : its table of one data set (task, dataset).
    """

    stage: str
    schema: TableSchema
    default: tuple[str, ...]
    plan: Callable[[pd.DataFrame], list[ScenePlan]]
    measure: Callable[[Place, list[SceneWork], str], list[Outcome]]
    parts: Callable[[Lab], Place]
    read: Callable[[Lab, str, str], pd.DataFrame]
    write: Callable[[Lab, str, str, pd.DataFrame], None]


IMAGES = Kind(
    "score",
    SCORES,
    DEFAULT,
    plan_scenes,
    score_batch,
    parts=lambda lab: lab.score_parts,
    read=lambda lab, *key: lab.scores(*key),
    write=lambda lab, *given: lab.write_scores(*given),
)

TILE_BY_TILE = Kind(
    "tiles",
    TILES,
    TILE_DEFAULT,
    plan_tiles,
    score_tiles,
    parts=lambda lab: lab.tile_parts,
    read=lambda lab, *key: lab.tiles(*key),
    write=lambda lab, *given: lab.write_tiles(*given),
)

TRIALS = Kind(
    "validate",
    SCORES,
    (),
    plan_scenes,
    score_batch,
    parts=lambda lab: lab.trial_parts,
    read=lambda lab, *key: lab.trials(*key),
    write=lambda lab, *given: lab.write_trials(*given),
)
