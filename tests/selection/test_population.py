"""Policies that judge by a reference population, written and read again; policies in words."""

import numpy as np
import pandas as pd
import pytest
from helpers import make_lab
from typer.testing import CliRunner

from fusionlab.cli import app
from fusionlab.errors import LabError, UsageError
from fusionlab.scoring import score
from fusionlab.selection import Policy, load_policy, select, shipped_policies
from fusionlab.selection.explain import explain
from fusionlab.selection.population import with_population

BASE = Policy(name="base", version=2, weights={"ivf": {"SF": 2.0, "EN": 1.0}, "mff": {"SF": 1.0}})


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = make_lab(tmp_path_factory.mktemp("population"), scenes=6)
    score(made, ["SF", "EN"])
    return made


def test_the_population_is_all_candidates_and_no_decoy(lab):
    made = with_population(lab, BASE)
    scores = lab.scores("ivf", "toy")
    real = scores[~scores["method"].str.startswith("decoy:") & (scores["metric"] == "SF")]
    expected = np.quantile(real["value"], np.linspace(0, 1, 21))
    assert made.population["ivf"]["SF"] == pytest.approx(expected, rel=1e-5)
    assert (made.name, made.normalise, set(made.weights)) == ("base-quantile", "quantile", {"ivf"})
    assert made.weights["ivf"] == BASE.weights["ivf"]


def test_it_is_written_read_and_chosen_by(lab, tmp_path):
    out = tmp_path / "mine.yaml"
    arguments = ["policies", "population", "--lab", str(lab.path), "--out", str(out)]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 1
    assert "fusionlab score" in refused.output  # fusionfm asks for more
    (tmp_path / "base.yaml").write_text("name: base\nversion: 1\nweights: {ivf: {SF: 1, EN: 1}}\n")
    done = CliRunner().invoke(app, [*arguments, "--policy", str(tmp_path / "base.yaml")])
    assert done.exit_code == 0, done.output
    made = load_policy(str(out))
    assert select(lab, made, "placed").labels == 6
    labels = pd.read_parquet(lab.labels_path("placed"))
    assert labels["total"].between(0, 1).all()


def test_what_is_too_little(lab, tmp_path):
    with pytest.raises(UsageError, match="no data set of mff"):
        with_population(lab, BASE.model_copy(update={"weights": {"mff": {"SF": 1.0}}}))
    few = make_lab(tmp_path, scenes=2)
    with pytest.raises(LabError, match="fusionlab score"):
        with_population(few, BASE)
    score(few, ["SF", "EN"])
    with pytest.raises(UsageError, match="needs 20 candidates: ivf has 8"):
        with_population(few, BASE)


@pytest.mark.parametrize("policy", shipped_policies().values(), ids=lambda p: p.name)
def test_every_shipped_policy_can_be_put_into_words(policy):
    said = " ".join(explain(policy))
    assert all(f"{task}: " in said for task in ("infrared-visible", "multi-focus"))
    assert "total" in said


def test_all_that_a_policy_can_say_is_said():
    policy = Policy.model_validate(
        {
            "name": "all",
            "version": 1,
            "normalise": "zscore",
            "families": "share",
            "exclude": ["clipped"],
            "penalise": {"jpeg": 0.25},
            "abstain": {"stability": 0.5, "margin": 0.01},
            "guards": {
                "noise": {"metric": "Nabf", "max": {"ivf": 0.5, "mff": 0.25}},
                "contrast": {"metric": "SD", "min": 1, "max": 90},
            },
            "weights": {"ivf": {"SSIM": 3, "Nabf": 1}},
        }
    )
    assert list(explain(policy)) == [
        "Turned away as noise: Nabf above 0.5 (ivf); Nabf above 0.25 (mff).",
        "Turned away as contrast: SD below 1 or above 90.",
        "Turned away: candidates with one of the flags clipped.",
        "Each score is measured in standard deviations from the mean of its scene.",
        "Candidates of one family, variants of one method, count as one voter together.",
        "The total is the weighted mean of these; the highest total wins.",
        "infrared-visible: SSIM 75%, Nabf (lower) 25%.",
        "A candidate flagged jpeg loses 0.25 of its total.",
        "A scene whose choice has a stability below 0.5, or a lead below 0.01, gets no label.",
    ]
