"""Matching by content, alignment and registration on real data: what is told, and what is not.

    python benchmarks/matching.py [--data ../shared/data] [--train ../shared/train] [--json]

Expects ``TASK/DATASET/{sources,methods,reference}/...`` and a ``MANIFEST.csv`` whose ``note`` says
``true scene is N`` where a file's name lies; it is read to judge the answers, never to find them.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from registering import registration

from fusionlab import baselines
from fusionlab.images import luminance, opaque_box
from fusionlab.inspection.align import recognise
from fusionlab.inspection.compare import compare
from fusionlab.inspection.likeness import Descriptor, describe
from fusionlab.inspection.match import SceneFinder, fit

TRUE = "true scene is "


@dataclass
class Candidate:
    method: str
    scene: str
    true: str
    gray: np.ndarray


@dataclass
class Dataset:
    sources: dict[str, dict[str, np.ndarray]] = field(default_factory=lambda: defaultdict(dict))
    candidates: list[Candidate] = field(default_factory=list)
    reference: dict[str, np.ndarray] = field(default_factory=dict)

    def descriptors(self) -> dict[str, Descriptor]:
        return {name: describe(list(s.values())) for name, s in self.sources.items()}


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        if image.mode == "RGBA":
            rgba = np.asarray(image)
            y, x, h, w = opaque_box(rgba[..., 3] == 255) or (0, 0, *rgba.shape[:2])
            return luminance(np.ascontiguousarray(rgba[y : y + h, x : x + w, :3]))
        return luminance(np.asarray(image if image.mode == "L" else image.convert("RGB")))


def load(root: Path) -> dict[str, Dataset]:
    """Sources (two shots of an exposure sequence) and candidates of every data set."""
    found: dict[str, Dataset] = defaultdict(Dataset)
    for row in csv.DictReader((root / "MANIFEST.csv").open()):
        if row["dataset"] == "mefb_asfound" or row["modality_or_method"] == "mid":
            continue
        data, stem = found[f"{row['task']}/{row['dataset']}"], Path(row["file_name"]).stem
        gray = read(root / row["file"])
        if row["role"] == "sources":
            scene = stem[:-2] if row["dataset"] in ("mffw", "mfi_whu") else stem
            data.sources[scene][row["modality_or_method"]] = gray
        elif row["role"] == "reference":
            data.reference[stem] = gray
        else:
            true = row["note"].removeprefix(TRUE) if row["note"].startswith(TRUE) else ""
            data.candidates.append(Candidate(row["modality_or_method"], stem, true, gray))
    for data in found.values():
        for c in data.candidates:
            known = [s for s in data.sources if c.scene == s or c.scene.startswith(f"{s}_")]
            c.scene = max(known, key=len, default=c.scene)
            c.true = c.true or c.scene
    return found


def shuffled(data: Dataset) -> list[tuple[Candidate, str]]:
    """Each candidate under the name of the scene after its own."""
    names = sorted(data.sources)
    after = dict(zip(names, names[1:] + names[:1], strict=True))
    return [(c, after[c.true]) for c in data.candidates if c.true in after]


def judge(finder: SceneFinder, named: list[tuple[Candidate, str]]) -> dict[str, object]:
    """Precision and recall of `own` against all else; the right scene named; right assignments."""
    alarms = wrong = caught = named_right = assigned = wrongly = told = 0
    margins, fits, ms = [], [], []
    for c, name in named:
        thumb = describe([c.gray])
        start = time.perf_counter()
        found = finder.explain(thumb, name)
        ms.append(1e3 * (time.perf_counter() - start))
        alarm = found.verdict in ("other", "none")
        is_wrong = name != c.true or name not in finder
        alarms, wrong = alarms + alarm, wrong + is_wrong
        caught += alarm and is_wrong
        named_right += found.verdict == "other" and found.best_scene == c.true
        told += is_wrong and c.true in finder
        scene = finder.assign(thumb)
        assigned, wrongly = assigned + (scene == c.true), wrongly + (scene not in (None, c.true))
        if not is_wrong:
            fits.append(found.own_fit)
            margins.append(found.own_fit - found.best_fit)
    row: dict[str, object] = {"candidates": len(named), "wrong": wrong, "alarms": alarms}
    row |= {"caught": caught, "false alarms": alarms - caught}
    row |= {"scene named": f"{named_right}/{told}", "assigned": assigned, "wrongly": wrongly}
    row |= {"least own fit": round(min(fits, default=float("nan")), 3)}
    return row | {"ms": round(float(np.median(ms)), 1)} if ms else row


def matching(found: dict[str, Dataset]) -> dict[str, dict[str, object]]:
    rows = {}
    for name, data in found.items():
        if data.candidates:
            finder = SceneFinder(data.descriptors().items())
            rows[name] = judge(finder, [(c, c.scene) for c in data.candidates])
            if len(data.sources) > 1:
                rows[f"{name}, shuffled"] = judge(finder, shuffled(data))
    asfound, others = found.get("ivf/roadscene_asfound"), found.get("ivf/roadscene")
    if asfound and others:
        joined = SceneFinder((asfound.descriptors() | others.descriptors()).items())
        named = [(c, c.scene) for c in asfound.candidates]
        rows["ivf/roadscene_asfound, 6 scenes"] = judge(joined, named)
    return rows


def alignment(found: dict[str, Dataset]) -> dict[str, dict[str, object]]:
    """Real differences of size, and candidates cut, padded and resized at will.

    ``right`` counts rule and region, ``scene confirmed`` what matching lets through to alignment.
    """
    rows: dict[str, dict[str, object]] = {}
    made: dict[str, list[bool]] = defaultdict(list)
    kept: dict[str, int] = defaultdict(int)
    ms = []
    for name, data in found.items():
        finder = SceneFinder(data.descriptors().items())
        for i, c in enumerate(data.candidates):
            sources = list(data.sources.get(c.scene, {}).values())
            if not sources or c.scene != c.true:
                continue
            size = max(s.shape for s in sources)
            if c.gray.shape != size:
                seen = recognise(c.gray, sources)
                rows[f"{name}/{c.method}/{c.scene}"] = {
                    "rule": seen.rule if seen else "not recognised",
                    "detail": seen.detail if seen else "",
                }
            elif i % 4 == 0 and all(s.shape == size for s in sources):
                for case, image, wanted in variants(c.gray):
                    start = time.perf_counter()
                    seen = recognise(image, sources)
                    ms.append(1e3 * (time.perf_counter() - start))
                    made[case].append(seen is not None and (seen.rule, seen.region) == wanted)
                    told, _ = compare(
                        image, sources, describe(sources), c.scene, lambda f=finder: f
                    )
                    kept[case] += not told.is_misfit
    for case, right in made.items():
        row = {"images": len(right), "right": sum(right), "scene confirmed": kept[case]}
        rows[f"made: {case}"] = row
    return rows | {"cost": {"ms": round(float(np.median(ms)), 1)}}


def variants(gray: np.ndarray):
    """(what was done, the image, the rule and region that are right)."""
    h, w = gray.shape
    whole = (0, 0, h, w)
    eights = (0, 0, (h - 1) // 8 * 8, (w - 1) // 8 * 8)
    half = (h // 4, w // 4, h // 2, w // 2)
    few = "off_by" if h - eights[2] <= 2 and w - eights[3] <= 2 else "crop"
    yield "cut to a multiple of 8", gray[: eights[2], : eights[3]], (few, eights)
    yield "one pixel off", gray[1:, 1:], ("off_by", (1, 1, h - 1, w - 1))
    yield "middle half", gray[h // 4 : h // 4 + h // 2, w // 4 : w // 4 + w // 2], ("crop", half)
    for share in (0.95, 0.9):
        a, b = int(share * h), int(share * w)
        y, x = (h - a) // 2, (w - b) // 2
        yield f"middle {share:.0%}", gray[y : y + a, x : x + b], ("crop", (y, x, a, b))
        yield f"top left {share:.0%}", gray[:a, :b], ("crop", (0, 0, a, b))
        yield f"bottom right {share:.0%}", gray[h - a :, w - b :], ("crop", (h - a, w - b, a, b))
    yield "padded by 16", np.pad(gray, 16, mode="reflect"), ("cut", whole)
    yield "padded by 5", np.pad(gray, 5, mode="reflect"), ("cut", whole)
    double = cv2.resize(gray, (2 * w, 2 * h), interpolation=cv2.INTER_CUBIC)
    yield "enlarged by 2", double, ("resize", whole)
    small = cv2.resize(gray, (w // 2, h // 2), interpolation=cv2.INTER_AREA)
    yield "reduced by 2", small, ("resize", (0, 0, h // 2 * 2, w // 2 * 2))
    odd = cv2.resize(gray, (int(0.7 * w), int(0.7 * h)), interpolation=cv2.INTER_AREA)
    yield "reduced to 0.7", odd, ("resized", whole)


def made(root: Path) -> dict[str, Dataset]:
    """Other registered pairs, ``TASK/DATASET/MODALITY/SCENE.*``, and four fusions of each."""
    found: dict[str, Dataset] = defaultdict(Dataset)
    for folder in sorted(p for p in root.glob("*/*/*") if p.is_dir() and p.name != "reference"):
        data = found["/".join(folder.parts[-3:-1])]
        for file in sorted(folder.iterdir()):
            data.sources[file.stem][folder.name] = read(file)
    rng = np.random.default_rng(0)
    for data in found.values():
        for scene, sources in data.sources.items():
            pair = list(sources.values())
            mean = np.mean(pair, axis=0)
            tone = 255 * (mean / 255) ** 0.4 + rng.normal(0, 10, mean.shape)
            laplacian = baselines.apply("laplacian", "ivf", pair)
            fused = {"mean": mean, "max": np.max(pair, axis=0), "tone": tone, "lap": laplacian}
            for method, image in fused.items():
                gray = np.clip(np.rint(image), 0, 255).astype(np.uint8)
                data.candidates.append(Candidate(method, scene, scene, gray))
    return found


def show(title: str, rows: dict[str, dict[str, object]]) -> None:
    print(f"\n{title}")
    for name, row in rows.items():
        print(f"  {name:44s} " + "  ".join(f"{k} {v}" for k, v in row.items()))


def costs(found: dict[str, Dataset]) -> dict[str, dict[str, object]]:
    sample = next(c for d in found.values() for c in d.candidates if c.scene in d.sources)
    big = cv2.resize(sample.gray, (640, 480))
    runs = {"describe, one image": lambda: describe([big]), "fit": lambda: fit(big, [big, big])}
    rows: dict[str, dict[str, object]] = {}
    for name, run in runs.items():
        times = []
        for _ in range(20):
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
        rows[f"{name}, 640 x 480"] = {"ms": round(min(times), 2)}
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=shared)
    parser.add_argument("--train", type=Path, help="other pairs, to check the calibration on")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = load(options.data)
    tables = {
        "Matching": matching(found),
        "Alignment": alignment(found),
        "Registration": registration(found),
        "Cost": costs(found),
    }
    if options.train:
        others = made(options.train)
        tables["Matching, other pairs"] = matching(others)
        tables["Registration, other pairs"] = registration(others)
    if options.json:
        print(json.dumps(tables))
        return
    for title, rows in tables.items():
        show(title, rows)


if __name__ == "__main__":
    main()
