"""Every metric against its slow reference, and against golden values where they are at hand."""

import csv
import hashlib

import numpy as np
import pytest
from PIL import Image

from fusionlab.metrics import (
    Scene,
    as_run,
    explained,
    get,
    guards,
    iqa,
    measure,
    names,
    overdone,
    resolve,
)
from fusionlab.metrics.inputs import gray
from fusionlab.metrics.scene import PreparedScene

#: Metrics of tests/metrics/test_presets.py and tests/iqa.
ELSEWHERE = {metric.name for metric in as_run.METRICS} | set(iqa.offered())
OF_SOURCES = [name for name in names() if not name.endswith("_ref") and name not in ELSEWHERE]
SMALL = [name for name in OF_SOURCES if get(name).min_side <= 47]
OURS = {"SELS", "GERR", "MS_GERR", "VIFFd", "VIFFcap", "SCD_zero"} | {
    metric.name for metric in (*guards.METRICS, *overdone.METRICS, *explained.METRICS)
}
"""Metrics that no public code computes."""

LOOSER = {"VIF": 1e-8, "SSIM_tang": 1e-9, "SSIM_cddfuse": 1e-8, "Qabf": 1e-10}


def test_every_metric_has_a_reference(oracle):
    assert set(OF_SOURCES) == set(oracle)


@pytest.mark.parametrize("name", SMALL)
def test_equals_the_slow_reference(name, images, oracle):
    expected = oracle[name](*(x.astype(float) for x in images))
    assert measure(*images, [name])[name] == pytest.approx(expected, rel=LOOSER.get(name, 1e-11))


@pytest.mark.parametrize("name", SMALL)
def test_equals_the_slow_reference_between_integers(name, images, oracle):
    a, b, f = (x / 4.0 + 0.125 for x in images)
    expected = (
        [np.rint(x) for x in (a, b, f)] if name in {"EN", "MI", "MI_log2", "CE"} else (a, b, f)
    )
    value = measure(a, b, f, [name])[name]
    assert value == pytest.approx(oracle[name](*expected), rel=LOOSER.get(name, 1e-10))


def test_equals_the_slow_reference_over_many_tiles(make_triple, oracle):
    images = make_triple(59, 301)
    chosen = ["SSIM", "VIF", "Qabf", "SSIM_cddfuse"]
    values = measure(*images, chosen)
    for name in chosen:
        expected = oracle[name](*(x.astype(float) for x in images))
        assert values[name] == pytest.approx(expected, rel=LOOSER.get(name, 1e-11))


def test_pinned_values(images):
    values = measure(*images, list(PINNED))
    assert values == pytest.approx(PINNED, rel=1e-9)


def test_reference_metrics(images, oracle):
    a, b, f = images
    got = measure(a, b, f, ["PSNR_ref", "SSIM_ref"], reference=a)
    x, y = a.astype(float), f.astype(float)
    assert got["PSNR_ref"] == pytest.approx(oracle["PSNR"](x, x, y), rel=1e-12)
    assert got["SSIM_ref"] == pytest.approx(oracle["SSIM"](x, x, y), rel=1e-11)


def golden_rows(shared):
    with (shared / "tolerances.csv").open(newline="") as file:
        tolerance = {
            row["metric"]: (float(row["rel_tol"]), float(row["abs_tol"]))
            for row in csv.DictReader(file)
        }
    scenes = {}
    with (shared / "metrics_golden.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["implementation"] == "canonical" and row["metric"] in OF_SOURCES:
                paths = tuple(row[role + "_path"] for role in "ABF")
                name = row["metric"]
                keys = (f"{name}@{row['name']}", f"{name}@{row['task']}", name)
                rel, abs_ = next(tolerance[key] for key in keys if key in tolerance)
                scenes.setdefault(paths, {})[name] = float(row["value"]), rel, abs_
    return scenes


def differences(measured, expected):
    return {
        name: (measured[name], value)
        for name, (value, rel, abs_) in expected.items()
        # nan: the reference divides 0 by 0 in black windows, which are left out here
        if not np.isnan(value) and measured[name] != pytest.approx(value, rel=rel, abs=abs_)
    }


def load(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("exact", [True, False], ids=["integers", "floats"])
def test_golden(shared, exact):
    scenes = golden_rows(shared)
    assert len(scenes) == 13
    for paths, expected in scenes.items():
        assert set(expected) == set(OF_SOURCES) - OURS
        a, b, f = (gray(load(shared / path)) for path in paths)
        scene = Scene((a, b))
        prepared = PreparedScene(scene if exact else scene.as_float(), resolve(OF_SOURCES))
        assert not differences(prepared.measure(f), expected), paths


def test_gray_of_golden_images(shared):
    with (shared / "images_manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            pixels = gray(load(shared / row["file"]))
            assert hashlib.sha256(pixels.tobytes()).hexdigest() == row["sha256_gray_u8"], row[
                "file"
            ]


# computed once by the slow references in conftest.py
PINNED = {
    "EN": 6.887132072426326,
    "SD": 35.80286739711707,
    "SF": 27.657972651044783,
    "AG": 9.142398230157932,
    "AG_rc1": 9.496831784732894,
    "EI": 68.44493999493328,
    "MI": 4.586918846291171,
    "MI_log2": 6.617525072504399,
    "CE": 0.5215426022403274,
    "MSE": 517.4949424485525,
    "MSE_01": 0.007958399730081545,
    "PSNR": 20.991742511397643,
    "PSNR_maxF": 19.59013357968913,
    "CC": 0.8659125620858936,
    "SCD": 0.6428412042795363,
    "SSIM": 0.6336905511932771,
    "SSIM_sum": 1.2673811023865542,
    "SSIM_cddfuse": 1.2079094231403824,
    "SSIM_u7_L255_sum": 1.2718009322197945,
    "Qabf": 0.33489889583041604,
    "VIF": 0.35414080498717715,
    "Nabf": 0.0007094641722098831,
    "Qcb": 0.5888780823026422,
    "Qcv": 301.52947632076615,
    "FMI_pixel": 0.4168928768339373,
    "FMI_gradient": 0.42139168467437815,
    "FMI_dct": 0.39135066326723067,
    "FMI_w": 0.40907626606854497,
    "QMI": 0.9417339522668411,
    "QNCIE": 0.8311143351303614,
    "QG": 0.3316348103894862,
    "QS": 0.644613757120341,
    "QW": 0.6654881862925202,
    "QY": 0.6553359089344284,
    "QP": 0.6506455928517846,
}
