"""The gate keeps what gains by metrics that had no say, takes back what loses, and says why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refine_scenes import blurred, noisy, photograph, psnr, scene

from fusionlab.errors import UnknownNameError, UsageError
from fusionlab.refine.gate import NO_CHANGE, gate, judges_of
from fusionlab.refine.judges import TILE, Gain, Panel
from fusionlab.refine.repair import repair
from fusionlab.selection import load_policy
from fusionlab.selection.policy import Guard, Policy
from fusionlab.tasks import TASKS

TRUTH, NEAR, FAR = scene()
LEFT, RIGHT = np.s_[32:128, 16:96], np.s_[32:128, 112:192]
POLICY = Policy(name="p", version=1, weights={"mff": {"SELS": 1.0, "GERR": 1.0}})


@pytest.mark.parametrize("damage", [blurred, noisy])
def test_a_repair_is_kept_and_what_it_undoes_is_not(damage) -> None:
    damaged = damage(TRUTH, LEFT)
    kept = gate(damaged, TRUTH, [NEAR, FAR], "mff", POLICY)
    assert kept.reason == ""
    assert kept.gain > 2
    assert psnr(kept.plane, TRUTH) > psnr(damaged, TRUTH) + 10
    assert "held-out gain +" in kept.detail
    refused = gate(TRUTH, damaged, [NEAR, FAR], "mff", POLICY)
    assert refused.reason == "refine_no_gain"
    assert refused.gain < -2
    assert np.array_equal(refused.plane, TRUTH)
    assert not refused.mask.any()
    assert set(refused.gains) == set(kept.gains) == {"QW", "QY", "QG"}


def test_what_loses_is_taken_back_and_what_gains_stays() -> None:
    before = blurred(TRUTH, LEFT)
    after = noisy(TRUTH, RIGHT)
    whole = gate(before, after, [NEAR, FAR], "mff", POLICY, regions=False)
    assert psnr(whole.plane, TRUTH) < 40
    found = gate(before, after, [NEAR, FAR], "mff", POLICY)
    assert found.reason == ""
    assert psnr(found.plane, TRUTH) > psnr(before, TRUTH) + 5
    assert found.mask[LEFT].mean() > 0.9
    assert found.mask[48:112, 144:192].max() == 0
    assert np.array_equal(found.plane[48:112, 144:192], before[48:112, 144:192])
    steps = np.abs(np.diff(found.mask, axis=1)).max()
    assert 0 < steps <= 1.5 / TILE  # a slope, no seam


def test_pixels_that_were_not_changed_are_the_same_bits() -> None:
    before = blurred(TRUTH, LEFT)
    found = gate(before, TRUTH + 0.3, [NEAR, FAR], "mff")
    same = before == TRUTH
    assert np.array_equal(found.plane[same], before[same])
    assert np.array_equal(found.plane, np.rint(found.plane))


def test_16_bits_keep_their_steps() -> None:
    step = 255 / 65535
    before = np.rint(blurred(TRUTH, LEFT) / step) * step
    found = gate(before, TRUTH + 0.4 * step, [NEAR, FAR], "mff", step=step)
    assert found.reason == ""
    assert np.allclose(np.rint((found.plane - before) / step) * step, found.plane - before)
    assert np.abs(found.plane - TRUTH).max() <= 0.51 * step


def test_too_little_is_no_gain() -> None:
    speck = TRUTH.copy()
    speck[80:84, 80:84] += 9
    found = gate(speck, TRUTH, [NEAR, FAR], "mff")
    assert found.reason == "refine_no_gain"
    assert 0 < found.gain <= 2
    assert gate(speck, TRUTH, [NEAR, FAR], "mff", beyond=0.5).reason == ""


def test_a_loss_in_one_judge_is_no_gain() -> None:
    found = gate(blurred(TRUTH, LEFT), TRUTH, [NEAR, FAR], "mff", least=50.0)
    assert found.reason == "refine_no_gain"


def test_no_change_is_said() -> None:
    found = gate(TRUTH, TRUTH + 0.2, [NEAR, FAR], "mff")
    assert (found.reason, found.gain) == (NO_CHANGE, 0.0)
    assert np.array_equal(found.plane, TRUTH)


def test_a_repair_that_is_no_number_is_refused() -> None:
    broken = TRUTH.copy()
    broken[5, 5] = np.nan
    assert gate(TRUTH, broken, [NEAR, FAR], "mff").reason == "refine_error"


def test_levels_stay_within_their_range() -> None:
    found = gate(blurred(TRUTH, LEFT), TRUTH * 4 - 300, [NEAR, FAR], "mff", beyond=-99, least=-99)
    assert found.plane.min() >= 0
    assert found.plane.max() <= 255


def test_a_guard_that_newly_fails_refuses_it() -> None:
    soft = blurred(TRUTH, np.s_[:, :])
    guard = {"blurred": Guard(metric="SHARPX", max=-0.5)}  # the wrong way round: detail fails
    policy = POLICY.model_copy(update={"guards": guard})
    found = gate(soft, TRUTH, [NEAR, FAR], "mff", policy)
    assert found.reason == "refine_guard"
    assert "'blurred'" in found.detail
    assert np.array_equal(found.plane, soft)
    slightly = blurred(TRUTH, LEFT)  # fails it already: that is not the repair's fault
    assert gate(slightly, TRUTH, [NEAR, FAR], "mff", policy).reason == ""


@pytest.mark.parametrize("task", TASKS)
def test_judges_are_held_out(task: str) -> None:
    assert set(judges_of(load_policy("robust"), task)) == {"QW", "QY", "QG"}
    assert set(judges_of(None, task)) == {"QW", "QY", "QG"}
    some = Policy(name="p", version=1, weights={task: {"QG": 1.0, "QY": 1.0}})
    assert judges_of(some, task) == ["QW"]


def test_a_policy_of_all_judges_and_wrong_shapes_are_usage_errors() -> None:
    every = Policy(name="p", version=1, weights={"mff": {"QG": 1.0, "QY": 1.0, "QW": 1.0}})
    with pytest.raises(UsageError, match="leaves one of them out"):
        gate(TRUTH, TRUTH, [NEAR, FAR], "mff", every)
    for wrong in ([NEAR], [NEAR, FAR[1:]]):
        with pytest.raises(UsageError, match="of one size"):
            gate(TRUTH, TRUTH, wrong, "mff")
    with pytest.raises(UnknownNameError):
        gate(TRUTH, TRUTH, [NEAR, FAR], "mfff")


@pytest.mark.parametrize("size", [(2, 2), (5, 40), (17, 23), (64, 64), (101, 203), (257, 300)])
def test_all_sizes_are_judged(size: tuple[int, int]) -> None:
    truth, near, far = scene(size, seed=2)
    found = gate(noisy(truth, np.s_[:, :]), truth, [near, far], "mff")
    assert found.plane.shape == size
    if min(size) >= 64:
        assert found.reason == ""


@pytest.mark.parametrize("level", [0.0, 90.0, 255.0])
def test_flat_sources_and_a_black_one_are_judged(level: float) -> None:
    flat = np.full(TRUTH.shape, level)
    for sources in ([flat, flat], [flat, TRUTH], [TRUTH, flat]):
        found = gate(noisy(TRUTH, LEFT), TRUTH, sources, "ivf")
        assert np.isfinite([g.ratio for g in found.gains.values()]).all()
    assert gate(flat, flat, [TRUTH, flat], "ivf").reason == NO_CHANGE
    assert gate(noisy(TRUTH, LEFT), TRUTH, [flat, TRUTH], "ivf").reason == ""


def test_a_panel_by_blocks_sees_what_one_block_would(monkeypatch) -> None:
    import fusionlab.refine.judges as module

    truth, near, far = scene((150, 230), seed=3)
    damaged = blurred(truth, np.s_[20:140, 30:200])
    changed = damaged != truth
    found = []
    for side in (48, 1000):
        monkeypatch.setattr(module, "_BLOCK", side)
        found.append(Panel(damaged, near, far, changed, ["QG", "QW", "QY"]).differences(truth))
    for judge, tiles in found[0].items():
        assert tiles.shape == (10, 15)
        np.testing.assert_allclose(tiles, found[1][judge], rtol=1e-9, atol=1e-6)
        assert tiles.sum() > 0


def test_blocks_that_the_change_does_not_reach_are_not_measured() -> None:
    truth, near, far = scene((300, 600), seed=4)
    damaged = blurred(truth, np.s_[10:60, 10:60])
    panel = Panel(damaged, near, far, damaged != truth, ["QG"])
    tiles = panel.differences(truth)["QG"]
    assert tiles[:4, :4].sum() > 0
    assert not tiles[6:].any()
    assert not tiles[:, 6:].any()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_random_changes_of_a_good_label_are_refused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    change = 3 * (photograph(TRUTH.shape, seed) > 140) * rng.choice([-1, 1], TRUTH.shape)
    after = np.clip(TRUTH + change, 0, 255)
    assert gate(TRUTH, after, [NEAR, FAR], "mff").reason == "refine_no_gain"


def test_a_gain_without_noise_is_none() -> None:
    assert Gain(0.0, 0.0).ratio == 0.0
    assert Gain(0.2, 0.1).ratio == 2.0


@pytest.mark.parametrize("size", [(1, 1), (9, 70), (65, 99)])
@pytest.mark.parametrize("kind", ["textured", "flat", "one black", "16 bit"])
def test_repair_and_gate_are_defined_for_every_image(size: tuple[int, int], kind: str) -> None:
    truth, near, far = scene(size, seed=7) if min(size) > 1 else 3 * (np.full(size, 99.0),)
    if kind == "flat":
        near = far = np.full(size, 120.0)
    elif kind == "one black":
        near = np.zeros(size)
    elif kind == "16 bit":
        truth, near, far = (x * 65280 / 65535 for x in (truth, near, far))
    label = noisy(truth, np.s_[:, :]) if kind != "16 bit" else truth
    step = 255 / 65535 if kind == "16 bit" else 1.0
    for task in TASKS:
        repaired = repair(label, [near, far], task)
        found = gate(label, repaired.plane, [near, far], task, step=step)
        assert found.plane.shape == size
        assert np.isfinite(found.plane).all()
        assert 0 <= found.plane.min() <= found.plane.max() <= 255
