"""The limits that are shipped: what they must never turn away, and what must never pass."""

import pandas as pd
import pytest

from fusionlab import baselines
from fusionlab.decoys import DECOYS, SPOILS, spoil
from fusionlab.demo.scenes import make_scenes
from fusionlab.images import decode, luminance
from fusionlab.metrics import prepare
from fusionlab.selection import load_policy
from fusionlab.selection.guards import failed

ALWAYS = ("noise_10", "ghost_5")


def read(path):
    return luminance(decode(path.read_bytes()).pixels)


def turned_away(task, sources, images):
    """Return name -> the first guard of the default policy that an image fails, or ""."""
    policy = load_policy("robust")
    scene = prepare(sources, [metric for metric, _, _ in policy.task_guards(task).values()])
    index = pd.MultiIndex.from_tuples([("scene", name) for name in images])
    scores = pd.DataFrame([scene.measure(image) for image in images.values()], index=index)
    return failed(scores, policy, task).droplevel(0).to_dict()


def sources_of(folder, modalities, name):
    found = [p for m in modalities for p in sorted((folder / "sources" / m).glob(f"{name}*"))]
    return [read(path) for path in found if path.stem in {name, f"{name}_2"}]


def test_none_of_the_three_that_people_like_best_is_turned_away(shared):
    folder = shared / "data/mef/mefdb"
    opinions = pd.read_csv(folder / "mos.csv")
    best = opinions.sort_values("mos").groupby("name").tail(3)
    assert len(best) == 24
    for name, rows in best.groupby("name"):
        images = {row.method: read(folder / row.file) for row in rows.itertuples()}
        sources = sources_of(folder, ("under", "over", "mid"), name)
        assert set(turned_away("mef", sources, images).values()) == {""}, name


@pytest.mark.parametrize("name", ["image1", "image2", "image3"])
def test_the_truth_passes_and_what_is_made_of_it_does_not(shared, name):
    folder = shared / "data/mff/gray_synth"
    sources = sources_of(folder, "AB", name)
    truth = next((folder / "reference").rglob(f"{name}.*"))
    images = {"truth": read(truth)}
    images |= {way: spoil(images["truth"], way) for way, s in SPOILS.items() if s.kind == "defect"}
    images |= {decoy: make(*sources) for decoy, make in DECOYS.items()}
    reasons = turned_away("mff", sources, images)
    assert reasons.pop("truth") == ""
    assert "" not in reasons.values(), reasons


@pytest.mark.parametrize("scene", make_scenes(), ids=lambda scene: f"{scene.task}-{scene.name}")
def test_good_fusions_of_the_demo_pass_and_gross_defects_do_not(scene):
    pixels = list(scene.sources.values())
    sources = [luminance(x) for x in pixels]
    good = luminance(baselines.apply("laplacian", scene.task, pixels))
    images = {"good": good, "truth": luminance(scene.reference)}
    images |= {way: spoil(good, way) for way in ALWAYS}
    images |= {decoy: make(*sources[:2]) for decoy, make in DECOYS.items()}
    reasons = turned_away(scene.task, sources, images)
    assert reasons.pop("good") == reasons.pop("truth") == ""
    assert reasons["noise_10"] in {"noise", "sharpened"}
    assert "" not in reasons.values(), reasons
