"""The whole curation on the embedded scenes: what `fusionlab demo` and `make demo` run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusionlab import audit, terminal
from fusionlab.demo.scenes import write_demo
from fusionlab.demo.sheet import write_sheet
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from fusionlab.paths import Place

LABELS = "demo"
POLICY = "robust"


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Attributes
    ----------
    images, lab, labels, sheet : where it is.
    frames : the frames of the audit.
    """

    images: Path
    lab: Place
    labels: Place
    sheet: Path
    frames: dict[str, pd.DataFrame]
    seconds: float

    def against_truth(self) -> pd.DataFrame:
        """Return, by task, the mean PSNR (dB) of the labels, the plain mean and the best choice."""
        columns = ["mean", "chosen", "best", "regret"]
        frame = self.frames["truth"].groupby("task", sort=False)[columns].mean()
        frame.loc["all"] = self.frames["truth"][columns].mean()
        return frame.reset_index()

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "images": str(self.images),
            "lab": str(self.lab),
            "labels": str(self.labels),
            "sheet": str(self.sheet),
            "against_truth": terminal.records(self.against_truth()),
            **{name: terminal.records(frame) for name, frame in self.frames.items()},
            "seconds": self.seconds,
        }

    def show(self) -> None:
        """Print what was made, where, and how near the labels are to the truth."""
        wins = self.frames["wins"]
        terminal.print_frame("Wins by task and method", wins[wins["wins"] > 0])
        terminal.print_frame("Decoys that would have won", self.frames["decoys"])
        terminal.print_frame(
            "PSNR (dB) to the known truth: plain mean, chosen labels, best candidate",
            self.against_truth(),
        )
        if len(self.frames["rejects"]):
            terminal.print_frame("Turned away", self.frames["rejects"])
        terminal.print_facts(
            [
                ("images and manifests", self.images),
                ("lab", self.lab),
                ("labels manifest", self.labels),
                ("labels beside the truth", self.sheet),
                ("took", f"{self.seconds:.1f} s"),
                ("look closer", f"fusionlab why portrait --lab {self.lab} --labels {LABELS}"),
                ("in pandas", f"pandas.read_parquet({str(self.labels)!r})"),
            ]
        )


def run_demo(folder: Path, on_progress: Callable[[int, int], None]) -> DemoResult:
    """Write the demo scenes under `folder`, curate them, and compare the labels with the truth.

    Parameters
    ----------
    folder : gets ``images/``, ``lab/`` and ``labels.png``; a second run reuses what is there.
    on_progress : called with (stages done, stages in all).
    """
    start = time.monotonic()
    stages = 5
    manifests = write_demo(folder / "images")
    on_progress(1, stages)
    lab = Lab.create(folder / "lab")
    for manifest in manifests:
        ingest(*load_manifest(manifest), lab)
    on_progress(2, stages)
    score(lab)
    on_progress(3, stages)
    select(lab, load_policy(POLICY), LABELS)
    on_progress(4, stages)
    sheet = write_sheet(lab, LABELS, folder / "labels.png")
    frames = audit.all_frames(lab, LABELS)
    on_progress(stages, stages)
    seconds = round(time.monotonic() - start, 1)
    return DemoResult(folder / "images", lab.path, lab.labels_path(LABELS), sheet, frames, seconds)
