"""Trials: measured as candidates are, once, and only what was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import make_lab, tree_bytes, write_dataset, write_image

from fusionlab import metrics as library
from fusionlab.decoys import SPOILS, spoil, spoiled_name
from fusionlab.images import luminance, read_image
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.packing import pack
from fusionlab.scoring import missing, score
from fusionlab.scoring import run as scoring_run
from fusionlab.scoring.trials import TRUTH, Request, as_wide, current_trials, score_trials

KEY = ("ivf", "toy")
EACH = len(SPOILS)


def ask(lab: Lab, metrics: list[str], **options: object) -> object:
    chosen = options.pop("chosen", {"s0": ["mean"], "s1": ["sharp"]})
    return score_trials(lab, {KEY: [Request(chosen, metrics)]}, **options)


def test_a_trial_scores_what_measure_says_of_the_spoiled_image(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=2, reference=True)
    report = ask(lab, ["SD", "SSIM"])
    assert (report.measured, report.rejected) == (2 * EACH + 2, {})
    wide = as_wide(lab.trials(*KEY), ["SD", "SSIM"])
    folder = tmp_path / "images" / "toy"
    a, b, mean, truth = (
        luminance(read_image(folder / f"{f}/s0.png")) for f in ("ir", "vis", "out/mean", "truth")
    )
    for name in SPOILS:
        expected = library.measure(a, b, spoil(mean, name), ["SD", "SSIM"])
        assert wide.loc[("s0", spoiled_name(name, "mean"))].to_dict() == expected
    assert wide.loc[("s0", TRUTH)].to_dict() == library.measure(a, b, truth, ["SD", "SSIM"])
    assert ("s0", spoiled_name("blurred", "sharp")) not in wide.index


def test_what_spoils_leave_the_type_of_a_16_bit_candidate(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "images", scenes=1, methods=("mean",))
    image = tmp_path / "images/toy/out/mean/s0.png"
    write_image(image, read_image(image).astype(np.uint16) * 256)
    lab = Lab.create(tmp_path / "lab")
    ingest(*load_manifest(manifest), lab)
    assert ask(lab, ["SD"], chosen={"s0": ["mean"]}).measured == EACH


def test_without_a_reference_no_truth_is_offered(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=2)
    assert ask(lab, ["SD"]).measured == 2 * EACH
    assert TRUTH not in set(lab.trials(*KEY)["method"])


def test_a_second_run_measures_nothing_and_keeps_the_bytes(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=2, reference=True)
    ask(lab, ["SD"])
    before = tree_bytes(lab.path)
    assert ask(lab, ["SD"]).measured == 0
    assert tree_bytes(lab.path) == before


def test_another_choice_or_metric_costs_only_itself_and_nothing_is_forgotten(
    tmp_path: Path,
) -> None:
    lab = make_lab(tmp_path, scenes=2, reference=True)
    ask(lab, ["SD"])
    assert ask(lab, ["SD"], chosen={"s0": ["mean", "noisy"]}).measured == EACH
    assert ask(lab, ["SD", "EN"]).measured == 2 * EACH + 2
    assert ask(lab, ["SD"]).measured == 0
    assert len(as_wide(lab.trials(*KEY), ["SD"])) == 3 * EACH + 2
    assert len(as_wide(lab.trials(*KEY), ["SD", "EN"])) == 2 * EACH + 2


def test_what_two_policies_share_is_measured_once(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    asked = [Request({"s0": ["mean"]}, ["SD"]), Request({"s0": ["mean"]}, ["SD", "EN"])]
    seen = []
    report = score_trials(lab, {KEY: asked}, on_progress=lambda *a: seen.append(a))
    assert report.measured == 2 * EACH  # of the second, EN alone
    assert (seen[0], seen[-1]) == ((0, 2 * EACH), (2 * EACH, 2 * EACH))
    assert len(lab.trials(*KEY)) == 2 * EACH


def test_metrics_of_the_truth_take_no_part(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1, reference=True)
    ask(lab, ["SD", "PSNR_ref"], chosen={})
    assert lab.trials(*KEY)["metric"].tolist() == ["SD"]


def test_a_changed_candidate_makes_its_trials_stale(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=2)
    ask(lab, ["SD"])
    image = tmp_path / "images/toy/out/mean/s0.png"
    write_image(image, read_image(image) // 2)
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab)
    assert len(current_trials(lab, *KEY)) == EACH
    assert ask(lab, ["SD"]).measured == EACH
    assert len(current_trials(lab, *KEY)) == len(lab.trials(*KEY)) == 2 * EACH


def test_a_stopped_run_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_lab(tmp_path, scenes=2)
    monkeypatch.setattr(scoring_run, "_CANDIDATES_PER_TASK", 1)

    def stop(done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(lab, ["SD"], workers=1, on_progress=stop)
    assert lab.trials(*KEY).empty
    assert ask(lab, ["SD"], workers=1).measured == EACH
    whole = make_lab(tmp_path / "whole", scenes=2)
    ask(whole, ["SD"])
    assert tree_bytes(lab.path / "trials") == tree_bytes(whole.path / "trials")


def test_a_damaged_image_is_a_reject_of_the_stage_validate(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    index = lab.index(*KEY)
    index.loc[index["name"] == "mean", "digest"] = "0" * 64
    lab.write_index(*KEY, index)
    report = ask(lab, ["SD"])
    assert report.rejected == {"unreadable_pixels": EACH}
    rejects = lab.rejects()
    assert set(rejects["stage"]) == {"validate"}
    assert spoiled_name("blurred", "mean") in set(rejects["name"])


def test_scores_and_selection_see_nothing_of_trials(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    score(lab, ["SD"])
    before = tree_bytes(lab.path / "scores")
    ask(lab, ["SD"])
    assert missing(lab, ["SD"])["to_measure"] == 0
    assert tree_bytes(lab.path / "scores") == before
    packed = tmp_path / "packed"
    pack(lab, packed)
    assert Lab.open(packed).trials(*KEY).equals(lab.trials(*KEY))
