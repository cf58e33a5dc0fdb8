"""Write a report on a synthetic lab and open it in a headless browser; print times and sizes.

    python benchmarks/report.py [--scenes 1000] [--methods 20] [--folder KEPT]

The pixels are noise of 96 x 128 and the scores are drawn, for neither changes how many pages, rows
and files there are. Without --folder everything is removed at the end.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from fusionlab import __version__, metrics
from fusionlab.audit import write_report
from fusionlab.decoys import DECOYS
from fusionlab.images import digest
from fusionlab.lab import Lab
from fusionlab.schemas import INDEX, SCORES
from fusionlab.scoring.plan import digest_of_sources
from fusionlab.selection import load_policy, select
from fusionlab.store import Address, bucket_name

METRICS = ("EN", "SD", "SSIM", "Qabf", "VIF")
SIZE = (96, 128)


def synthetic_lab(folder: Path, scenes: int, methods: int) -> Lab:
    """Write images and drawn scores straight into a lab."""
    lab = Lab.create(folder)
    rng = np.random.default_rng(0)
    names = [f"scene{i:05d}" for i in range(scenes)]
    arrays = [("source", "ir", 0), ("source", "vis", 1)]
    arrays += [("method", f"Method{m:02d}", -1) for m in range(methods)]
    rows = []
    with lab.writing(pixels=True):
        bucket = f"ivf/synthetic/{SIZE[0]}x{SIZE[1]}x1-uint8"
        lab.images.grow(
            bucket, names, [f"{role}/{name}" for role, name, _ in arrays], SIZE, "uint8"
        )
        for row, scene in enumerate(names):
            base = rng.integers(0, 200, SIZE, dtype=np.uint8)
            for at, (role, name, position) in enumerate(arrays):
                pixels = (base + at).astype(np.uint8)
                lab.images.write(Address(bucket, f"{role}/{name}", row), pixels)
                rows.append(_entry(scene, role, name, position, row, pixels))
        lab.write_index("ivf", "synthetic", pd.DataFrame(rows)[INDEX.columns.names])
        lab.write_scores("ivf", "synthetic", _scores(pd.DataFrame(rows), rng))
    return lab


def _entry(scene: str, role: str, name: str, position: int, row: int, pixels: np.ndarray) -> dict:
    texts = dict.fromkeys(INDEX.columns.names, "")
    return {
        **texts,
        "task": "ivf", "dataset": "synthetic", "scene": scene, "role": role, "name": name,
        "position": position, "height": SIZE[0], "width": SIZE[1], "channels": 1,
        "dtype": "uint8", "bucket": bucket_name(pixels), "row": row, "digest": digest(pixels),
        "file": f"{name}/{scene}.png", "fit": 0.9, "shift": 0.0,
    }  # fmt: skip


def _scores(index: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    sources = index[index["role"] == "source"].groupby("scene")["digest"].agg(list)
    whole = sources.map(lambda digests: digest_of_sources(digests, ""))
    real = index.loc[index["role"] == "method", ["scene", "name", "digest"]]
    decoys = pd.DataFrame(
        [(scene, decoy, decoy) for scene in whole.index for decoy in DECOYS], columns=real.columns
    )
    rows = pd.concat([real, decoys]).merge(pd.DataFrame({"metric": METRICS}), how="cross")
    rows["value"] = rng.normal(size=len(rows)) + 0.1 * rows["name"].str[-1:].map(ord)
    rows["metric_version"] = rows["metric"].map({m: metrics.get(m).version for m in METRICS})
    rows["sources_digest"] = rows["scene"].map(whole)
    rows["task"], rows["dataset"] = "ivf", "synthetic"
    rows = rows.rename(columns={"name": "method", "digest": "candidate_digest"})
    return rows[SCORES.columns.names]


def open_in_browser(out: Path) -> None:
    """Print, for each kind of page, when it could be used and when all in sight was drawn."""
    from playwright.sync_api import sync_playwright

    kinds = {"overview": "index.html", "all scenes": "scenes.html", "task": "task/ivf.html"}
    kinds["data set"] = str(next(out.glob("data/*.html")).relative_to(out))
    kinds["scene"] = str(sorted(out.glob("scenes/*/*.html"))[0].relative_to(out))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for kind, name in kinds.items():
            times = [_load(browser, (out / name).as_uri()) for _ in range(3)]
            size = (out / name).stat().st_size / 1e3
            usable, drawn = (1e3 * min(column) for column in zip(*times, strict=True))
            print(f"{kind:12} {size:8.0f} kB   usable {usable:6.0f} ms   drawn {drawn:6.0f} ms")
        browser.close()


def _load(browser, address: str) -> tuple[float, float]:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    start = time.perf_counter()
    page.goto(address, wait_until="load")
    usable = time.perf_counter() - start
    page.wait_for_function(
        "[...document.querySelectorAll('.figure')].every((f) => f.dataset.drawn === 'done' ||"
        " f.getBoundingClientRect().top > innerHeight)"
    )
    drawn = time.perf_counter() - start
    page.close()
    return usable, drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--methods", type=int, default=20)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp())
    lab = synthetic_lab(folder / "lab", asked.scenes, asked.methods)
    select(lab, load_policy("fusionfm"), "synthetic")
    print(f"fusionlab {__version__}: {asked.scenes} scenes, {asked.methods} methods")
    for run in ("first run", "second run"):
        report = write_report(lab, folder / "out", "synthetic")
        print(
            f"{run}: {report.seconds:.1f} s, {report.pages} pages, {report.pictures} pictures, "
            f"{report.bytes / 1e6:.1f} MB, {report.written} files written"
        )
    open_in_browser(folder / "out")
    if asked.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
