"""Distributions that are really installed, in a folder of their own, for tests of plug-ins."""

from __future__ import annotations

import importlib
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def install(folder: Path, name: str, code: str, group: str, target: str) -> None:
    """Write a distribution as pip would leave it; its entry point of `group` is `target`."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(textwrap.dedent(code))
    info = folder / f"{module}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{module} = {module}:{target}\n")


def install_project(pyproject: Path) -> None:
    """Install the modules beside a ``pyproject.toml`` where they are, as ``pip install -e``."""
    project = tomllib.loads(pyproject.read_text())["project"]
    name, version = project["name"], project["version"]
    info = pyproject.parent / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{key} = {value}" for key, value in points.items())])
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups) + "\n")
    importlib.invalidate_caches()  # the folder may be newer than what Python knows of it


@contextmanager
def on_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch, forget: Callable[[], None]
) -> Iterator[Path]:
    """Put a folder of distributions on sys.path; our table is made anew before and after."""
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    forget()
    yield folder
    forget()
    for name in set(sys.modules) - before:
        if name.startswith("acme"):
            del sys.modules[name]
