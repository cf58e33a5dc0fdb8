"""Which scene a candidate shows."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusionlab import baselines
from fusionlab.demo.scenes import make_scenes
from fusionlab.images import luminance, read_image
from fusionlab.inspection.likeness import MOST_SOURCES, SIDE, Models, describe, fits
from fusionlab.inspection.match import EXCESS, FLOOR, MARGIN, SceneFinder, fit
from fusionlab.inspection.shortlist import LENGTH, Shortlist

DEMO = make_scenes()


def grays(scene):
    return [luminance(image) for image in scene.sources.values()]


def demo_finder(task):
    return SceneFinder((s.name, describe(grays(s))) for s in DEMO if s.task == task)


def noise(seed, shape=(90, 120)):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture(scope="module")
def textures():
    """Five scenes of smoothed noise, two sources each."""
    rng = np.random.default_rng(0)

    def one():
        return np.kron(rng.integers(0, 256, (24, 32)), np.ones((8, 8))).astype(np.uint8)

    return {f"s{i}": [one(), one()] for i in range(5)}


def test_a_source_and_any_levels_of_it_are_explained_wholly(textures):
    a, b = textures["s0"]
    assert fit(a, [a, b]) > 0.99
    assert fit(255 - a, [a, b]) > 0.99
    assert fit((a * 0.2 + 100).astype(np.uint8), [a, b]) > 0.95
    assert fit(((a / 255.0) ** 0.4 * 255).astype(np.uint8), [a, b]) > 0.8


def test_other_content_is_not_explained(textures):
    assert fit(textures["s1"][0], textures["s0"]) < 0.2


def test_flat_images_are_explained_by_nothing_and_explain_nothing(textures):
    flat = np.full((192, 256), 77, np.uint8)
    assert fit(flat, textures["s0"]) == 0
    assert fit(textures["s0"][0], [flat, flat]) == 0
    assert fit(textures["s0"][0], [flat, textures["s0"][0]]) > 0.99


def test_sizes_and_depths_may_differ(textures):
    a, b = textures["s0"]
    assert fit(a.astype(np.float64), [a, b[::2, ::2]]) > 0.99
    assert fit(np.kron(a, np.ones((2, 2), np.uint8)), [a, b]) > 0.99


def test_a_crop_is_compared_as_a_crop(textures):
    a, b = textures["s0"]
    cut = a[:176, :240]
    as_a_copy = fits(describe([cut]).thumbs[0], Models.of([describe([a, b])]))[0]
    assert fit(cut, [a, b]) > max(0.9, as_a_copy)
    assert fit(a[8:-8, 8:-8], [a, b]) > 0.9


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_a_fit_is_a_share(seed, sources):
    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 256, tuple(rng.integers(1, 90, 2))).astype(np.uint8)
              for _ in range(sources + 1)]  # fmt: skip
    assert 0 <= fit(images[0], images[1:]) <= 1


def test_many_shots_are_represented_by_three():
    shots = [np.clip(noise(1) * gain, 0, 255).astype(np.uint8) for gain in (0.1, 0.3, 0.5, 1, 1.5)]
    assert describe(shots).thumbs.shape == (MOST_SOURCES, SIDE, SIDE)


@pytest.mark.parametrize("images", [[], [np.zeros((4, 4, 3))], [np.zeros((0, 4))]])
def test_what_is_no_luminance_is_named(images):
    with pytest.raises(ValueError, match=r"expected one or more, \(H, W\) each"):
        describe(images)


@pytest.mark.parametrize("task", ["ivf", "mif", "mef", "mff"])
def test_every_baseline_of_the_demo_is_of_its_scene(task):
    finder = demo_finder(task)
    scenes = [s for s in DEMO if s.task == task]
    for scene, other in zip(scenes, scenes[1:] + scenes[:1], strict=True):
        for method in baselines.names(task):
            fused = baselines.apply(method, task, list(scene.sources.values()))
            candidate = describe([luminance(fused)])
            assert finder.explain(candidate, scene.name).verdict == "own", method
            assert finder.assign(candidate) == scene.name, method
            if other is not scene:
                wrong = finder.explain(candidate, other.name)
                assert (wrong.verdict, wrong.best_scene) == ("other", scene.name), method


def test_a_scene_that_is_not_there_is_fitted_by_none(textures):
    finder = SceneFinder((n, describe(s)) for n, s in textures.items() if n != "s4")
    stranger = describe([textures["s4"][0]])
    found = finder.explain(stranger, "s0")
    assert found.verdict == "none"
    assert found.own_fit < FLOOR
    assert found.own_fit - found.own_chance < EXCESS
    assert finder.assign(stranger) is None
    assert finder.explain(stranger, "s4").verdict == "none"


def test_a_tie_is_no_alarm_and_no_assignment(textures):
    a, b = textures["s0"]
    twin = [np.clip(x.astype(int) + noise(3, x.shape) % 3, 0, 255).astype(np.uint8) for x in (a, b)]
    finder = SceneFinder([("one", describe([a, b])), ("two", describe(twin))])
    candidate = describe([(a // 2 + b // 2).astype(np.uint8)])
    assert finder.explain(candidate, "one").verdict == "own"
    assert finder.explain(candidate, "two").verdict == "own"
    assert finder.assign(candidate) is None


@pytest.mark.parametrize("shape", [(192, 256), (20, 200)])
def test_nothing_is_told_of_flat_or_tiny_candidates(textures, shape):
    finder = SceneFinder((n, describe(s)) for n, s in textures.items())
    image = np.full(shape, 50, np.uint8) if min(shape) > 32 else noise(0, shape)
    found = finder.explain(describe([image]), "s0")
    assert found.verdict == "cannot_tell"
    assert finder.assign(describe([image])) is None


def test_nothing_is_told_of_flat_sources(textures):
    flat = [np.zeros((192, 256), np.uint8)] * 2
    finder = SceneFinder([("flat", describe(flat)), ("s0", describe(textures["s0"]))])
    assert finder.explain(describe([noise(1)]), "flat").verdict == "cannot_tell"


def test_no_scenes_explain_nothing():
    finder = SceneFinder([])
    assert len(finder) == 0
    assert finder.explain(describe([noise(0)]), "s").verdict == "none"
    assert finder.assign(describe([noise(0)])) is None


def test_orphans_are_assigned_and_a_stranger_is_not(textures):
    finder = SceneFinder((n, describe(s)) for n, s in textures.items())
    orphans = [(f"file{n}", describe([s[1]])) for n, s in textures.items()]
    orphans.append(("stranger", describe([noise(9, (192, 256))])))
    found = {key: finder.assign(candidate) for key, candidate in orphans}
    assert found == {**{f"file{n}": n for n in textures}, "stranger": None}


def test_the_shortlist_of_a_large_set_holds_the_scene():
    scenes = [
        describe([noise((7, i), (64, 64)), noise((8, i), (64, 64))]) for i in range(LENGTH + 9)
    ]
    names = [f"{i:04d}" for i in range(len(scenes))]
    listed = Shortlist.of(scenes)
    assert len(listed.nearest(scenes[0].thumbs[0])) == LENGTH
    finder = SceneFinder(zip(names, scenes, strict=True))
    for i in (0, 50, LENGTH + 8):
        mean = (scenes[i].thumbs[0] // 2 + scenes[i].thumbs[1] // 2).astype(np.uint8)
        assert i in listed.nearest(mean)
        assert finder.assign(describe([mean])) == names[i]


def real(shared: Path, dataset: str, methods=None):
    """Descriptors of the scenes, and (method, stem, note, descriptor) of the candidates."""
    scenes, candidates = {}, []
    with (shared / "data" / "MANIFEST.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if f"{r['task']}/{r['dataset']}" == dataset]
    for row in rows:
        method, stem = row["modality_or_method"], Path(row["file_name"]).stem
        if row["role"] == "methods" and (methods is None or method in methods):
            gray = luminance(read_image(shared / "data" / row["file"]))
            candidates.append((method, stem, row["note"], describe([gray])))
        elif row["role"] == "sources":
            gray = luminance(read_image(shared / "data" / row["file"]))
            scenes.setdefault(stem, []).append(gray)
    return {name: describe(images) for name, images in scenes.items()}, candidates


@pytest.mark.parametrize("joined", [False, True])
def test_roadscene_as_found_is_put_right(shared, joined):
    scenes, candidates = real(shared, "ivf/roadscene_asfound")
    more = real(shared, "ivf/roadscene", methods=())[0] if joined else {}
    finder = SceneFinder((scenes | more).items())
    for method, stem, note, candidate in candidates:
        true = note.removeprefix("true scene is ") or stem
        verdict = finder.explain(candidate, stem).verdict
        assert (verdict == "own") == (true == stem), (method, stem)
        assert finder.assign(candidate) == (true if true in scenes else None), (method, stem)


@pytest.mark.parametrize(
    ("dataset", "methods"),
    [
        ("ivf/vifb", ("CBF", "NSCT_SR", "GTF", "SeAFusion")),
        ("mff/lytro", ("GD", "FusionDN", "MGFF")),
        ("mef/rchen19", ("Ma_fail", "HDR_Reinhard")),
        ("mif/harvard_ct_mri", ("PYRAMID-grayscale",)),
    ],
)
def test_failed_methods_raise_no_alarm_and_shuffled_names_do(shared, dataset, methods):
    scenes, candidates = real(shared, dataset, methods)
    finder, names = SceneFinder(scenes.items()), sorted(scenes)
    after = dict(zip(names, names[1:] + names[:1], strict=True))
    for method, stem, _, candidate in candidates:
        right = finder.explain(candidate, stem)
        assert right.verdict == "own", (method, stem)
        wrong = finder.explain(candidate, after[stem])
        assert (wrong.verdict, wrong.best_scene) == ("other", stem), (method, stem)
        assert wrong.best_fit - wrong.own_fit >= MARGIN
