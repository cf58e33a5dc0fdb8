"""FusionLab: curate pseudo-labels for image fusion, audit them, and train on them.

The package imports nothing heavy by itself; each name below is imported on first use::

    import fusionlab

    lab = fusionlab.Lab.create("lab")
    fusionlab.ingest.ingest(*fusionlab.load_manifest(Path("vifb.yaml")), lab)
    fusionlab.score(lab)
    fusionlab.select(lab, fusionlab.load_policy("robust"), "first")
    fusionlab.audit.wins(lab, "first")  # a pandas frame, as all of fusionlab.audit

    learned = fusionlab.read_curated(lab, "first")
    fusionlab.train(learned, Path("lab/runs/flow"), fusionlab.TrainSettings())
    fused = fusionlab.fuse("ir.png", "vis.png", "lab/runs/flow", task="ivf")

Of the packages `audit`, `ingest`, `metrics`, `mosaic` and `refine` one uses several names. Every
error that FusionLab raises on purpose is a `FusionLabError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusionlab import audit, ingest, metrics, mosaic, refine
    from fusionlab.errors import FusionLabError
    from fusionlab.evaluation import evaluate, open_entrants
    from fusionlab.inference import Fuser, fuse
    from fusionlab.ingest import load_manifest
    from fusionlab.lab import Lab
    from fusionlab.metrics import measure, measure_many
    from fusionlab.scoring import score
    from fusionlab.selection import Policy, load_policy
    from fusionlab.selection.select import select
    from fusionlab.training.reading import read_curated
    from fusionlab.training.run import train
    from fusionlab.training.settings import TrainSettings

__version__ = "0.1.0"
__all__ = [
    "Fuser",
    "FusionLabError",
    "Lab",
    "Policy",
    "TrainSettings",
    "__version__",
    "audit",
    "evaluate",
    "fuse",
    "ingest",
    "load_manifest",
    "load_policy",
    "measure",
    "measure_many",
    "metrics",
    "mosaic",
    "open_entrants",
    "read_curated",
    "refine",
    "score",
    "select",
    "train",
]

#: Name -> the module that has it; a package is its own.
_HOME = {
    **{name: name for name in ("audit", "ingest", "metrics", "mosaic", "refine")},
    **dict.fromkeys(("Policy", "load_policy", "select"), "selection"),
    **dict.fromkeys(("evaluate", "open_entrants"), "evaluation"),
    **dict.fromkeys(("Fuser", "fuse"), "inference"),
    **dict.fromkeys(("measure", "measure_many"), "metrics"),
    "FusionLabError": "errors",
    "Lab": "lab",
    "TrainSettings": "training.settings",
    "load_manifest": "ingest",
    "read_curated": "training.reading",
    "score": "scoring",
    "train": "training.run",
}


def __getattr__(name: str) -> Any:
    """Import what is heavy on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_HOME[name]}")
    return module if _HOME[name] == name else getattr(module, name)


def __dir__() -> list[str]:
    """Return what is there, and what would be imported."""
    return sorted({*globals(), *__all__})
