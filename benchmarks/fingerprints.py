"""How often fingerprints are right, which families they find, and what they cost.

    python benchmarks/fingerprints.py DATA [--manifests FOLDER] [--every 4] [--json]

DATA holds data sets as ``<task>/<dataset>``. Real outputs are judged as they are; of every fourth,
doctored copies are made and judged too, where it does not have the flag as it is. "Found" is the
share of the copies that got the flag. "As found" is the share of all real outputs that have it;
some truly are stretched, soft or copies, so it is an upper bound of the false alarms.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np

from fusionlab.configs import load_yaml
from fusionlab.errors import ImageError
from fusionlab.images import decode, digest
from fusionlab.ingest.find import find
from fusionlab.ingest.manifest import Manifest
from fusionlab.ingest.tree import FileTree
from fusionlab.inspection.fingerprint import fingerprint
from fusionlab.inspection.kinship import Member, inspect
from fusionlab.inspection.scenes import near_duplicate_scenes, sketch
from fusionlab.inspection.statistics import measure


def jpeg(pixels, quality):
    """Compress and decompress."""
    bgr = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    back = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    return back[..., ::-1] if back.ndim == 3 else back


def stretch(pixels):
    """Spread levels to 0..255; None where that changes next to nothing."""
    low, high = int(pixels.min()), int(pixels.max())
    if high - low > 235 or high - low < 32:
        return None
    return np.rint((pixels.astype(float) - low) * (255 / (high - low))).astype(np.uint8)


def clip(pixels, gain):
    """Raise the contrast; None where less than 2 % more pixels end at either side."""
    clipped = np.clip((pixels.astype(float) - 128) * gain + 128, 0, 255).astype(np.uint8)
    ends = [((image == 0) | (image == 255)).mean() for image in (pixels, clipped)]
    return clipped if ends[1] - ends[0] > 0.02 else None


def through(pixels, scale):
    """Make it smaller by `scale` and large again."""
    height, width = pixels.shape[:2]
    small = cv2.resize(
        pixels, (int(width / scale), int(height / scale)), interpolation=cv2.INTER_AREA
    )
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def hue(pixels, degrees):
    """Turn the hues; None for gray."""
    if pixels.ndim == 2 or float(np.ptp(pixels.astype(int), axis=2).mean()) < 12:
        return None
    turned = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL)
    turned[..., 0] += np.uint8(round(degrees * 256 / 360))
    return cv2.cvtColor(turned, cv2.COLOR_HSV2RGB_FULL)


def tint(pixels, levels):
    """Shift red up and blue down; None for gray."""
    if pixels.ndim == 2:
        return None
    return np.clip(pixels.astype(int) + np.array([levels, 0, -levels]), 0, 255).astype(np.uint8)


def three(pixels):
    """Save gray as three channels that differ by rounding."""
    if pixels.ndim == 3:
        return None
    noise = np.random.default_rng(0).integers(-1, 2, (*pixels.shape, 3))
    return np.clip(pixels[..., None] + noise, 0, 255).astype(np.uint8)


DOCTORED = {
    "stretched": ("stretched", stretch),
    "clipped, gain 1.5": ("clipped", lambda p: clip(p, 1.5)),
    **{f"JPEG q{q}": ("jpeg_trace", lambda p, q=q: jpeg(p, q)) for q in (30, 50, 75, 90, 95)},
    "resized by 2": ("soft", lambda p: through(p, 2)),
    "resized by 1.5": ("soft", lambda p: through(p, 1.5)),
    "blurred, sigma 1": ("soft", lambda p: cv2.GaussianBlur(p, (0, 0), 1)),
    "hue turned 30 degrees": ("colour_cast", lambda p: hue(p, 30)),
    "hue turned 15 degrees": ("colour_cast", lambda p: hue(p, 15)),
    "tinted by 16": ("colour_cast", lambda p: tint(p, 16)),
    "tinted by 8": ("colour_cast", lambda p: tint(p, 8)),
    "gray in near-equal channels": ("near_gray", three),
}


def scenes(data, manifests):
    """Yield (data set, scene, sources, candidates), decoded, of one size a scene."""
    for path in sorted(manifests.glob("*.yaml")):
        manifest = load_yaml(path, Manifest)
        root = data / manifest.task / manifest.dataset
        for scene in find(manifest, FileTree(root)).scenes:
            images = {"source": {}, "method": {}, "reference": {}}
            for found in scene.files:
                try:
                    images[found.role][found.name] = decode((root / found.file).read_bytes())
                except ImageError:
                    continue
            sources = {m: images["source"][m] for m in manifest.sources if m in images["source"]}
            sizes = {image.pixels.shape[:2] for image in sources.values()}
            if len(sources) < 2 or len(sizes) > 1:
                continue
            size = sizes.pop()
            fits = {n: i for n, i in images["method"].items() if i.pixels.shape[:2] == size}
            yield manifest.dataset, scene.scene, sources, fits


def member(image):
    """Describe one decoded image."""
    return Member(measure(image.pixels), digest(image.pixels), image.file_format, image.notes)


def doctored(candidates, members, shots, every, counts):
    """Judge doctored copies of every n-th candidate; count [made, found]."""
    for number, (name, image) in enumerate(sorted(candidates.items())):
        if number % every:
            continue
        before = fingerprint(members[name].statistics, shots, file_format="PNG", notes=())
        for kind, (flag, make) in DOCTORED.items():
            copy = make(image.pixels) if image.pixels.dtype == np.uint8 else None
            if copy is None or flag in before:
                continue
            traced = flag == "jpeg_trace" and any(shot.jpeg >= 0.3 for shot in shots)
            after = fingerprint(
                measure(np.ascontiguousarray(copy)), shots, file_format="PNG", notes=()
            )
            counts[kind + ", so were the sources" * traced] += [1, flag in after]


def copies(sources, shots, known, members, candidates, counts):
    """Judge the sources themselves, compressed, as candidates, and a candidate under two names."""
    for name in sorted(candidates)[:1]:
        for quality in (75, 90, 95):
            pixels = np.ascontiguousarray(jpeg(candidates[name].pixels, quality))
            twin = Member(measure(pixels), digest(pixels), "JPEG", ())
            found = inspect(known, {**members, "renamed": twin})["renamed"]
            hit = [1, bool({"near_duplicate", "identical"} & set(found.flags))]
            counts[f"candidate copied, JPEG q{quality}"] += hit
    for image in sources.values():
        for quality in (50, 75, 95):
            copy = measure(np.ascontiguousarray(jpeg(image.pixels, quality)))
            flags = fingerprint(copy, shots, file_format="JPEG", notes=())
            counts[f"source copied, JPEG q{quality}"] += [1, "source_copy" in flags]


def cost():
    """Return milliseconds for a made-up 640 x 480 image: describing, and decoding it as PNG."""
    rng = np.random.default_rng(0)
    colour = cv2.GaussianBlur(rng.integers(0, 256, (480, 640, 3), dtype=np.uint8), (0, 0), 2)
    found = {}
    for name, pixels in (("rgb", colour), ("gray", colour[..., 0].copy())):
        data = cv2.imencode(".png", pixels)[1].tobytes()
        for what, run in (("measure", lambda p=pixels: measure(p)),
                          ("decode", lambda d=data: decode(d))):  # fmt: skip
            times = []
            for _ in range(20):
                start = time.perf_counter()
                run()
                times.append(time.perf_counter() - start)
            found[f"{what} {name}"] = round(min(times) * 1e3, 2)
    return found


def figures(data, manifests, every):
    """Return all figures."""
    counts = defaultdict(lambda: np.zeros(2, dtype=int))
    flagged, families, twins, sketches = defaultdict(Counter), {}, {}, defaultdict(dict)
    judged, spent = Counter(), 0.0
    for dataset, scene, sources, candidates in scenes(data, manifests):
        known = {name: member(image) for name, image in sources.items()}
        members = {name: member(image) for name, image in candidates.items()}
        shots = [m.statistics for m in known.values()]
        start = time.perf_counter()
        findings = inspect(known, members)
        spent += time.perf_counter() - start
        judged[dataset] += len(members)
        groups = defaultdict(list)
        for name, finding in findings.items():
            flagged[dataset].update(finding.flags)
            groups[finding.family].append(name)
            if finding.twin:
                twins.setdefault(dataset, []).append(f"{scene}: {name} = {finding.twin}")
        groups.pop("", None)
        per = families.setdefault(dataset, Counter())
        per.update(" ".join(sorted(group)) for group in groups.values())
        drawn = sketch(*shots[:2])
        if drawn is not None:
            sketches[dataset][scene] = drawn
        doctored(candidates, members, shots, every, counts)
        copies(sources, shots, known, members, candidates, counts)
    total = sum(judged.values())
    natural = sum(flagged.values(), Counter())
    return {
        "outputs": total,
        "doctored": {kind: [int(n), found / n] for kind, (n, found) in counts.items()},
        "as_found": {flag: count / total for flag, count in natural.most_common()},
        "flags": {d: dict(flagged[d]) | {"outputs": judged[d]} for d in judged},
        "families": {dataset: dict(found) for dataset, found in families.items() if found},
        "twins": twins,
        "scenes": {d: near_duplicate_scenes(found) for d, found in sketches.items()},
        "ms": {**cost(), "kinship and flags, a candidate": round(spent / total * 1e3, 2)},
    }  # fmt: skip


def show(found):
    """Print the figures for people."""
    print(f"{found['outputs']} real outputs\n\n{'doctored':36} copies  found")
    for kind, (count, hits) in found["doctored"].items():
        print(f"{kind:36} {count:6} {hits:6.1%}")
    print("\nas found:", ", ".join(f"{k} {v:.1%}" for k, v in found["as_found"].items()))
    for title in ("flags", "families", "twins", "scenes"):
        print(f"\n{title}")
        for dataset, content in found[title].items():
            print(f"  {dataset}: {content}")
    print("\nmilliseconds:", found["ms"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--manifests", type=Path, default=Path(__file__).parent / "manifests")
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    found = figures(options.data, options.manifests, options.every)
    print(json.dumps(found)) if options.json else show(found)


if __name__ == "__main__":
    main()
