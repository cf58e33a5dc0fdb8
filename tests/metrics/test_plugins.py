"""Metrics of other distributions: really installed, in a folder of their own."""

import json
import subprocess
import sys
from pathlib import Path

import distributions
import pytest

from fusionlab.errors import MissingMetricError
from fusionlab.metrics import iqa, plugins, registry

GOOD = """
from fusionlab.metrics import Family, Metric

METRIC = Metric(name="brightness", title="Mean of the fused image", formula="mean F",
                source="a test", range=(0.0, 255.0), arity="fused")


def compute(_state, fused, _wanted):
    return {"brightness": float(fused.mean())}


FAMILY = Family("light", (METRIC,), lambda _scene, _wanted: None, compute)
"""


def install(folder: Path, name: str, code: str, target: str = "FAMILY") -> None:
    distributions.install(folder, name, code, plugins.GROUP, target)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with distributions.on_path(tmp_path, monkeypatch, registry._table.cache_clear) as folder:
        yield folder


def test_an_installed_metric_is_one_of_ours(tmp_path: Path) -> None:
    install(tmp_path, "acme-light", GOOD)
    code = (
        "import json, numpy, fusionlab.metrics as m\n"
        "from fusionlab.testing import check_metric\n"
        "check_metric('brightness')\n"
        "x = numpy.full((9, 9), 7, numpy.uint8)\n"
        "print(json.dumps([m.names()[-1], m.measure(x, x, x, ['EN', 'brightness'])]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"PYTHONPATH": f"{tmp_path}:{Path(plugins.__file__).parents[2]}", "HOME": "/tmp"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == ["brightness", {"EN": 0.0, "brightness": 7.0}]


def test_nothing_is_loaded_before_the_first_lookup(site: Path) -> None:
    install(site, "acme-light", GOOD)
    assert "acme_light" not in sys.modules
    assert registry.get("brightness").title == "Mean of the fused image"
    assert "acme_light" in sys.modules


def test_a_list_of_families(site: Path) -> None:
    install(site, "acme-light", GOOD + "\nBOTH = [FAMILY]\n", "BOTH")
    assert "brightness" in registry.names()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise RuntimeError('boom')", "does not load: RuntimeError"),
        ("import a_package_that_is_not_there", "ModuleNotFoundError"),
        ("X = 1", "AttributeError"),
        ("FAMILY = 3", "is a int, not a metrics.Family"),
        (GOOD.replace("(METRIC,)", "()"), "declares no metrics"),
        (GOOD.replace('"brightness"', '"EN"'), "the metric name 'EN' is taken by FusionLab"),
        (GOOD.replace('"light"', '"vif"'), "FusionLab has a family of this name"),
        (GOOD.replace("(METRIC,)", "(METRIC, METRIC)"), "declares the metric 'brightness' twice"),
        (GOOD.replace('"brightness"', '"pyiqa:x"'), "begins with 'pyiqa:'"),
    ],
)
def test_a_broken_one_is_named_and_left_out(site: Path, code: str, says: str) -> None:
    install(site, "acme-broken", code)
    install(site, "acme-light", GOOD.replace('"light"', '"good"').replace("brightness", "good"))
    with pytest.warns(plugins.PluginWarning, match=r"acme-broken 1\.2 is left out") as caught:
        known = registry.names()
    assert says in str(caught[0].message)
    assert len(caught) == 1
    assert "good" in known
    assert "EN" in known


def test_two_that_clash(site: Path) -> None:
    install(site, "acme-one", GOOD)
    install(site, "acme-two", GOOD.replace('"light"', '"other"'))
    with pytest.warns(plugins.PluginWarning, match=r"acme-two.*taken by acme-one 1\.2"):
        registry.names()
    assert registry.family_of("brightness").name == "light"


@pytest.mark.skipif(iqa.installed(), reason="pyiqa is installed")
def test_pyiqa_that_is_not_there() -> None:
    assert not any(name.startswith("pyiqa:") for name in registry.names())
    with pytest.raises(MissingMetricError, match=r"pip install 'fusionlab\[iqa\]'"):
        registry.get("pyiqa:ssim")
