"""Places, coverage and guards count what took part."""

from __future__ import annotations

import pytest
from helpers import METHODS, write_dataset

from fusionlab import audit
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import Policy, select

SCENES = 4


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Four scenes; `sharp` lacks in two of them, and a second data set has one method only."""
    folder = tmp_path_factory.mktemp("places")
    made = Lab.create(folder / "lab")
    manifest = write_dataset(folder, scenes=SCENES)
    for scene in ("s0", "s1"):
        (folder / "toy/out/sharp" / f"{scene}.png").unlink()
    ingest(*load_manifest(manifest), made)
    ingest(*load_manifest(write_dataset(folder, dataset="lone", scenes=2, methods=("mean",))), made)
    score(made)
    weights = {"ivf": {"SSIM": 1.0}}
    select(made, Policy(name="p", version=1, weights=weights), "plain")
    contrast = {"contrast": {"metric": "SD", "max": 55.0}}
    select(made, Policy(name="g", version=1, weights=weights, guards=contrast), "guarded")
    return made


def test_places_are_those_of_the_policy(lab: Lab) -> None:
    places = audit.places(lab, "plain")
    assert len(places) == SCENES * len(METHODS) - 2 + 2
    labels = lab.labels("plain").set_index(["dataset", "scene"])["method"]
    first = places[places["place"] == 1].set_index(["dataset", "scene"])["method"]
    assert first.to_dict() == labels.to_dict()
    assert places[places["scene"] == "s0"].query("dataset == 'toy'")["of"].tolist() == [3] * 3
    ssim = (
        lab.scores("ivf", "toy").query("metric == 'SSIM'").set_index(["scene", "method"])["value"]
    )
    s3 = places.query("dataset == 'toy' and scene == 's3'")
    assert [ssim["s3", m] for m in s3["method"]] == sorted(ssim["s3"][list(METHODS)])[::-1]


def test_the_spread_of_places(lab: Lab) -> None:
    spread = audit.rank_distribution(lab, "plain").query("dataset == 'toy'").set_index("method")
    places = audit.places(lab, "plain").query("dataset == 'toy'")
    for method in METHODS:
        mine = places.loc[places["method"] == method, "place"]
        assert spread.loc[method, "scenes"] == len(mine)
        assert spread.loc[method, "mean"] == pytest.approx(mine.mean())
        assert spread.loc[method, ["best", "worst"]].tolist() == [mine.min(), mine.max()]
    assert spread["mean"].is_monotonic_increasing


def test_coverage_lists_who_enters_nothing(lab: Lab) -> None:
    found = audit.coverage(lab, "plain").set_index(["dataset", "method"])
    assert found.loc[("toy", "sharp"), ["entered", "scenes", "share"]].tolist() == [2, 4, 0.5]
    assert found.loc[("toy", "mean"), "share"] == 1
    assert found.loc[("lone", "sharp"), ["entered", "scenes", "share"]].tolist() == [0, 2, 0]


def test_only_methods_of_all_scenes_are_compared(lab: Lab) -> None:
    found = audit.critical_difference(lab, "plain")
    assert set(found["dataset"]) == {"toy"}
    assert set(found["method"]) == set(METHODS) - {"sharp"}
    assert (found["scenes"] == SCENES).all()


def test_guards_are_counted_by_candidates_not_decoys(lab: Lab) -> None:
    found = audit.guards(lab, "guarded").set_index(["dataset", "guard"])
    contrast = lab.scores("ivf", "toy").query("metric == 'SD' and value > 55")
    real = contrast[~contrast["method"].str.startswith("decoy:")]
    assert 0 < len(real) < SCENES * len(METHODS) - 2
    row = found.loc[("toy", "contrast")]
    assert row["turned_away"] == len(real)
    assert row["candidates"] == SCENES * len(METHODS) - 2
    assert set(row["examples"].split()) <= set(real["method"])
    assert audit.guards(lab, "plain").empty


def test_a_new_candidate_without_scores_breaks_no_frame(tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("new")
    made = Lab.create(folder / "lab")
    ingest(*load_manifest(write_dataset(folder, scenes=2, methods=("mean", "noisy"))), made)
    score(made)
    select(made, Policy(name="p", version=1, weights={"ivf": {"SSIM": 1.0}}), "x")
    ingest(*load_manifest(write_dataset(folder, scenes=2)), made)
    assert set(audit.places(made)["method"]) == {"mean", "noisy"}
    assert set(audit.all_frames(made)["coverage"]["method"]) == set(METHODS)
