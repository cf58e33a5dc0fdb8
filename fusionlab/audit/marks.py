"""What ingest found out about the images: their fingerprints, and who goes together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from fusionlab.flags import split_flags
from fusionlab.lab import Lab

if TYPE_CHECKING:
    from pathlib import Path

_DATASET = ["task", "dataset"]


def fingerprints(lab: Lab | Path | str = "lab") -> pd.DataFrame:
    """Return how many images of each data set have which flag.

    Columns ``task, dataset, role, flag, count, share, examples``: the share is of the data set's
    images of that role; examples are the methods (or modalities) that have it most often.
    """
    index = _index(lab)
    totals = index.groupby([*_DATASET, "role"]).size().rename("total")
    flagged = index.assign(flag=index["flags"].map(split_flags)).explode("flag")
    grouped = flagged.dropna(subset="flag").groupby([*_DATASET, "role", "flag"])
    frame = grouped["name"].agg(count="size", examples=commonest).reset_index()
    frame = frame.merge(totals.reset_index(), on=[*_DATASET, "role"])
    frame["share"] = frame["count"] / frame["total"]
    frame = frame[[*_DATASET, "role", "flag", "count", "share", "examples"]]
    return frame.sort_values(
        [*_DATASET, "role", "count", "flag"],
        ascending=[True, True, True, False, True],
        ignore_index=True,
    )


def families(lab: Lab | Path | str = "lab") -> pd.DataFrame:
    """Return which candidates were found to go together, and in how many scenes.

    Columns ``task, dataset, members, size, scenes``.
    """
    index = _index(lab)
    members = index[(index["role"] == "method") & (index["family"] != "")]
    grouped = members.groupby([*_DATASET, "scene", "family"])["name"]
    frame = grouped.agg(members=lambda names: " ".join(sorted(names)), size="size").reset_index()
    counted = frame.groupby([*_DATASET, "members", "size"])["scene"].nunique()
    frame = counted.rename("scenes").reset_index()
    return frame.sort_values(
        [*_DATASET, "scenes", "members"], ascending=[True, True, False, True], ignore_index=True
    )


def _index(lab: Lab | Path | str) -> pd.DataFrame:
    opened = Lab.of(lab)
    columns = [*_DATASET, "scene", "role", "name", "flags", "family"]
    frames = [opened.index(*key)[columns] for key in opened.datasets()]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def commonest(names: pd.Series) -> str:
    """Return the three names that occur most often."""
    counts = names.value_counts().rename_axis("name").reset_index(name="count")
    ordered = counts.sort_values(["count", "name"], ascending=[False, True])
    return " ".join(ordered["name"].head(3))
