"""What a user of Python finds in `fusionlab`: light to import, complete, typed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fusionlab

ROOT = Path(__file__).parents[1]

SCRIPT = """
from pathlib import Path

import fusionlab
from fusionlab import Fuser, FusionLabError, Lab, TrainSettings, audit, fuse, load_policy, score

lab: Lab = Lab.create("lab")
manifest, root = fusionlab.load_manifest(Path("vifb.yaml"))
scenes: int = fusionlab.ingest.ingest(manifest, root, lab).scenes
measured: int = score(lab, ["EN", "SSIM"], workers=2).measured
policy = load_policy("robust")
chosen: dict[str, int] = fusionlab.select(lab, policy, "first", test=["ivf/vifb"]).split
won: int = int(audit.wins(lab, "first")["wins"].sum())
curated = fusionlab.read_curated(lab, "first", tasks=["ivf"])
made: str = fusionlab.train(curated, Path("runs/flow"), TrainSettings(steps=4)).path
try:
    fused = fuse("ir.png", "vis.png", made, task="ivf")
    height: int = fused.shape[0]
except FusionLabError as error:
    code: int = error.exit_code
entrants = fusionlab.open_entrants(lab, ["flow"])
left_out: dict[str, str] = fusionlab.evaluate(lab, entrants, ["first"]).left_out
value: float = fusionlab.measure(fused, fused, fused, ["EN"])["EN"]
"""

WRONG = "wrong: str = score(lab).measured\nfusionlab.select(lab, 'robust', 'first')\n"


def test_every_name_is_there_and_where_it_says() -> None:
    for name in fusionlab.__all__:
        assert getattr(fusionlab, name) is not None
        assert name in dir(fusionlab)
    assert set(fusionlab._HOME) == set(fusionlab.__all__) - {"__version__"}
    assert fusionlab.select.__module__ == "fusionlab.selection.select"
    assert fusionlab.audit.__name__ == "fusionlab.audit"


def test_an_unknown_name_is_told_as_python_tells_it() -> None:
    with pytest.raises(AttributeError, match="module 'fusionlab' has no attribute 'selct'"):
        _ = fusionlab.selct


def test_the_version_is_a_semantic_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", fusionlab.__version__)


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = {"torch", "dask", "zarr", "pandas", "numpy", "numba", "cv2", "pyarrow", "pydantic"}
    code = f"import sys, fusionlab; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.timeout(1200)  # without a cache, mypy looks at all of the package
def test_a_strict_type_check_of_a_user_finds_what_is_wrong_and_nothing_else(tmp_path) -> None:
    api = pytest.importorskip("mypy.api")
    path = tmp_path / "script.py"
    path.write_text(SCRIPT + WRONG)
    config = ["--config-file", str(ROOT / "pyproject.toml")]
    cache = ["--cache-dir", str(ROOT / ".mypy_cache")]
    output, _, code = api.run(["--strict", *config, *cache, str(path)])
    lines = SCRIPT.count("\n")
    found = re.findall(r"script\.py:(\d+): error: .*\[([\w-]+)\]", output)
    assert found == [(str(lines + 1), "assignment"), (str(lines + 2), "arg-type")], output
    assert (code, output.count("error: ")) == (1, 2)
