"""What a run of mosaics leaves in the lab besides pixels and scores: tile rows and labels."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.mosaic.gate import Verdict
    from fusionlab.mosaic.propose import Proposal


def mosaic_name(name: str) -> str:
    """Return what the mosaics of the labels manifest `name` are called as candidates."""
    return f"mosaic({name})"


def tile_rows(
    proposal: Proposal, key: tuple[str, str], index: pd.DataFrame, name: str
) -> list[dict[str, Any]]:
    """Return the rows of the table of mosaics for one scene."""
    mine = index[(index["scene"] == proposal.scene) & (index["role"] == "method")]
    digests = mine.set_index("name")["digest"]
    parts = zip(
        proposal.tiles, proposal.methods, proposal.totals, proposal.whole_totals, strict=True
    )
    return [
        {
            "task": key[0],
            "dataset": key[1],
            "scene": proposal.scene,
            "name": mosaic_name(name),
            "tile": str(tile),
            "method": method,
            "total": total,
            "whole_total": whole,
            "digest_candidate": digests[method],
        }
        for tile, method, total, whole in parts
    ]


def relabel(
    manifest: pd.DataFrame,
    key: tuple[str, str],
    made: Sequence[tuple[Proposal, Verdict, str]],
    name: str,
) -> pd.DataFrame:
    """Return a labels manifest in which mosaics replace the labels of their scenes."""
    changed = manifest.copy()
    first = (changed["task"] == key[0]) & (changed["dataset"] == key[1]) & (changed["place"] == 1)
    row_of = pd.Series(changed.index[first], index=changed.loc[first, "scene"])
    for proposal, verdict, digest in made:
        row = row_of[proposal.scene]
        for column, value in _columns(proposal, verdict, name).items():
            changed.loc[row, column] = value
        changed.loc[row, "digest_candidate"] = digest
    return changed


def _columns(proposal: Proposal, verdict: Verdict, name: str) -> dict[str, Any]:
    """Return what the label of a mosaic says, but for its digest."""
    counts = Counter(proposal.methods).most_common()
    shown = ", ".join(f"{method} {count}" for method, count in counts)
    lead = verdict.ranked["total"] - verdict.best_total
    unknown = ("stability", "stability_weights", "stability_metrics", "stability_tiles")
    return {
        "method": mosaic_name(name),
        **verdict.ranked,
        "margin": lead,
        "runner_up": proposal.best,
        "tied": lead == 0,
        "flags": "mosaic",
        "family": "",
        **dict.fromkeys(unknown, np.nan),
        "chosen_by": "mosaic",
        "because": f"tiles: {shown}; {verdict.detail}",
        "policy_method": proposal.best,
    }
