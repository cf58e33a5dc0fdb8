"""Damaged files of every format give an image, a reject or an error of ours, and nothing else.

The suite tries a few hundred; ``python tests/fuzz/test_fuzz.py SECONDS SEED`` goes on for longer.
"""

import contextlib
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from fuzz.seeds import ARCHIVES, IMAGES, MANIFEST, damaged

from fusionlab import headers
from fusionlab.errors import ConfigError, ImageError
from fusionlab.images import decode
from fusionlab.ingest import load_manifest, members, volumes
from fusionlab.ingest.tree import FileTree
from fusionlab.ranges import Reading

READINGS = (None, Reading.span(0, 1), Reading.span(0, 65535), Reading.window(40, 400))


@contextlib.contextmanager
def small_limits():
    """Lower the limits: at the true ones, a damaged header only tests how much memory there is."""
    with (
        mock.patch.object(headers, "MAX_PIXELS", 1_000_000),
        mock.patch.object(members, "HARMLESS", 1 << 20),
        mock.patch.object(volumes, "MAX_VOXELS", 1_000_000),
    ):
        yield


def try_image(data, reading):
    try:
        image = decode(data, reading)
    except ImageError as error:
        return error.reason if error.detail else "no detail"
    assert image.pixels.dtype in (np.uint8, np.uint16)
    assert image.pixels.flags.c_contiguous
    assert image.pixels.ndim == 2 or image.pixels.shape[2] == 3
    return "taken"


def try_archive(data, ending, folder):
    path = folder / f"x{ending}"
    path.write_bytes(data)
    outcomes = []
    with FileTree(folder) as tree:
        members = list(tree.walk())
        for member in members:
            assert not {"", ".", ".."} & {*member.split("/")}
            try:
                assert len(tree.read(member)) == tree.size(member)
                outcomes.append("read")
            except ImageError as error:
                outcomes.append(error.reason)
        outcomes += [reject.reason for reject in tree.rejects]
    assert [p.name for p in folder.iterdir()] == [path.name], "something was unpacked"
    path.unlink()
    return outcomes


def try_manifest(data, folder):
    path = folder / "m.yaml"
    path.write_bytes(data)
    try:
        load_manifest(path)
    except ConfigError as error:
        return "refused" if str(error).startswith(str(path)) else "nameless"
    finally:
        path.unlink()
    return "taken"


@pytest.mark.parametrize("name", IMAGES)
def test_a_damaged_image_is_read_or_refused(name):
    rng = np.random.default_rng([len(name), *name.encode()])
    with small_limits():
        for _ in range(25):
            try_image(damaged(IMAGES[name], rng), READINGS[rng.integers(len(READINGS))])


@pytest.mark.parametrize("ending", ARCHIVES)
def test_a_damaged_archive_gives_what_is_whole_and_rejects(ending, tmp_path):
    rng = np.random.default_rng(len(ending))
    with small_limits():
        for _ in range(25):
            try_archive(damaged(ARCHIVES[ending], rng), ending, tmp_path)


def test_a_damaged_manifest_is_read_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(60):
        try_manifest(damaged(MANIFEST.encode(), rng), tmp_path)


def test_the_seeds_themselves_are_good(tmp_path):
    for name, data in IMAGES.items():
        reading = Reading.span(0, 300) if "int16" in name or "float" in name else None
        reading = Reading.span(0, 1) if "double" in name else reading
        expected = "unsupported_format" if name == "gif" else "taken"
        assert try_image(data, reading) == expected, name
    for ending, data in ARCHIVES.items():
        assert set(try_archive(data, ending, tmp_path)) == {"read"}, ending
    assert try_manifest(MANIFEST.encode(), tmp_path) == "taken"


def campaign(seconds, seed):
    """Go on for `seconds`, print what came out, and keep what went wrong."""
    warnings.simplefilter("error")
    rng, outcomes, slowest = np.random.default_rng(seed), Counter(), {}
    stop = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as name, small_limits():
        folder = Path(name)
        while time.monotonic() < stop:
            kind = str(rng.choice([*IMAGES, *IMAGES, *ARCHIVES, "manifest"]))
            seed_data = {**IMAGES, **ARCHIVES, "manifest": MANIFEST.encode()}[kind]
            data, start = damaged(seed_data, rng), time.monotonic()
            try:
                if kind in IMAGES:
                    reading = READINGS[rng.integers(len(READINGS))]
                    outcomes[kind, try_image(data, reading)] += 1
                elif kind in ARCHIVES:
                    outcomes.update((kind, o) for o in try_archive(data, kind, folder))
                else:
                    outcomes[kind, try_manifest(data, folder)] += 1
            except Exception as error:  # noqa: BLE001  finding these is what it is for
                where = traceback.extract_tb(error.__traceback__)[-1]
                key = f"{kind} {type(error).__name__} {Path(where.filename).name}:{where.lineno}"
                if not outcomes["CRASH", key]:
                    Path(tempfile.gettempdir(), f"fuzz-{seed}-{len(outcomes)}").write_bytes(data)
                    print(f"CRASH {key}: {error}", flush=True)
                    traceback.print_exc()
                outcomes["CRASH", key] += 1
                for left in folder.iterdir():
                    left.unlink()
            took = time.monotonic() - start
            slowest[kind] = max(slowest.get(kind, 0.0), took)
            if took > 2:
                Path(tempfile.gettempdir(), f"slow-{seed}-{len(outcomes)}").write_bytes(data)
                print(f"SLOW {kind} {took:.1f} s", flush=True)
    for (kind, outcome), count in sorted(outcomes.items()):
        print(f"{kind:18} {outcome:60} {count}")
    print("inputs", sum(outcomes.values()), "slowest", max(slowest.items(), key=lambda s: s[1]))


if __name__ == "__main__":
    campaign(float(sys.argv[1]), int(sys.argv[2]))
