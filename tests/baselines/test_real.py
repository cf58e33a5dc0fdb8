"""Where our methods stand on two real scenes; the whole is benchmarks/baselines.py."""

import numpy as np
import pytest

from fusionlab import baselines
from fusionlab.images import luminance, read_image
from fusionlab.metrics import prepare


def qabf(folder, scene, modalities, method):
    """Return Qabf of our method and, in falling order, of all real ones."""
    task = folder.parent.name
    sources = [read_image(folder / "sources" / m / f"{scene}.jpg") for m in modalities]
    measured = prepare([luminance(s) for s in sources], ["Qabf"])
    real = [
        measured.measure(luminance(read_image(file)))["Qabf"]
        for file in sorted((folder / "methods").glob(f"*/{scene}.*"))
    ]
    ours = measured.measure(luminance(baselines.apply(method, task, sources)))["Qabf"]
    return ours, np.sort(real)[::-1]


@pytest.mark.parametrize("method", ["laplacian", "gff", "wls"])
def test_a_good_method_is_in_the_upper_half_of_vifb(shared, method):
    ours, real = qabf(shared / "data/ivf/vifb", "manWalking", ("ir", "vis"), method)
    assert len(real) == 25
    assert ours > real[12]


def test_the_decision_map_is_in_the_upper_third_of_lytro(shared):
    ours, real = qabf(shared / "data/mff/lytro", "lytro_01", ("A", "B"), "decision_map")
    assert len(real) == 35
    assert ours > real[11]
