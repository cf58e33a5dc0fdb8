"""Policies: what is shipped, what a file may say, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusionlab.errors import ConfigError, UnknownNameError
from fusionlab.scoring.kinds import DEFAULT
from fusionlab.selection import load_policy, shipped_policies
from fusionlab.tasks import TASKS


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return str(path)


GOOD = "name: mine\nversion: 1\nweights:\n  ivf: {Qabf: 2, CE: 1}\n"


def test_shipped_policies_serve_every_task_and_load_by_name() -> None:
    for name, policy in shipped_policies().items():
        assert load_policy(name) == policy
        assert set(policy.weights) == set(TASKS)


def test_fusionfm_uses_the_five_metrics_of_the_paper() -> None:
    for task in TASKS:
        assert list(load_policy("fusionfm").task_weights(task)) == [
            "EN",
            "SD",
            "SSIM",
            "Qabf",
            "VIF",
        ]


def test_what_is_scored_by_default_serves_every_shipped_policy() -> None:
    needed = {
        m for p in shipped_policies().values() for task in TASKS for m in p.task_metrics(task)
    }
    assert needed <= set(DEFAULT)


def test_robust_is_the_default_of_every_task_and_guards_each() -> None:
    robust = load_policy("robust")
    for task in TASKS.values():
        assert task.policy == "robust"
    for name in TASKS:
        guards = robust.task_guards(name)
        assert {"copy", "noise", "sharpened", "envelope", "contrast", "alien", "clipped"} <= set(
            guards
        )
        assert not {"EN", "SD", "SF", "Nabf"} & set(robust.task_weights(name))


def test_diff_if_adds_raw_scores_as_published() -> None:
    policy = load_policy("diff-if")
    assert policy.normalise == "none"
    assert policy.task_weights("ivf") == {"SSIM_cddfuse": 2.0, "VIF": 1.0, "Qabf": 3.0}


QUANTILE = "name: q\nversion: 1\nnormalise: quantile\nweights:\n  ivf: {Qabf: 1}\n"


def test_a_population_is_read_and_needed(tmp_path: Path) -> None:
    read = load_policy(write(tmp_path, QUANTILE + "population:\n  ivf: {Qabf: [0, 0.4, 1]}\n"))
    assert read.population["ivf"]["Qabf"] == [0.0, 0.4, 1.0]
    with pytest.raises(ConfigError, match=r"needs population\.ivf\.Qabf"):
        load_policy(write(tmp_path, QUANTILE))
    with pytest.raises(ConfigError, match=r"population\.ivf\.Qabf: quantiles must not fall"):
        load_policy(write(tmp_path, QUANTILE + "population:\n  ivf: {Qabf: [0, 1, 0.5]}\n"))
    with pytest.raises(ConfigError, match="names no 'population'"):
        load_policy("fusionfm").normalised_by("quantile")


def test_a_file_is_read_with_rank_as_default(tmp_path: Path) -> None:
    policy = load_policy(write(tmp_path, GOOD))
    assert policy.normalise == "rank"
    assert policy.task_weights("ivf") == {"Qabf": 2.0, "CE": 1.0}
    with pytest.raises(ConfigError, match=r"no weights for task 'mff'.*--task"):
        policy.task_weights("mff")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("weights", "wieghts"), "Did you mean 'weights'"),
        (GOOD + "normalise: ranks\n", "rank"),
        (GOOD.replace("2", "0"), "greater than 0"),
        (GOOD.replace("2", ".inf"), "finite"),
        ("name: x\nversion: 1\nweights: {}\n", "at least 1"),
        (GOOD.replace("{Qabf: 2, CE: 1}", "{}"), "at least 1"),
        (GOOD.replace("Qabf", "PSNR_ref"), "must not see"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_policy(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "nearest"),
    [(GOOD.replace("Qabf", "qabf"), "Qabf"), (GOOD.replace("ivf", "ifv"), "ivf")],
)
def test_unknown_metric_and_task_name_the_nearest(tmp_path: Path, text: str, nearest: str) -> None:
    with pytest.raises(UnknownNameError, match=f"Did you mean '{nearest}'"):
        load_policy(write(tmp_path, text))


def test_unknown_policy_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'fusionfm'"):
        load_policy("fusionfn")


def test_the_digest_follows_what_matters(tmp_path: Path) -> None:
    policy = load_policy(write(tmp_path, GOOD))
    described = load_policy(write(tmp_path, GOOD + "description: other words\n"))
    assert described.digest == policy.digest
    for change in (
        ("Qabf: 2", "Qabf: 3"),
        ("version: 1", "version: 2"),
        ("{Qabf: 2, CE: 1}", "{CE: 1, Qabf: 2}"),
    ):
        assert load_policy(write(tmp_path, GOOD.replace(*change))).digest != policy.digest
    assert policy.normalised_by("minmax").digest != policy.digest
    assert policy.normalised_by("minmax").name == "mine-minmax"
    assert policy.normalised_by(None) is policy
    assert policy.normalised_by("rank") is policy


def test_unknown_normalisation() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'minmax'"):
        load_policy("fusionfm").normalised_by("minmx")


def test_flags_and_families_are_read(tmp_path: Path) -> None:
    text = GOOD + "exclude: [identical]\npenalise: {stretched: 0.1}\nfamilies: share\n"
    policy = load_policy(write(tmp_path, text))
    assert policy.exclude == ("identical",)
    assert policy.penalise == {"stretched": 0.1}
    assert policy.families == "share"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("exclude: [strached]\n", "unknown flag 'strached'. Did you mean 'stretched'"),
        ("penalise: {jpeg_trase: 1}\n", "Did you mean 'jpeg_trace'"),
        ("penalise: {jpeg: 0}\n", "greater than 0"),
        ("families: shared\n", "share"),
    ],
)
def test_a_wrong_flag_says_what_is_wrong(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_policy(write(tmp_path, GOOD + line))


def test_what_was_added_later_leaves_older_digests_alone(tmp_path: Path) -> None:
    plain = load_policy(write(tmp_path, GOOD))
    said = load_policy(write(tmp_path, GOOD + "exclude: []\npenalise: {}\nfamilies: equal\n"))
    assert said.digest == plain.digest
    digests = {
        load_policy(write(tmp_path, GOOD + line)).digest
        for line in (
            "",
            "exclude: [soft]\n",
            "penalise: {soft: 1}\n",
            "families: share\n",
            "guards: {noise: {metric: NOISEX, max: 4}}\n",
            "abstain: {stability: 0.5}\n",
            "population: {ivf: {CE: [0, 1]}}\n",
        )
    }
    assert len(digests) == 7


def test_the_shipped_policy_counts_a_family_as_one_voter() -> None:
    assert load_policy("fusionfm").families == "share"
