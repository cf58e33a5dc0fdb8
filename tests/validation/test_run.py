"""A whole validation of a small lab: what it needs, what it finds, and what it never touches."""

from pathlib import Path

import pandas as pd
import pytest
from helpers import METHODS, make_lab, tree_bytes, write_dataset

import fusionlab.selection
from fusionlab.decoys import DECOYS, SPOILS
from fusionlab.errors import LabError, UsageError
from fusionlab.ingest import ingest, load_manifest
from fusionlab.scoring import score
from fusionlab.selection import Policy, load_policy, select
from fusionlab.selection.writing import check_out, write_policy
from fusionlab.validation import fitting, validate
from fusionlab.validation.truths import truths_of

SHARP = Policy(name="sharp", version=1, weights={"ivf": {"SF": 1.0}})
MEAN = Policy(name="like-a-mean", version=1, weights={"ivf": {"SSIM": 1.0}})
KEY = ("ivf", "toy")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Three scenes with references, of which 'mean' is the truth, and opinions of two."""
    made = make_lab(tmp_path_factory.mktemp("validation"), scenes=3, reference=True)
    score(made, ["SF", "SSIM", "PSNR_ref", "EN"])
    opinions = [(s, m, v) for s, m, v in [
        ("s0", "sharp", 9.0), ("s0", "noisy", 4.0), ("s0", "mean", 5.0),
        ("s1", "sharp", 7.0), ("s1", "mean", 8.0),
        ("s2", "mean", 8.0),
    ]]  # fmt: skip
    frame = pd.DataFrame(opinions, columns=["scene", "method", "score"])
    with made.writing():
        made.write_opinions(*KEY, frame.assign(task="ivf", dataset="toy", file="mos.csv"))
    return made


def test_every_truth_has_the_pools_of_who_has_it(lab):
    opinion, reference = truths_of(lab, *KEY)
    assert (opinion.unit, reference.unit) == ("points", "dB")
    assert opinion.known.groupby("scene").size().to_dict() == {"s0": 3, "s1": 2}
    assert len(reference.known) == 3 * len(METHODS)
    assert reference.known.loc["s0"].idxmax() == "mean"
    assert reference.known.max() == 100.0  # of an equal image, whose PSNR is infinite
    assert [t.name for t in truths_of(lab, *KEY, ["opinion"])] == ["opinion"]


def test_policies_are_judged_by_every_truth(lab):
    found = validate(lab, [MEAN], SHARP)
    rows = found.truths.set_index(["truth", "policy"])
    noisy = truths_of(lab, *KEY)[1].known.unstack()["noisy"]
    assert rows.loc[("reference", "like-a-mean"), "regret"] == 0.0
    assert rows.loc[("reference", "like-a-mean"), "best"] == 1.0
    assert rows.loc[("reference", "sharp"), "regret"] == pytest.approx((100.0 - noisy).mean())
    assert rows.loc[("reference", "like-a-mean"), "difference"] < -10
    assert rows.loc[("reference", "always mean"), "regret"] == 0.0
    assert rows.loc[("opinion", "like-a-mean"), "regret"] == pytest.approx((4.0 + 0.0) / 2)
    assert rows.loc[("opinion", "sharp"), "regret"] == pytest.approx((5.0 + 1.0) / 2)
    assert rows.loc[("opinion", "sharp"), "scenes"] == 2


def test_policies_are_offered_every_intruder(lab):
    validate(lab, [MEAN], SHARP)
    found = validate(lab, [MEAN], SHARP)
    assert found.measured == 0
    assert len(found.attacks) == 2 * 3 * (len(DECOYS) + len(SPOILS) + 1)
    rates = found.decoys.set_index(["policy", "decoy"])["lost"]
    assert rates[("sharp", "noise_10")] == 1.0
    assert rates[("like-a-mean", "noise_10")] == 0.0
    assert rates[("like-a-mean", "mean")] == 0.0  # equal to a candidate: a tie is not lost
    assert rates[("like-a-mean", "truth")] == 0.0
    assert rates[("sharp", "truth")] == 1.0
    assert set(found.frames) == {"truths", "decoys", "choices", "attacks"}


def test_guards_turn_intruders_away_and_the_rates_without_them_stand_beside(lab):
    scores = lab.scores(*KEY)
    mine = scores[(scores["metric"] == "EN") & (scores["method"] == "sharp")]["value"]
    text = {"metric": "EN", "max": float(mine.max()) + 1e-9}
    guarded = Policy.model_validate(
        {**SHARP.model_dump(), "name": "guarded", "guards": {"noise": text}}
    )
    found = validate(lab, [guarded], SHARP)
    rates = found.decoys.set_index(["policy", "decoy"])
    assert rates.loc[("guarded", "noise_10"), "lost"] == 0.0
    assert (
        rates.loc[("guarded", "noise_10"), "lost_bare"] == rates.loc[("sharp", "noise_10"), "lost"]
    )
    chosen = found.choices.set_index(["policy", "truth"])["chosen"]
    assert set(chosen["guarded"]) != set(chosen["sharp"])


def test_without_trials_nothing_is_measured_or_written(tmp_path):
    made = make_lab(tmp_path, scenes=2)
    score(made, ["SF"])
    before = tree_bytes(made.path)
    found = validate(made, [SHARP], SHARP, trials=False)
    assert tree_bytes(made.path) == before
    assert set(found.attacks["kind"]) == {"sources"}
    assert found.truths.empty
    assert found.choices.empty


def test_missing_scores_are_an_error_with_the_one_command_that_measures_all(tmp_path):
    made = make_lab(tmp_path, scenes=1)
    with pytest.raises(LabError, match=r"Score first: fusionlab score .* --metrics SF,SSIM$"):
        validate(made, [SHARP, MEAN], SHARP)


def test_references_that_were_not_scored_are_an_error(tmp_path):
    made = make_lab(tmp_path, scenes=1, reference=True)
    score(made, ["SF"])
    with pytest.raises(LabError, match="--metrics PSNR_ref"):
        validate(made, [SHARP], SHARP)


def test_a_policy_takes_no_part_in_tasks_that_it_has_no_weights_for(lab):
    other = Policy(name="other", version=1, weights={"mff": {"SF": 1.0}})
    assert set(validate(lab, [other], SHARP).attacks["policy"]) == {"sharp"}
    with pytest.raises(LabError, match="these policies have weights for"):
        validate(lab, [other], other)


def test_two_policies_of_one_name_and_a_data_set_that_is_not_there(lab):
    with pytest.raises(UsageError, match="two different policies are called 'sharp'"):
        validate(lab, [SHARP, SHARP.model_copy(update={"version": 2})], SHARP)
    with pytest.raises(UsageError, match="no data set is mff"):
        validate(lab, [SHARP], SHARP, task="mff")


def test_selection_never_reads_opinions(lab):
    folder = Path(fusionlab.selection.__file__).parent
    assert not [f.name for f in folder.glob("*.py") if "opinion" in f.read_text(encoding="utf-8")]
    path = lab.labels_path("with")
    select(lab, SHARP, "with")
    told = path.read_bytes()
    with lab.writing():
        kept = lab.opinions(*KEY)
        lab.write_opinions(*KEY, kept.assign(score=-kept["score"]))
    try:
        select(lab, SHARP, "with")
        assert path.read_bytes() == told
    finally:
        with lab.writing():
            lab.write_opinions(*KEY, kept)


BOTH = Policy(name="both", version=3, weights={"ivf": {"SF": 1.0, "SSIM": 1.0}})


def test_a_policy_is_fitted_and_read_again(lab, tmp_path):
    made, fit, name = fitting.fit_policy(lab, BOTH, "ivf", truth="reference")
    assert name == "reference, dB"
    assert fit.weights.get("SSIM", 0.0) > fit.weights.get("SF", 0.0)
    assert fit.scenes == 3
    check_out(tmp_path / "mine.yaml")
    write_policy(made, tmp_path / "mine.yaml")
    again = load_policy(str(tmp_path / "mine.yaml"))
    assert again.digest == made.digest
    assert again.name == "both-fitted-ivf"
    assert again.weights["ivf"] == fit.weights
    assert "each left out of the fit that judged it" in again.description
    with pytest.raises(UsageError, match="is there already"):
        check_out(tmp_path / "mine.yaml")
    with pytest.raises(UsageError, match=r"ends in \.yaml"):
        check_out(tmp_path / "mine.txt")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "choose one with --truth"),
        ({"truth": "opinion"}, "2 scenes with a truth by opinion"),
    ],
)
def test_a_fit_needs_one_truth_and_scenes(lab, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        fitting.fit_policy(lab, BOTH, "ivf", **options)


def test_a_lab_without_truths_cannot_be_fitted_to(tmp_path):
    made = make_lab(tmp_path, scenes=1)
    score(made, ["SF", "SSIM"])
    with pytest.raises(UsageError, match="truths of ivf: none; ingest opinions or references"):
        fitting.fit_policy(made, BOTH, "ivf")


def test_opinions_of_several_data_sets_are_not_thrown_together(tmp_path):
    made = make_lab(tmp_path, scenes=3)
    ingest(*load_manifest(write_dataset(tmp_path / "images", scenes=3, dataset="more")), made)
    score(made, ["SF", "SSIM"])
    with made.writing():
        for dataset in ("toy", "more"):
            rows = [(f"s{i}", m, float(i)) for i in range(3) for m in METHODS]
            frame = pd.DataFrame(rows, columns=["scene", "method", "score"])
            made.write_opinions("ivf", dataset, frame.assign(task="ivf", dataset=dataset, file=""))
    with pytest.raises(UsageError, match="choose one with --dataset"):
        fitting.fit_policy(made, BOTH, "ivf")
    _, fit, _ = fitting.fit_policy(made, BOTH, "ivf", dataset="more")
    assert fit.scenes == 3
    assert not fit.beats_equal  # all candidates of a scene are equally good
