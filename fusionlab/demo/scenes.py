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
    from pathlib import Path

    from fusionlab.colour import Image

__all__ = ["DATASET", "DemoScene", "make_scenes", "write_demo"]

DATASET = "demo"


def make_scenes() -> list[DemoScene]:
    """Return the scenes of all four tasks; the same pixels at every call."""
    return [*ivf.scenes(), *mif.scenes(), *mef.scenes(), *mff.scenes()]


def write_demo(root: Path) -> list[Path]:
    """Write sources, candidates of every baseline, truths and manifests; return the manifests.

    Parameters
    ----------
    root : folder to write to; made when missing, files of the same name are replaced.
    """
    scenes = make_scenes()
    for scene in scenes:
        _write_scene(scene, root / scene.task)
    return [_write_manifest(root, task, [s for s in scenes if s.task == task]) for task in TASKS]


def _write_scene(scene: DemoScene, folder: Path) -> None:
    file = f"{scene.name}.png"
    for modality, source in scene.sources.items():
        _write_png(folder / "sources" / modality / file, source)
    for method in baselines.names(scene.task):
        fused = baselines.apply(method, scene.task, list(scene.sources.values()))
        _write_png(folder / "methods" / method / file, fused)
    _write_png(folder / "reference" / "truth" / file, scene.reference)


def _write_png(path: Path, image: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(image).save(path)


def _write_manifest(root: Path, task: str, scenes: list[DemoScene]) -> Path:
    modalities = list(dict.fromkeys(m for scene in scenes for m in scene.sources))
    manifest: dict[str, Any] = {
        "task": task,
        "dataset": DATASET,
        "root": task,
        "sources": {m: f"sources/{m}/{{scene}}.*" for m in modalities},
        "candidates": "methods/{method}/{scene}.*",
        "reference": "reference/truth/{scene}.*",
    }
    path = root / f"{task}.yaml"
    path.write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
    return path
