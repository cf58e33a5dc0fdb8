"""A small trial of what everything stands on: kernels, metrics, Zarr and the network."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.doctor.findings import FAIL, WARN, Finding
from fusionlab.store import Address, ImageStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionlab.images import Pixels

#: Of the pair below, as the definitions say.
KNOWN = {
    "EN": 7.663132520623348,
    "SSIM": 0.5294063079035398,
    "Qabf": 0.47190695800565857,
    "VIF": 0.31690978205531684,
}
_CLOSE = 1e-6

#: What a GPU may differ from the CPU by, in -1..1: half a gray level.
_CLOSE_ON_DEVICE = 1 / 255


def pair() -> tuple[Pixels, Pixels, Pixels]:
    """Return two sources and a fused image, made of whole numbers: the same everywhere."""
    y, x = np.mgrid[:48, :64]
    a, b = ((7 * x + 3 * y) % 256).astype(np.uint8), ((x * y) % 256).astype(np.uint8)
    return a, b, (a // 2 + b // 2).astype(np.uint8)


def kernels() -> Iterator[Finding]:
    """Yield where the compiled kernels are kept."""
    from fusionlab.metrics._jit import cache_folder

    folder = cache_folder()
    if folder is None:
        said = "no folder for compiled kernels is writable: every start compiles for half a minute"
        yield Finding("kernels", said, WARN, "set NUMBA_CACHE_DIR to a folder of yours")
    else:
        yield Finding("kernels", f"kept in {folder}")


def metrics_are_right() -> Iterator[Finding]:
    """Yield whether metrics of an embedded pair have their known values."""
    from fusionlab.metrics import measure

    found = measure(*pair(), list(KNOWN))
    wrong = [
        f"{name} is {found[name]:.9g}, should be {known:.9g}"
        for name, known in KNOWN.items()
        if not math.isclose(found[name], known, rel_tol=_CLOSE)
    ]
    if wrong:
        remedy = "delete the folder of kernels above; if it stays so, report it with this table"
        yield Finding("metrics", "; ".join(wrong), FAIL, remedy)
    else:
        yield Finding("metrics", f"{', '.join(KNOWN)} of an embedded pair are as they must be")


def zarr_is_read_back(folder: Path) -> Iterator[Finding]:
    """Yield whether an image that is stored comes back."""
    image, bucket = pair()[0], "ivf/doctor/48x64-uint8"
    with tempfile.TemporaryDirectory(prefix="fusionlab-doctor-", dir=folder) as scratch:
        store = ImageStore(Path(scratch) / "images.zarr")
        address = Address(bucket, "source/a", 0)
        store.grow(bucket, ["one"], [address.array], image.shape, str(image.dtype))
        store.write(address, image)
        store.flush()
        ours = store.read(address)
    if np.array_equal(ours, image):
        yield Finding("Zarr", "an image is stored and read back")
    else:
        remedy = "report it with this table"
        yield Finding("Zarr", "an image that was stored comes back changed", FAIL, remedy)


def network_runs() -> Iterator[Finding]:
    """Yield whether a small network fuses, and alike on every device."""
    import torch

    from fusionlab.devices import choose_device
    from fusionlab.flow.model import FusionModel, ModelSettings
    from fusionlab.flow.network import NetworkSettings

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        settings = NetworkSettings(widths=(4, 4), blocks=1, contrast=(3,))
        model = FusionModel(ModelSettings(network=settings, steps=1)).eval()
    a, b, _ = (torch.from_numpy(p / np.float32(127.5) - 1).float()[None, None] for p in pair())
    device, task = choose_device(), torch.ones(1, dtype=torch.int64)
    with torch.inference_mode():
        here = model.fuse(a, b, task)
        there = model.to(device).fuse(a.to(device), b.to(device), task.to(device)).cpu()
    if here.shape != a.shape or not bool(torch.isfinite(here).all()):
        yield Finding("network", "fusing gives no image", FAIL, "install torch anew")
    elif float((here - there).abs().max()) > _CLOSE_ON_DEVICE:
        said = f"fusing on {device} differs from the CPU by more than a gray level"
        yield Finding("network", said, FAIL, "update the driver and torch, or use --device cpu")
    else:
        yield Finding("network", f"a small network fuses on {device}")
