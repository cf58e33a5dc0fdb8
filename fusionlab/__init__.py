"""FusionLab: curate pseudo-labels for image fusion, audit them, and train on them.

The package imports nothing heavy by itself; ask for what you need::

    from fusionlab.metrics import measure
    from fusionlab import audit

To fuse two images by a trained model::

    fused = fusionlab.fuse("ir.png", "vis.png", "lab/runs/first", task="ivf")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusionlab.inference import fuse

__version__ = "0.1.0"
__all__ = ["__version__", "fuse"]


def __getattr__(name: str) -> Any:
    """Import what is heavy on first use."""
    if name == "fuse":
        from fusionlab.inference import fuse

        return fuse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
