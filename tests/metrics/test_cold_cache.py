"""A process that compiles the kernels and one that loads them give the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import sys
from helpers import fuse, sources
from fusionlab.metrics import measure_many, names

for shift in (0.0, 0.25):
    a, b = (x / 2 + shift if shift else x for x in sources(1, 200, 213))
    candidates = {m: fuse(m, a, b) if not shift else fuse(m, a, b) / 2 for m in ("noisy", "sharp")}
    frame = measure_many(a, b, candidates, names(), reference=candidates["sharp"])
    for name in frame:
        print(shift, name, *(value.hex() for value in frame[name]))
"""


@pytest.mark.slow
def test_compiled_and_loaded_kernels_agree_to_the_last_bit(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)]),
    }

    def measured() -> str:
        command = [sys.executable, "-W", "error", "-c", MEASURE]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    cold = measured()
    assert list(tmp_path.rglob("*.nbc"))
    assert measured() == cold
    assert len(cold.splitlines()) > 40
