r"""Multi-focus scenes whose perfect fusion is known, and candidates of known quality for them.

A scene comes from a pair that has its truth, or from a photograph T that is sharp everywhere:

.. math:: A = M T + (1 - M) (d_r * T), \quad B = (1 - M) T + M (d_r * T)

M: a soft mask of random blobs, d_r: a disc of r pixels. The candidates are what some methods make
of it, and good fusions that one defect was planted in, in a grade from hardly seen to plain: what
is best is then not always the same method, and how much worse the others are is known.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.colour import to_uint8
from fusionlab.demo.parts import DemoScene, blur, defocus, mix
from fusionlab.demo.scenes import fuse_all, write_manifest, write_scene
from fusionlab.errors import UsageError
from fusionlab.images import SUFFIXES, read_image
from fusionlab.validation.planting import DEFECTS, blobs, plant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from fusionlab.colour import Image, Plane

TASK = "mff"

#: Good fusions that defects are planted in; ``map`` takes each place from the truly sharp source.
_BASES = ("map", "map", "focus_map", "gff", "laplacian", "wavelet")

#: Share of the scenes in which the fusion by the true map is offered: else it were always best.
_MAP_OFFERED = 0.3

#: Spread, in pixels, of the errors that the true map is judged by, and of its edge.
_NEARBY, _EDGE = 3.0, 1.5


def pairs_with_truth(
    folder: Path, a: str = "A", b: str = "B", truth: str = "reference"
) -> Iterator[DemoScene]:
    """Yield the scenes of ``folder/{A,B,reference}/NAME.*``, sorted by name.

    Raises
    ------
    UsageError
        When a folder is missing, or a pair has no truth of its size.
    """
    files = {name: _images(folder / name) for name in (a, b, truth)}
    for scene in sorted(files[a].keys() & files[b].keys()):
        if scene not in files[truth]:
            raise UsageError(f"{folder / truth}: has no image {scene!r}; a pair needs its truth")
        near, far, whole = (_read(files[name][scene]) for name in (a, b, truth))
        if not near.shape[:2] == far.shape[:2] == whole.shape[:2]:
            raise UsageError(f"{folder}: the images of {scene!r} differ in size")
        yield DemoScene(TASK, scene, {"A": near, "B": far}, whole)


def blurred_photographs(
    folder: Path, radii: tuple[float, float] = (2.0, 5.0)
) -> Iterator[DemoScene]:
    """Yield one scene a photograph of `folder`, sorted by name; the same pixels at every call.

    Parameters
    ----------
    radii : least and greatest radius of the blur, in pixels.

    Raises
    ------
    UsageError
        When there is no such folder.
    """
    for scene, file in sorted(_images(folder).items()):
        photograph = _read(file)
        sharp, rng = photograph.astype(np.float64), _random(scene)
        mask = blobs(photograph.shape[:2], 0.5, rng)
        soft = defocus(sharp, rng.uniform(*radii))
        near, far = to_uint8(mix(mask, sharp, soft)), to_uint8(mix(mask, soft, sharp))
        yield DemoScene(TASK, scene, {"A": near, "B": far}, photograph)


def candidates(scene: DemoScene) -> dict[str, Image]:
    """Return some 12 candidates of a scene by name, the same at every call.

    What the demo's methods make; of each defect of `DEFECTS` one grade, planted in a good fusion:
    ``noisy_2`` is the second grade; and in some scenes ``map``, the fusion by the true map.
    """
    rng, made = _random(scene.name), fuse_all(scene)
    good = {"map": _by_true_map(scene), **made}
    other = scene.sources["A"], scene.sources["B"]
    for defect in DEFECTS.values():
        base = good[_BASES[rng.integers(len(_BASES))]].astype(np.float64)
        grade = int(rng.integers(len(defect.grades)))
        name = f"{defect.name}_{grade + 1}"
        made[name] = to_uint8(plant(base, defect, grade, other, rng))
    if rng.random() < _MAP_OFFERED:
        made["map"] = good["map"]
    return made


def write_simulation(scenes: Iterable[DemoScene], root: Path, dataset: str) -> Path:
    """Write scenes and their candidates under ``root/DATASET``; return the manifest for ingest."""
    written = []
    for scene in scenes:
        write_scene(scene, candidates(scene), root / dataset)
        written.append(scene)
    return write_manifest(root / f"{dataset}.yaml", TASK, dataset, written)


def _by_true_map(scene: DemoScene) -> Image:
    """Return each place from the source that is nearer to the truth there."""
    truth = _gray(scene.reference)
    errors = [blur(np.abs(_gray(s) - truth), _NEARBY) for s in scene.sources.values()]
    mask = blur((errors[0] < errors[1]).astype(np.float64), _EDGE)
    a, b = (source.astype(np.float64) for source in scene.sources.values())
    return to_uint8(mix(mask, a, b))


def _gray(image: Image) -> Plane:
    values: Plane = image.astype(np.float64)
    return values if values.ndim == 2 else np.asarray(values.mean(axis=2))


def _images(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder of images")
    return {file.stem: file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES}


def _read(file: Path) -> Image:
    pixels = read_image(file)
    if pixels.dtype != np.uint8:
        raise UsageError(f"{file}: got {pixels.dtype}, expected 8 bit")
    return np.asarray(pixels, dtype=np.uint8)


def _random(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))
