"""Training: what each stage changes, that it learns, and that it does so the same way twice."""

import numpy as np
import pytest
import torch

from fusionlab.refine.examples import Example
from fusionlab.refine.probes import Probes
from fusionlab.refine.teaching import (
    Settings,
    assembler_loss,
    patches,
    probe_loss,
    teach,
)

CPU = torch.device("cpu")
TINY = Settings(steps=12, batch=2, patch=12, every=4)


def example(seed, size=(20, 26)):
    """A smooth label, of which the first source is a darker one and the second the negative."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    label = 0.5 + 0.3 * np.sin(x / 2 + rng.random()) * np.cos(y / 3 + rng.random())
    planes = np.stack([label, 0.5 * label, 1 - label])
    return Example(f"ivf/toy/s{seed}", planes.astype(np.float32), str(seed))


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def net():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Probes()


def planes():
    return torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def touched(net):
    return {name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()}


def test_the_probes_learn_without_the_assembler(net):
    probe_loss(net, planes()).backward()
    assert {name.split(".")[0] for name in touched(net)} == {"first", "second"}


def test_the_gradient_of_the_assembler_does_not_reach_the_probes(net):
    assembler_loss(net, planes()).backward()
    assert {name.split(".")[0] for name in touched(net)} == {"assembler"}


def test_losses_are_mean_absolute_differences(net):
    x = planes()
    with torch.no_grad():
        components = net.explain(x[:, :1])
        halves = [(components[:, k] - x[:, k + 1]).abs().mean() for k in range(2)]
        assert probe_loss(net, x).item() == pytest.approx(float(sum(halves) / 2), rel=1e-5)
        rebuilt = (net(x[:, :1]) - x[:, :1]).abs().mean()
        assert assembler_loss(net, x).item() == pytest.approx(float(rebuilt), rel=1e-5)


def test_training_lowers_both_losses_on_scenes_held_out():
    settings = Settings(steps=45, batch=2, patch=12, every=15, rate=5e-3)
    checks = []
    teach([example(i) for i in range(4)], [example(9)], settings, CPU, checks.append)
    for stage in ("probes", "assembler"):
        mine = [check for check in checks if check.stage == stage]
        assert [check.step for check in mine] == [15, 30, 45]
        assert mine[-1].held_out < 0.8 * mine[0].held_out
        assert mine[-1].loss < mine[0].loss


def test_the_best_weights_are_kept_and_the_probes_stay_while_the_assembler_learns():
    held_out, checks = [example(9)], []
    settings = Settings(steps=30, batch=2, patch=12, every=5, rate=0.1)  # far too large
    net = teach([example(0)], held_out, settings, CPU, checks.append)
    judged = patches(held_out, 64, 12, np.random.default_rng([0, 1]))
    with torch.no_grad():
        for stage, loss in (("probes", probe_loss), ("assembler", assembler_loss)):
            best = min(check.held_out for check in checks if check.stage == stage)
            assert loss(net, judged).item() == pytest.approx(best, rel=1e-6)


def test_the_same_seed_gives_the_same_weights_and_another_others():
    scenes = [example(0), example(1)]
    first, again, other = (
        teach(scenes, [], TINY.model_copy(update={"seed": seed}), CPU).state_dict()
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_the_random_numbers_of_the_caller_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    teach([example(0)], [], TINY, CPU)
    assert torch.equal(torch.rand(1), expected)


def test_a_stage_ends_early_where_nothing_is_gained():
    flat = Example("ivf/toy/flat", np.full((3, 14, 14), 0.5, np.float32), "")
    checks = []
    teach([flat], [], Settings(steps=400, batch=1, patch=8, every=5, rate=1e-9), CPU, checks.append)
    assert max(check.step for check in checks) == 30  # one check that counts, five that do not


def test_patches_are_places_of_the_scene_flipped_or_not():
    scene = example(3)
    found = patches([scene], 40, 10, np.random.default_rng(0)).numpy()
    assert found.shape == (40, 3, 10, 10)
    whole = scene.planes
    placed = {whole[:, y : y + 10, x : x + 10].tobytes() for y in range(11) for x in range(17)}
    plain = 0
    for patch in found:
        turned = [patch, patch.transpose(0, 2, 1)]
        ways = [np.flip(p, axes) for p in turned for axes in ((), (1,), (2,), (1, 2))]
        hits = [np.ascontiguousarray(way).tobytes() in placed for way in ways]
        assert any(hits)
        plain += hits[0]
    assert 0 < plain < 40


def test_an_image_smaller_than_a_patch_goes_on_as_its_mirror_image():
    small = Example("ivf/toy/s", np.random.default_rng(0).random((3, 5, 20)).astype("f4"), "")
    found = patches([small], 8, 10, np.random.default_rng(0)).numpy()
    values = set(small.planes[0].ravel().tolist())
    assert set(found[:, 0].ravel().tolist()) <= values


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA GPU")
def test_training_on_a_gpu_learns_too():
    checks = []
    settings = Settings(steps=40, batch=4, patch=12, every=20, rate=5e-3)
    net = teach([example(0)], [], settings, torch.device("cuda"), checks.append)
    assert next(net.parameters()).is_cuda
    assert checks[1].held_out < checks[0].held_out
