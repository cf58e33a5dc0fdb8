"""The presets name metrics that exist, and give the numbers of the published programs."""

import csv
from collections import defaultdict

import numpy as np
import pytest

from fusionlab.errors import UnknownNameError
from fusionlab.images import read_image
from fusionlab.metrics import as_run, measure, names, prepare, presets
from fusionlab.metrics.inputs import gray

AS_RUN = {
    "cddfuse": ("cddfuse_f64", {}),
    "tang": ("tang_octave", {"Nabf": "Nabf_asrun"}),
    "vifb": ("vifb_octave", {}),
}
#: Qabf of VIFB was not run on its own: it is the text of Tang's.
NOT_IN_GOLDEN = {("vifb", "Qabf"), ("tang", "MS_SSIM")}


def there(preset: str) -> list[str]:
    return [c for c, m in presets.get(preset).metrics.items() if m in names()]


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_every_column_names_a_metric(preset: str) -> None:
    missing = set(presets.get(preset).metrics.values()) - set(names())
    if missing:
        pytest.skip(f"metrics that are not there: {', '.join(sorted(missing))}")
    columns = presets.get(preset).columns()
    assert list(columns) == list(presets.get(preset).metrics)


def test_unknown_names_say_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'cddfuse'"):
        presets.get("cdfuse")
    with pytest.raises(UnknownNameError, match=r"preset 'tang'.*Did you mean 'Qabf'"):
        presets.get("tang").columns(["Qab"])


def test_chosen_columns_keep_their_order_and_definition() -> None:
    chosen = presets.get("tang").columns(["MI", "EN", "PSNR"])
    assert [(c, m.name) for c, m in chosen.items()] == [
        ("MI", "MI_tang"),
        ("EN", "EN"),
        ("PSNR", "PSNR_tang"),
    ]


def test_as_run_metrics_say_what_they_are() -> None:
    for metric in as_run.METRICS:
        assert "not for selection" in metric.title
        assert metric.name.rpartition("_")[2] in ("tang", "vifb")


def bits(*images) -> float:
    joint = np.zeros((256,) * len(images))
    np.add.at(joint, tuple(image.ravel() for image in images), 1)
    p = joint[joint > 0] / joint.sum()
    return -(p * np.log2(p)).sum()


def test_as_run_metrics_against_their_formulas(images) -> None:
    a, b, f = (np.maximum(x, 4) for x in images)
    f[:20] = np.where(f[:20] % 2, 254, 255)
    b[10:30] = np.where(a[10:30] % 2, 254, 255)
    got = measure(a, b, f, [m.name for m in as_run.METRICS])
    x, y, z = (image.astype(float) for image in (a, b, f))
    squares = [((x - z) ** 2).sum(), ((y - z) ** 2).sum()]
    rmse = sum(np.sqrt(s) for s in squares) / (2 * z.size)
    mse = sum(squares) / (2 * z.size)
    dx, dy = np.diff(z, axis=1), np.diff(z, axis=0)
    cut = [np.minimum(image, 254) for image in (a, b, f)]
    mi = sum(bits(f) + bits(s) - bits(cut[2], c) for s, c in ((a, cut[0]), (b, cut[1])))
    assert got == pytest.approx(
        {
            "PSNR_tang": 10 * np.log10(255**2 / (mse / 255**2)),
            "MI_tang": mi,
            "Nabf_tang": measure(b, f, a, ["Nabf"])["Nabf"],
            "SF_vifb": np.sqrt(((dx**2).sum() + (dy**2).sum()) / z.size),
            "RMSE_vifb": rmse,
            "PSNR_vifb": 10 * np.log10(255**2 / rmse),
        },
        rel=1e-11,
    )
    assert mi > measure(a, b, f, ["MI_log2"])["MI_log2"] + 1e-3


def test_identical_images_have_no_error(images) -> None:
    got = measure(images[0], images[0], images[0], ["PSNR_tang", "PSNR_vifb", "RMSE_vifb"])
    assert got == {"PSNR_tang": np.inf, "PSNR_vifb": np.inf, "RMSE_vifb": 0}


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_published_programs(shared, preset: str) -> None:
    golden = defaultdict(dict)
    with (shared / "metrics_golden.csv").open() as file:
        for row in csv.DictReader(file):
            paths = row["A_path"], row["B_path"], row["F_path"]
            golden[paths][row["implementation"], row["metric"]] = float(row["value"])
    implementation, renamed = AS_RUN[preset]
    columns = presets.get(preset).columns(there(preset))
    compared = set()
    for paths, values in golden.items():
        a, b, f = (gray(read_image(shared / path)) for path in paths)
        got = prepare((a, b), [m.name for m in columns.values()]).measure(f)
        for column, metric in columns.items():
            want = values.get((implementation, renamed.get(column, column)))
            if want is not None:
                compared.add(column)
                assert got[metric.name] == pytest.approx(want, rel=1e-6), (column, paths)
    assert set(columns) - compared <= {c for p, c in NOT_IN_GOLDEN if p == preset}
