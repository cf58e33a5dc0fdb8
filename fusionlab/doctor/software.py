"""Versions of Python, FusionLab and what it needs, and what missing extras would give."""

from __future__ import annotations

import platform
from collections import defaultdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

import fusionlab
from fusionlab.doctor.findings import FAIL, OK, WARN, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Packages whose versions people ask for first.
_SHOWN = ("torch", "numpy", "zarr", "dask", "numba", "opencv-python-headless", "pandas", "pyarrow")

#: Extra -> what it gives.
EXTRAS = {
    "iqa": "metrics of pyiqa",
    "s3": "labs in object stores, --lab s3://bucket/prefix",
    "cluster": "scoring on Slurm and other batch systems",
    "medical": "DICOM images and NIfTI volumes",
    "log": "TensorBoard, fusionlab train --tensorboard",
    "onnx": "fusionlab onnx",
}


def versions() -> Iterator[Finding]:
    """Yield the versions of Python, FusionLab and the packages that it needs."""
    yield Finding("python", f"{platform.python_version()} on {platform.platform()}")
    where = Path(fusionlab.__file__).parent
    yield Finding("fusionlab", f"{fusionlab.__version__} in {where}")
    needed = _requirements().get("")
    if needed is None:
        remedy = "pip install fusionlab, or pip install -e . where its sources are"
        yield Finding("packages", "FusionLab is not installed as a package", WARN, remedy)
        return
    wrong = [said for one in needed if (said := _wrong(one))]
    shown = ", ".join(f"{name} {version}" for name in _SHOWN if (version := _version(name)))
    if wrong:
        command = " ".join(repr(str(one)) for one in needed if _wrong(one))
        yield Finding("packages", "; ".join(wrong), FAIL, f"pip install {command}")
    yield Finding("packages", shown)


def extras() -> Iterator[Finding]:
    """Yield what each extra gives, and whether it is there."""
    needed = _requirements()
    for name, gives in EXTRAS.items():
        lacking = [said for one in needed.get(name, []) if (said := _wrong(one))]
        if lacking or name not in needed:
            remedy = f"only if you want it: pip install 'fusionlab[{name}]'"
            yield Finding(f"extra {name}", f"not installed ({gives})", OK, remedy)
        else:
            yield Finding(f"extra {name}", f"installed ({gives})")


def _requirements() -> dict[str, list[Requirement]]:
    """Return extra -> what it needs; "" is what everything needs. Empty where nobody knows."""
    found = defaultdict(list)
    try:
        texts = metadata.requires("fusionlab") or []
    except metadata.PackageNotFoundError:
        return {}
    for text in texts:
        one = Requirement(text)
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            found[""].append(one)
        for name in EXTRAS:
            if one.marker is not None and one.marker.evaluate({"extra": name}):
                found[name].append(one)
    return dict(found)


def _wrong(needed: Requirement) -> str:
    """Return what is wrong with one package, or the empty text."""
    version = _version(needed.name)
    if version is None:
        return f"{needed.name} is missing"
    if not needed.specifier.contains(version, prereleases=True):
        return f"{needed.name} is {version}, needed is {needed.specifier}"
    return ""


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
