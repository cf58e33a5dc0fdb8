import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionlab import baselines, colour
from fusionlab.errors import ImageError, UnknownNameError, UsageError
from fusionlab.tasks import TASKS

PAIRS = [(task, name) for task in TASKS for name in baselines.names(task)]


def image(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_names_by_task():
    special = {"ivf": ["wls"], "mif": [], "mef": ["mertens"], "mff": ["focus_map", "decision_map"]}
    common = [n for n in baselines.names() if not any(n in own for own in special.values())]
    assert {"mean", "max", "laplacian", "wavelet", "gff"} < set(common)
    assert len(common) == 11
    for task, own in special.items():
        served = baselines.names(task)
        assert [n for n in served if n in common] == common
        assert [n for n in served if n not in common] == own


def test_every_row_of_the_table_says_what_it_is():
    for name in baselines.names():
        row = baselines.get(name)
        assert (row.name, bool(row.title), bool(row.paper)) == (name, True, True)
        assert set(row.tasks) <= set(TASKS)


def test_unknown_names_get_the_nearest_one():
    with pytest.raises(UnknownNameError, match="Did you mean 'laplacian'"):
        baselines.get("laplace")
    with pytest.raises(UnknownNameError, match="baselines: unknown task"):
        baselines.names("mfff")


@pytest.mark.parametrize(("task", "name"), PAIRS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 8), (21, 34)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_identical_sources_come_back_within_a_level(task, name, shape, channels):
    source = image((*shape, *channels))
    fused = baselines.apply(name, task, [source, source])
    assert fused.dtype == np.uint8
    assert fused.shape == source.shape
    assert np.abs(fused.astype(int) - source).max() <= 1


@pytest.mark.parametrize(("task", "name"), PAIRS)
@given(height=st.integers(1, 24), width=st.integers(1, 24), seed=st.integers(0, 9))
@settings(max_examples=8, deadline=None)
def test_any_size_any_number_and_the_same_twice(task, name, height, width, seed):
    sources = [image((height, width, 3), seed), image((height, width), seed + 1)]
    for extra in ([], [image((height, width, 3), seed + 2)]):
        first = baselines.apply(name, task, [*sources, *extra])
        assert first.shape[:2] == (height, width)
        np.testing.assert_array_equal(first, baselines.apply(name, task, [*sources, *extra]))


@pytest.mark.parametrize(("task", "name"), PAIRS)
def test_gray_sources_give_a_gray_image(task, name):
    gray_in_rgb = np.repeat(image((9, 11, 1)), 3, axis=2)
    assert baselines.apply(name, task, [image((9, 11), 1), gray_in_rgb]).shape == (9, 11)


def test_colour_follows_the_rule_of_the_task():
    infrared, visible = np.full((6, 7), 100, np.uint8), np.full((6, 7, 3), (120, 90, 60), np.uint8)
    fused = baselines.apply("mean", "ivf", [infrared, visible])
    expected = (100 + colour.luminance(visible)) / 2
    np.testing.assert_allclose(colour.luminance(fused), expected, atol=0.6)
    np.testing.assert_allclose(colour.chroma(fused), colour.chroma(visible), atol=1.0)
    assert baselines.apply("mean", "ivf", [visible, infrared]).ndim == 2


def test_results_are_clipped_not_wrapped():
    sources = [255 * (image((32, 32), seed) // 128) for seed in (1, 2)]
    plane = baselines.get("laplacian").fuse([colour.luminance(s) for s in sources])
    assert plane.min() < -1
    assert plane.max() > 256
    fused = baselines.apply("laplacian", "mff", sources)
    np.testing.assert_array_equal(fused, np.clip(np.rint(plane), 0, 255))


def test_a_method_refuses_a_task_it_does_not_serve():
    with pytest.raises(UsageError, match=r"'mertens': got task 'ivf', expected one of mef\. For"):
        baselines.apply("mertens", "ivf", [image((4, 4)), image((4, 4))])


@pytest.mark.parametrize(
    ("sources", "reason"),
    [
        ([], "sources"),
        ([image((4, 4))], "sources"),
        ([image((4, 4)), image((4, 5))], "size"),
        ([image((4, 4)), image((4, 4)).astype(np.float64)], "dtype"),
        ([image((4, 4)), image((4, 4, 4))], "shape"),
        ([image((0, 4)), image((0, 4))], "empty"),
    ],
)
def test_sources_it_cannot_take(sources, reason):
    with pytest.raises(ImageError, match=r"baseline 'mean'.*: got .*expected") as caught:
        baselines.apply("mean", "mff", sources)
    assert caught.value.reason == reason
