"""Guards: who may be chosen at all."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import METHODS, make_lab
from pydantic import ValidationError

from fusionlab import audit
from fusionlab.errors import ConfigError, LabError, UnknownNameError
from fusionlab.scoring import score
from fusionlab.selection import Policy, load_policy, select
from fusionlab.selection.guards import failed
from fusionlab.selection.policy import Guard


def policy(guards: dict[str, object], **options: object) -> Policy:
    return Policy(name="t", version=1, guards=guards, weights={"ivf": {"EN": 1}}, **options)


def scores(**methods: tuple[float, float]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples([("s", m) for m in methods], names=["scene", "method"])
    return pd.DataFrame(list(methods.values()), index=index, columns=["SF", "Nabf"])


def test_limits_are_inclusive_and_the_first_guard_is_named() -> None:
    rule = policy({"dull": {"metric": "SF", "min": 5}, "noise": {"metric": "Nabf", "max": 0.1}})
    table = scores(edge=(5, 0.1), dull=(4.9, 0.0), noisy=(6, 0.11), both=(1, 1))
    assert failed(table, rule, "ivf").to_dict() == {
        ("s", "edge"): "",
        ("s", "dull"): "dull",
        ("s", "noisy"): "noise",
        ("s", "both"): "dull",
    }


def test_what_is_not_a_number_fails_no_guard() -> None:
    rule = policy({"noise": {"metric": "Nabf", "max": 0.1}})
    assert failed(scores(small=(1, math.nan)), rule, "ivf").tolist() == [""]


def test_a_limit_by_task_guards_only_those_tasks() -> None:
    rule = policy({"noise": {"metric": "Nabf", "max": {"mff": 0.1}, "min": {"mif": 0.0}}})
    assert failed(scores(a=(1, 1)), rule, "ivf").tolist() == [""]
    assert failed(scores(a=(1, 1)), rule, "mff").tolist() == ["noise"]
    assert rule.task_guards("ivf") == {}
    assert rule.task_guards("mif") == {"noise": ("Nabf", 0.0, math.inf)}
    assert rule.task_metrics("ivf") == ["EN"]


@pytest.mark.parametrize(
    ("guard", "message"),
    [
        ({"metric": "SF"}, "needs 'min' or 'max'"),
        ({"metric": "SF", "max": {"night": 1}}, "unknown task 'night'"),
        ({"metric": "SF", "max": math.nan}, "finite"),
        ({"max": 1}, "metric"),
    ],
)
def test_a_guard_that_cannot_be_meant_is_refused(guard: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Guard(**guard)


def write_policy(path: Path, guard: str) -> str:
    path.write_text(
        f"name: x\nversion: 1\nguards:\n  odd: {guard}\nweights:\n  ivf: {{EN: 1}}\n",
        encoding="utf-8",
    )
    return str(path)


def test_guards_name_metrics_that_exist_and_never_the_truth(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Nabf"):
        load_policy(write_policy(tmp_path / "a.yaml", "{metric: Nabff, max: 1}"))
    with pytest.raises(ConfigError, match=r"guards\.odd\.PSNR_ref compares with the truth"):
        load_policy(write_policy(tmp_path / "b.yaml", "{metric: PSNR_ref, min: 20}"))


def test_guards_are_part_of_the_digest_and_unguarded_drops_them() -> None:
    bare = policy({})
    guarded = policy({"noise": {"metric": "Nabf", "max": 0.1}}, exclude=("soft",))
    assert guarded.digest != bare.digest
    assert guarded.unguarded().guards == {}
    assert guarded.unguarded().exclude == ()
    assert guarded.unguarded().name == "t-unguarded"


@pytest.fixture(name="lab")
def _lab(tmp_path: Path):
    made = make_lab(tmp_path, scenes=2)
    score(made, ["EN", "SF"])
    return made


def test_a_guarded_candidate_takes_no_part_and_why_says_so(lab) -> None:
    values = lab.scores("ivf", "toy")
    values = values[(values["metric"] == "SF") & values["method"].isin(METHODS)]
    limit = float(values[values["method"] == "noisy"]["value"].min()) * 0.99
    rule = policy({"noise": {"metric": "SF", "max": limit}})
    report = select(lab, rule, "x")
    assert report.turned_away["noise"] >= 2
    labels = lab.labels("x")
    assert "noisy" not in {*labels["method"], *labels["runner_up"]}
    assert (labels["candidates"] < len(METHODS)).all()
    found = audit.why("s0", lab, "x")
    row = found.table.set_index("method").loc["noisy"]
    assert row["turned_away"] == "noise"
    assert np.isnan(row["place"])
    assert row["SF"] > limit
    assert any(
        line.startswith("Turned away by the policy: noisy (noise: SF ") for line in found.reasons
    )


def test_a_decoy_that_a_guard_catches_cannot_win(lab) -> None:
    free = policy({})
    select(lab, free, "free")
    open_ = lab.labels("free")
    rule = policy({"all": {"metric": "SF", "max": 1e9}, "none": {"metric": "EN", "max": 100}})
    select(lab, rule, "guarded")
    assert lab.labels("guarded")["decoy"].tolist() == open_["decoy"].tolist()
    decoys = lab.scores("ivf", "toy")
    decoys = decoys[(decoys["metric"] == "EN") & decoys["method"].str.startswith("decoy:")]
    least = float(decoys["value"].min())
    strict = policy({"decoys": {"metric": "EN", "min": float(decoys["value"].max()) + 1e-9}})
    with_few = select(lab, strict, "strict")
    assert with_few.decoy_wins == {}
    assert least > 0


def test_when_every_candidate_fails_nothing_is_chosen(lab) -> None:
    with pytest.raises(LabError, match=r"no scene has a candidate that policy t v1 allows"):
        select(lab, policy({"all": {"metric": "SF", "max": -1}}), "x")
    assert not lab.labels_path("x").exists()
