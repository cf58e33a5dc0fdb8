"""Sections that several pages share: what to doubt, and where the images are from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionlab.audit.cells import Cell, Column, Row, Table, number_cell, records, table_of
from fusionlab.audit.links import scene_url
from fusionlab.audit.sections import Section, Tabled

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

#: Labels shown as the least certain.
_LEAST = 10


def doubts_of(label: Mapping[str, Any]) -> str:
    """Return what should make one look at a label, in few words."""
    found = ["tie"] if label["tied"] else []
    found += [f"{label['decoy']} leads"] if label["decoy"] else []
    found += [f"chosen by {label['chosen_by']}"] if label["chosen_by"] != "policy" else []
    return ", ".join([*found, *filter(None, [label["flags"].replace(",", ", ")])])


def doubts(frames: Mapping[str, pd.DataFrame], labels: pd.DataFrame) -> list[Section]:
    """Return the sections on what should make one doubt: margins, decoys, guards, the truth."""
    decoys = labels[labels["decoy"] != ""] if len(labels) else labels
    counts = decoys["decoy"].value_counts().rename_axis("decoy").reset_index(name="scenes")
    return [
        Section(
            "Least certain labels",
            ["Look at these first."],
            tables=[Tabled(_least_certain(labels), "The labels with the smallest margins.")],
        ),
        Section(
            "Decoys",
            [
                "A decoy is no fused image: a copy of a source, the plain mean, the maximum. Where "
                "one would have won, the policy does not tell fusion from no fusion."
            ],
            tables=[
                Tabled(table_of(counts), f"Decoys that would have won, of {len(labels)} labels.")
            ],
        ),
        Section(
            "Guards",
            ["A guard keeps a candidate from being chosen, whatever its total."],
            tables=[Tabled(table_of(frames["guards"]), "Candidates that each guard turned away.")],
        ),
        Section(
            "Against the truth",
            ["PSNR in dB to the known truth, which the policy never saw."],
            tables=[
                Tabled(table_of(frames["truth"]), "The label, the mean, and the best candidate.")
            ],
        ),
    ]


def repairs(frames: Mapping[str, pd.DataFrame]) -> Section:
    """Return the section on what was repaired in the labels."""
    return Section(
        "Refined labels",
        [
            "Damage that the refiner found in labels, and the labels in which its repair was kept, "
            "for metrics that it did not look at gained by more than their noise."
        ],
        tables=[Tabled(table_of(frames["refinements"]), "Labels by kind of damage.")],
    )


def _least_certain(labels: pd.DataFrame) -> Table:
    """Return the labels with the smallest margins, each leading to its scene."""
    columns = [Column("data set"), Column("scene"), Column("label"), Column("runner-up")]
    columns += [Column("margin", True), Column("doubts")]
    rows = []
    for label in records(labels.sort_values("margin").head(_LEAST)):
        href = scene_url(label["task"], label["dataset"], label["scene"])
        cells = [Cell(label["dataset"]), Cell(label["scene"], href=href), Cell(label["method"])]
        cells += [Cell(label["runner_up"]), number_cell(label["margin"]), Cell(doubts_of(label))]
        rows.append(Row(cells))
    return Table(columns, rows)


def provenance(
    frames: Mapping[str, pd.DataFrame],
    *,
    rejected: pd.DataFrame | None = None,
    folded: bool = False,
) -> list[Section]:
    """Return the sections on where the images come from and what did not make it.

    Parameters
    ----------
    rejected : the rejects one by one, where they are to be shown.
    folded : whether the reader opens the tables.
    """
    counts = Tabled(table_of(frames["rejects"]), "Rejects by reason, with an example.", folded)
    singly = []
    if rejected is not None:
        title = f"The {len(rejected)} rejects one by one."
        singly = [Tabled(table_of(rejected), title, folded=True)]
    return [
        Section(
            "Fingerprints",
            ["What ingest found to have been done to the images."],
            tables=[
                Tabled(table_of(frames["fingerprints"]), "Images by flag.", folded),
                Tabled(table_of(frames["families"]), "Candidates that go together.", folded=True),
            ],
        ),
        Section(
            "Turned away",
            ["Inputs that did not make it, by stage and reason."],
            tables=[counts, *singly],
        ),
    ]
