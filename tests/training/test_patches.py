"""Patches: a pure function of seed, step, rank and number of ranks; every scene once a pass."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from training_examples import curated, example, of_tasks

from fusionlab.errors import UsageError
from fusionlab.flow.batch import TASK_IDS, Batch
from fusionlab.training.curated import as_seen
from fusionlab.training.feeding import Resident
from fusionlab.training.patches import Patches, PatchSettings, passes

SMALL = PatchSettings(batch=12, patch=9)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.tensors(), other.tensors(), strict=True))


@given(
    st.integers(0, 2**40),
    st.sampled_from([1, 2, 3, 4, 6, 12]),
    st.sampled_from(["tasks", "scenes"]),
    st.integers(0, 5),
)
def test_all_ranks_together_see_what_one_process_sees(step, world, balance, seed):
    settings = PatchSettings(batch=12, patch=9, balance=balance, seed=seed)
    whole = of_tasks(ivf=3, mff=2)
    parts = [Patches(whole, settings, rank=r, world=world).batch(step) for r in range(world)]
    assert same(Batch.join(parts), Patches(whole, settings).batch(step))


@given(st.integers(0, 9), st.integers(1, 12), st.booleans())
def test_every_scene_of_a_task_is_seen_once_a_pass_however_large(first, batch, together):
    large = example("ivf/toy/large", (90, 70))
    whole = curated([*of_tasks(ivf=4, mff=3).examples, large])
    balance = "scenes" if together else "tasks"
    patches = Patches(whole, PatchSettings(batch=batch, patch=9, balance=balance))
    pools = {"ivf": 5, "mff": 3} if not together else {"": 8}
    seen = np.concatenate([patches.cuts(s).example for s in range((first + 2) * 12)])
    names = np.array([whole.examples[i].task for i in seen])
    for task, size in pools.items():
        mine = seen[names == task] if task else seen
        one_pass = mine[first * size : (first + 1) * size]
        assert len(set(one_pass)) == min(size, len(one_pass))


def test_tasks_are_balanced_or_scenes_are():
    whole = of_tasks(ivf=9, mff=3)
    for balance, share in {"tasks": 0.5, "scenes": 0.25}.items():
        patches = Patches(whole, PatchSettings(batch=12, patch=9, balance=balance))
        tasks = torch.cat([patches.batch(step).task for step in range(20)])
        assert (tasks == TASK_IDS["mff"]).float().mean() == share


def test_a_patch_is_cut_from_its_scene_flipped_and_turned_in_all_eight_ways():
    whole = curated([example("ivf/toy/a", (30, 40))])
    patches = Patches(whole, PatchSettings(batch=64, patch=9))
    cuts, batch = patches.cuts(3), patches.batch(3)
    planes = as_seen(whole.examples[0].planes)
    for i in range(64):
        patch = planes[:, cuts.y[i] : cuts.y[i] + 9, cuts.x[i] : cuts.x[i] + 9]
        patch = np.flip(
            patch, [axis for axis, flip in ((1, cuts.flip_y), (2, cuts.flip_x)) if flip[i]]
        )
        patch = patch.swapaxes(1, 2) if cuts.transpose[i] else patch
        found = torch.cat([batch.label[i], batch.a[i], batch.b[i]])
        assert np.array_equal(found, patch)
    assert len(set(zip(cuts.flip_y, cuts.flip_x, cuts.transpose, strict=True))) == 8
    assert (cuts.y.min(), cuts.x.min()) >= (0, 0)
    assert cuts.y.max() <= 21
    assert cuts.x.max() <= 31


def test_every_place_of_a_scene_can_be_cut():
    patches = Patches(curated([example("ivf/toy/a", (11, 12))]), PatchSettings(batch=500, patch=9))
    cuts = patches.cuts(0)
    counts = Counter(zip(cuts.y.tolist(), cuts.x.tolist(), strict=True))
    assert set(counts) == {(y, x) for y in range(3) for x in range(4)}
    assert min(counts.values()) > 20


def test_sources_of_multi_focus_are_exchanged_by_chance_and_no_others():
    whole = of_tasks(ivf=2, mff=2, mef=2, mif=2)
    many = PatchSettings(batch=400, patch=9)
    cuts = Patches(whole, many).cuts(0)
    alike = np.array([whole.examples[i].task == "mff" for i in cuts.example])
    assert not cuts.swap[~alike].any()
    assert 30 < cuts.swap[alike].sum() < 70
    kept = Patches(whole, many.model_copy(update={"swap": False})).batch(0)
    batch = Patches(whole, many).batch(0)
    swap = torch.from_numpy(cuts.swap)
    assert torch.equal(batch.label, kept.label)
    assert torch.equal(batch.a[swap], kept.b[swap])
    assert torch.equal(batch.b[swap], kept.a[swap])
    assert torch.equal(batch.a[~swap], kept.a[~swap])


@pytest.mark.parametrize("size", [(1, 1), (5, 20), (20, 5), (8, 9)])
def test_an_image_smaller_than_a_patch_goes_on_as_its_mirror_image(size):
    small = example("ivf/toy/small", size)
    batch = Patches(curated([small]), SMALL).batch(0)
    assert batch.label.shape == (12, 1, 9, 9)
    assert set(batch.label.unique().tolist()) <= set(as_seen(small.planes[0]).ravel().tolist())


def test_batches_have_tasks_weights_and_kinds():
    whole = curated([example("ivf/a/1", weight=0.25), example("mff/a/1", weight=1.0)])
    batch = Patches(whole, SMALL).batch(7)
    assert batch.task.tolist() == [1, 4] * 6
    assert batch.weight.tolist() == [0.25, 1.0] * 6
    assert (batch.label.dtype, batch.task.dtype) == (torch.float32, torch.int64)
    assert all(plane.shape == (12, 1, 9, 9) for plane in (batch.label, batch.a, batch.b))
    assert batch.a.is_contiguous()


def test_steps_and_seeds_differ_and_order_of_asking_does_not_matter():
    whole = of_tasks(ivf=3, mff=2)
    patches = Patches(whole, SMALL)
    later = patches.batch(5)
    assert not same(patches.batch(0), later)
    assert same(Patches(whole, SMALL).batch(5), later)
    other = SMALL.model_copy(update={"seed": 1})
    assert not same(Patches(whole, other).batch(5), later)


@given(st.integers(0, 1000), st.sampled_from([1, 3]), st.booleans())
def test_patches_cropped_on_a_device_are_the_same(step, world, swap):
    sizes = {"ivf/a/1": (30, 17), "mff/a/1": (9, 40), "mff/a/2": (5, 5), "mef/a/1": (12, 9)}
    whole = curated(example(place, size) for place, size in sizes.items())
    settings = SMALL.model_copy(update={"swap": swap})
    patches = Patches(whole, settings, rank=world - 1, world=world)
    assert same(Resident(patches, "cpu")(step), patches.batch(step))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA GPU")
def test_patches_cropped_on_a_gpu_are_the_same():
    patches = Patches(of_tasks(ivf=3, mff=2), SMALL)
    found = Resident(patches, "cuda")(3)
    assert found.label.is_cuda
    assert same(found.to("cpu"), patches.batch(3))


def test_what_cannot_be_is_refused():
    whole = of_tasks(ivf=1)
    with pytest.raises(UsageError, match="no scenes to take patches from"):
        Patches(of_tasks(), SMALL)
    for rank, world in ((0, 5), (2, 2), (-1, 2)):
        with pytest.raises(UsageError, match="must divide the batch"):
            Patches(whole, SMALL, rank=rank, world=world)


@given(st.floats(0, 1), st.lists(st.integers(1, 300), min_size=1, max_size=6))
def test_evenness_lifts_small_data_sets_up_to_equal_shares(evenness, sizes):
    datasets = np.repeat([f"ivf/{n}" for n in range(len(sizes))], sizes)
    often = passes(datasets, evenness)
    assert often.min() == 1
    share = np.array([often[datasets == f"ivf/{n}"].sum() for n in range(len(sizes))])
    wanted = np.array(sizes) ** (1 - evenness)
    largest = int(np.argmax(sizes))
    ratio = (share / share[largest]) / (wanted / wanted[largest])
    assert ((ratio > 0.66) & (ratio < 1.34)).all()


def test_a_pass_sees_scenes_of_a_small_data_set_as_often_as_evenness_says():
    few = [example(f"ivf/few/{n}", (20, 20)) for n in range(2)]
    many = [example(f"ivf/many/{n}", (20, 20)) for n in range(8)]
    whole = curated([*few, *many])
    for evenness, times in {0.0: 1, 0.5: 2, 1.0: 4}.items():
        patches = Patches(whole, PatchSettings(batch=1, patch=9, evenness=evenness))
        one_pass = 2 * times + 8
        for first in (0, one_pass):
            seen = [int(patches.cuts(first + s).example[0]) for s in range(one_pass)]
            counts = Counter(whole.examples[i].place for i in seen)
            assert all(
                counts[e.place] == (times if "few" in e.place else 1) for e in whole.examples
            )
