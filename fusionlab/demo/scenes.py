"""The demo scenes of all tasks, in memory and as folders that `fusionlab ingest` reads.

::

    ROOT/<task>.yaml
    ROOT/<task>/sources/<modality>/<scene>.png
    ROOT/<task>/methods/<method>/<scene>.png
    ROOT/<task>/reference/truth/<scene>.png
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from PIL import Image as PillowImage

from fusionlab import baselines
from fusionlab.demo import ivf, mef, mff, mif
from fusionlab.demo.parts import DemoScene
from fusionlab.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fusionlab.colour import Image

__all__ = [
    "DATASET",
    "METHODS",
    "DemoScene",
    "fuse_all",
    "make_scenes",
    "methods_of",
    "write_demo",
    "write_manifest",
    "write_scene",
]

DATASET = "demo"

#: The methods whose outputs are the demo's candidates: few, so that its tables can be read.
METHODS = ("mean", "max", "laplacian", "wavelet", "gff", "focus_map", "mertens")


def make_scenes() -> list[DemoScene]:
    """Return the scenes of all four tasks; the same pixels at every call."""
    return [*ivf.scenes(), *mif.scenes(), *mef.scenes(), *mff.scenes()]


def write_demo(root: Path) -> list[Path]:
    """Write sources, candidates of `METHODS`, truths and manifests; return the manifests.

    Parameters
    ----------
    root : folder to write to; made when missing, files of the same name are replaced.
    """
    scenes = make_scenes()
    for scene in scenes:
        write_scene(scene, fuse_all(scene), root / scene.task)
    return [
        write_manifest(root / f"{task}.yaml", task, DATASET, [s for s in scenes if s.task == task])
        for task in TASKS
    ]


def fuse_all(scene: DemoScene) -> dict[str, Image]:
    """Return what those of `METHODS` that serve the scene's task make of it, by their names."""
    sources = list(scene.sources.values())
    return {m: baselines.apply(m, scene.task, sources) for m in methods_of(scene.task)}


def methods_of(task: str) -> list[str]:
    """Return those of `METHODS` that serve a task."""
    return [m for m in METHODS if task in baselines.get(m).tasks]


def write_scene(scene: DemoScene, candidates: Mapping[str, Image], folder: Path) -> None:
    """Write a scene's sources, truth and candidates, as the manifest of `write_manifest` says."""
    file = f"{scene.name}.png"
    for modality, source in scene.sources.items():
        _write_png(folder / "sources" / modality / file, source)
    for method, fused in candidates.items():
        _write_png(folder / "methods" / method / file, fused)
    _write_png(folder / "reference" / "truth" / file, scene.reference)


def _write_png(path: Path, image: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(image).save(path)


def write_manifest(path: Path, task: str, dataset: str, scenes: Sequence[DemoScene]) -> Path:
    """Write the manifest of scenes that lie in the folder beside it, named like it."""
    modalities = list(dict.fromkeys(m for scene in scenes for m in scene.sources))
    manifest: dict[str, Any] = {
        "task": task,
        "dataset": dataset,
        "root": path.stem,
        "sources": {m: f"sources/{m}/{{scene}}.*" for m in modalities},
        "candidates": "methods/{method}/{scene}.*",
        "reference": "reference/truth/{scene}.*",
    }
    path.write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
    return path
