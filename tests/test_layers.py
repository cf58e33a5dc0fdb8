"""Imports go downwards: command line, stages, parts, ground."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fusionlab

PACKAGE = Path(fusionlab.__file__).parent
LAYERS = {
    "top": {"cli", "pipeline", "__main__"},
    "stages": {"ingest", "scoring", "selection", "refine", "audit", "training", "inference"}
    | {"evaluation", "demo", "doctor", "measuring", "testing", "upkeep", "packing"}
    | {"validation", "mosaic", "overrides", "review", "making", "guessing"},
    "parts": {"splits", "decoys", "metrics", "inspection", "baselines", "flow", "continual"},
    "ground": {"colour", "flags", "store", "lab", "tables", "atomic", "configs", "images", "tasks"}
    | {"errors", "terminal", "paths", "objects", "lock", "zarrfiles", "regions", "tiling", "made"}
    | {"headers", "tiffs", "medical", "ranges", "naming", "pixels", "plugins", "schemas"}
    | {"labelled", "cropping", "memory", "sheets", "devices", "weights", "shipped"},
}
LAYER_OF = {room: layer for layer, rooms in LAYERS.items() for room in rooms}
ORDER = list(LAYERS)
MODULES = sorted(PACKAGE.rglob("*.py"))


def rooms_imported(source: str) -> set[str]:
    """Return the rooms of fusionlab that `source` imports anywhere, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("fusionlab.")}
    return found


def test_imports_in_functions_and_for_types_are_seen():
    source = (
        "import fusionlab.store\nfrom fusionlab import cli\n"
        "if TYPE_CHECKING:\n    from fusionlab.lab import Lab\n"
        "def f():\n    import fusionlab.audit.why, os\n"
    )
    assert rooms_imported(source) == {"store", "cli", "lab", "audit"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_go_downwards_only(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    imported = rooms_imported(path.read_text()) - {"__version__", room}
    if room == "__init__":
        return  # for types, and on first use: tests/test_public.py
    assert room in LAYER_OF, f"give the room {room!r} a layer in this test"
    upwards = {i for i in imported if ORDER.index(LAYER_OF[i]) < ORDER.index(LAYER_OF[room])}
    assert not upwards


def test_the_package_imports_nothing_at_once():
    code = "import sys, fusionlab; print(*(m for m in sys.modules if m.startswith('fusionlab.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_rooms_are_at_most_two_deep():
    deep = [p for p in MODULES if len(p.relative_to(PACKAGE).parts) > 2]
    assert not deep
