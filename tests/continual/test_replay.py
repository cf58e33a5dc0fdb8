"""The memory of old tasks: its bounds, what it keeps, what it draws."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fusionlab.continual.replay import Patch, Replay, ReplaySettings, farthest_first, features
from fusionlab.errors import UsageError

SIDE = 4
BYTES = 3 * SIDE * SIDE * 2


def patch(task, number, level=None):
    rng = np.random.default_rng([ord(task[-1]), number])
    planes = rng.integers(0, 65536, (3, SIDE, SIDE), dtype=np.uint16)
    if level is not None:
        planes[:] = level
    return Patch(f"{task}/toy/s{number // 4}", 4 * (number % 4), 0, planes, 0.5, f"digest {number}")


def patches(task, count):
    return [patch(task, number) for number in range(count)]


def memory(room=8, **settings):
    return Replay(ReplaySettings(megabytes=room * BYTES / 1e6, **settings))


def names(found):
    return {(p.place, p.y) for p in found}


@pytest.mark.parametrize("sampling", ["reservoir", "coverage"])
def test_memory_is_bounded_and_shared_evenly(sampling):
    replay = memory(9, sampling=sampling)
    for count, task in enumerate(("ivf", "mif", "mef", "mff"), start=1):
        before = {key: list(kept) for key, kept in replay.kept.items()}
        replay.add(task, patches(task, 30))
        assert replay.bytes <= 9 * BYTES
        assert {len(kept) for kept in replay.kept.values()} == {9 // count}
        for key, kept in before.items():
            assert replay.kept[key] == kept[: 9 // count]


def test_a_task_of_few_patches_keeps_them_all_and_no_task_more_than_its_limit():
    replay = memory(100, patches=3)
    replay.add("ivf", patches("ivf", 2))
    replay.add("mif", patches("mif", 10))
    assert [len(kept) for kept in replay.kept.values()] == [2, 3]


def test_kept_patches_do_not_hold_their_scene():
    scene = np.zeros((3, 100, 100), dtype=np.uint16)
    replay = memory()
    replay.add("ivf", [Patch("ivf/d/s", 0, 0, scene[:, :SIDE, :SIDE], 1.0, "")])
    assert replay.kept["ivf"][0].planes.base is None


def test_no_room_and_nothing_offered_are_errors():
    replay = memory(1)
    with pytest.raises(UsageError, match="no patch of ivf"):
        replay.add("ivf", [])
    replay.add("ivf", patches("ivf", 1))
    with pytest.raises(UsageError, match="has no room for a patch of 96 bytes of each of 2 tasks"):
        replay.add("mif", patches("mif", 1))


def test_reservoir_does_not_depend_on_the_order_and_is_uniform():
    offered = patches("ivf", 12)
    counts = np.zeros(12)
    for seed in range(300):
        replay = memory(3, sampling="reservoir", seed=seed)
        replay.add("ivf", offered)
        backwards = memory(3, sampling="reservoir", seed=seed)
        backwards.add("ivf", offered[::-1])
        assert names(replay.kept["ivf"]) == names(backwards.kept["ivf"])
        counts += [(p.place, p.y) in names(replay.kept["ivf"]) for p in offered]
    expected = 300 * 3 / 12
    assert ((counts - expected) ** 2 / (expected * 0.75)).sum() < 31.3  # chi squared, p 0.001


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(7, 12))
def test_farthest_first_covers_within_twice_of_the_best(seed, k, n):
    """Against the best of all choices of k centres, found by trying each."""
    from itertools import combinations

    points = np.random.default_rng(seed).normal(size=(n, 2))
    away = np.linalg.norm(points[:, None] - points[None], axis=2)
    order = list(farthest_first(points))
    assert sorted(order) == list(range(n))
    best = min(away[:, list(c)].min(axis=1).max() for c in combinations(range(n), k))
    assert away[:, order[:k]].min(axis=1).max() <= 2 * best + 1e-12


def test_farthest_first_with_equal_points():
    points = np.array([[0.0], [0.0], [5.0], [5.0]])
    assert list(farthest_first(points))[:2] in ([0, 2], [1, 2])
    assert list(farthest_first(np.zeros((3, 2)))) == [0, 1, 2]


def test_coverage_finds_the_rare_kind():
    """Of 40 dark patches and one bright, a random five mostly miss the bright one."""
    offered = [patch("ivf", n, level=1000 + n) for n in range(40)] + [patch("ivf", 40, level=60000)]
    replay = memory(5, sampling="coverage")
    replay.add("ivf", offered)
    assert ("ivf/toy/s10", 0) in names(replay.kept["ivf"])


def test_features():
    label = np.zeros((SIDE, SIDE))
    label[:, 2:] = 1
    planes = (65535 * np.stack([label, 0.75 * np.ones_like(label), label * 0 + 0.25])).round()
    found = features(Patch("ivf/d/s", 0, 0, planes.astype(np.uint16), 1.0, ""))
    assert found == pytest.approx([0.5, 0.5, 4 / 16, 0.5, 0.5], abs=1e-4)


def filled(**settings):
    replay = memory(18, **settings)
    for task in ("ivf", "mff"):
        replay.add(task, patches(task, 9))
    return replay


def test_draw_is_a_pure_function_that_takes_tasks_in_turn_and_every_patch_once():
    replay, again = filled(), filled()
    late = again.draw(5, 3)
    assert [(p.place, p.y, how) for p, how in replay.draw(5, 3)] == [
        (p.place, p.y, how) for p, how in late
    ]
    drawn = [p for step in range(6) for p, _ in replay.draw(step, 3)]
    assert [p.task for p in drawn] == ["ivf", "mff"] * 9
    assert len({id(p) for p in drawn}) == 18
    later = [p for step in range(6, 12) for p, _ in replay.draw(step, 3)]
    assert [id(p) for p in drawn] != [id(p) for p in later]


def test_batch_shows_what_was_kept():
    replay = filled()
    batch = replay.batch(0, 4)
    assert batch.label.shape == (4, 1, SIDE, SIDE)
    assert batch.task.tolist() == [1, 4, 1, 4]
    assert batch.weight.tolist() == [0.5] * 4
    drawn, _ = replay.draw(0, 4)[0]
    for tensor, plane in zip((batch.label, batch.a, batch.b), drawn.planes, strict=True):
        levels = ((tensor[0, 0] + 1) * 32767.5).round().to(torch.int32)
        assert sorted(levels.flatten().tolist()) == sorted(plane.flatten().tolist())
    assert float(batch.label.abs().max()) <= 1


def test_flips_and_turns_are_the_same_for_label_and_sources():
    ramp = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE)
    replay = memory(1)
    replay.add("ivf", [Patch("ivf/d/s", 0, 0, np.stack([ramp] * 3), 1.0, "")])
    seen = set()
    for step in range(80):
        batch = replay.batch(step, 1)
        assert torch.equal(batch.label, batch.a)
        assert torch.equal(batch.label, batch.b)
        seen.add(tuple(batch.label.flatten().tolist()))
    assert len(seen) == 8


def test_8_bit_levels_are_exact():
    replay = memory(1)
    replay.add("ivf", [patch("ivf", 0, level=257 * 200)])
    assert replay.batch(0, 1).label.unique().item() == pytest.approx(200 / 127.5 - 1, abs=1e-7)


@pytest.mark.parametrize(
    ("share", "batch", "count"),
    [(0.25, 16, 4), (0.25, 2, 1), (0.01, 16, 1), (0, 16, 0), (0.9, 1, 0)],
)
def test_share_of_the_batch(share, batch, count):
    assert filled(share=share).count(batch) == count
    assert memory(share=share).count(batch) == 0


def test_state_goes_through_a_checkpoint():
    replay = filled()
    file = io.BytesIO()
    torch.save(replay.state_dict(), file)
    file.seek(0)
    again = memory(18)
    again.load_state_dict(torch.load(file, weights_only=True))
    assert list(again.kept) == ["ivf", "mff"]
    assert again.kept["mff"][3].digest == replay.kept["mff"][3].digest
    for one, other in zip(replay.batch(7, 5).tensors(), again.batch(7, 5).tensors(), strict=True):
        assert torch.equal(one, other)
    again.add("mif", patches("mif", 9))
    assert [len(kept) for kept in again.kept.values()] == [6, 6, 6]
