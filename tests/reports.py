"""A small lab with everything that is hard on a report."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from helpers import fuse, sources, write_image

from fusionlab.audit import write_report
from fusionlab.audit.report import HtmlReport
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import Policy, select

#: Names that would break a page, a link, a path or Plotly's mark-up if they were not escaped.
ODD = "<script>alert(1)<&'\"%23#?é"
ODD_METHOD = "<b onclick='x'>&amp;{{7*7}}"
SIZES = {"big": (420, 460), "toy": (48, 57)}
METHODS = ("mean", "noisy", ODD_METHOD)

WEIGHTS = {"ivf": {"SSIM": 1.0, "EN": 0.5}, "mff": {"SSIM": 1.0}}


@pytest.fixture(scope="session")
def odd_lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Three data sets: odd names and a scene without candidates, 16 bits, one lone candidate."""
    folder = tmp_path_factory.mktemp("report")
    made = Lab.create(folder / "lab")
    for i, scene in enumerate(["s1", ODD, "bare", "large"]):
        a, b = sources(i, *SIZES["big" if scene == "large" else "toy"])
        images = {"ir": a, "vis": np.stack([b, b // 2, b], axis=2)}
        images |= {
            f"out/{m}": fuse("noisy" if m == "noisy" else "mean", a, b) // (1 + j)
            for j, m in enumerate(METHODS)
            if scene != "bare"
        }
        for name, pixels in images.items():
            write_image(folder / "odd" / name / f"{scene}.png", pixels)
    a, b = sources(9)
    for name, pixels in {"near": a, "far": b, "out/mean": fuse("mean", a, b)}.items():
        write_image(folder / "deep" / name / "one.png", pixels.astype(np.uint16) * 257)
    for name, (task, first, second) in {
        "odd": ("ivf", "ir", "vis"),
        "deep": ("mff", "near", "far"),
    }.items():
        manifest = folder / f"{name}.yaml"
        manifest.write_text(
            f"task: {task}\ndataset: {name}\nroot: {name}\n"
            f"sources:\n  {first}: {first}/{{scene}}.*\n  {second}: {second}/{{scene}}.*\n"
            "candidates: out/{method}/{scene}.*\n"
        )
        ingest(*load_manifest(manifest), made)
    score(made)
    select(made, Policy(name="p", version=1, weights=WEIGHTS), "first")
    return made


@pytest.fixture(scope="session")
def written(odd_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, HtmlReport]:
    """The report of that lab; tests must leave it as it is."""
    out = tmp_path_factory.mktemp("written") / "out"
    return out, write_report(odd_lab, out)


class Links(HTMLParser):
    """Everything that a page refers to, and the text and tags that it holds."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "data-full", "data-plotly", "srcset", "action", "poster"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        self.text += data

    def files(self, page: Path) -> list[Path]:
        """Return the files that the addresses lead to, without those within the page."""
        kept = [a for a in self.addresses if not a.startswith(("#", "data:,"))]
        return [(page.parent / unquote(a.partition("#")[0])).resolve() for a in kept]
