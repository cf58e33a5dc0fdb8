"""The loop: what a step depends on, going on, several processes, and what ends it."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training_examples import of_tasks
from training_settings import tiny

from fusionlab.errors import ModelError
from fusionlab.flow.batch import Batch
from fusionlab.flow.model import ModelSettings
from fusionlab.training.distributed import Workers
from fusionlab.training.loop import Trainer, rate_at
from fusionlab.training.patches import Patches, PatchSettings
from fusionlab.training.run import new_model
from fusionlab.training.settings import NETWORKS, OptimiserSettings, TrainSettings

WORKERS = Workers(torch.device("cpu"))


@pytest.fixture(scope="module")
def scenes():
    return of_tasks(ivf=2, mff=2)


def trainer(scenes, settings=None, **values):
    settings = settings or tiny()
    return Trainer(new_model(scenes, settings), settings, WORKERS, **values)


def trained(scenes, settings=None, until=0, **values):
    found, told = trainer(scenes, settings, **values), []
    found.train(Patches(scenes, found.settings.patches).batch, told.append, until)
    return found, told


def weights(one):
    return torch.cat([p.detach().reshape(-1) for p in one.model.parameters()])


def test_the_same_seed_gives_the_same_weights_and_another_one_others(scenes):
    one, other = (trained(scenes)[0] for _ in range(2))
    assert torch.equal(weights(one), weights(other))
    seeded = tiny(patches=PatchSettings(batch=4, patch=16, seed=1))
    assert not torch.equal(weights(one), weights(trained(scenes, seeded)[0]))


@pytest.mark.parametrize("objective", ["flow", "regression", "noise-flow"])
def test_every_objective_learns_what_it_sees_again_and_again(scenes, objective):
    settings = tiny(objective, steps=60, optimiser=OptimiserSettings(rate=5e-3, warmup=5))
    batch = Patches(scenes, settings.patches).batch(0)
    found = trainer(scenes, settings)
    told = []
    found.train(lambda _step: batch, told.append)
    loss = [progress.terms["value"] for progress in told]
    assert sum(loss[-10:]) < 0.9 * sum(loss[:10])


def test_the_loss_at_zero_is_reported_apart(scenes):
    _, told = trained(scenes, tiny(steps=8))
    assert any("loss_t0" in progress.terms for progress in told)
    assert all(set(p.terms) >= {"loss", "value", "gradient", "ssim", "detail"} for p in told)
    _, told = trained(scenes, tiny("regression", steps=2))
    assert told[0].terms["loss"] == pytest.approx(told[0].terms["loss_t0"])


def test_going_on_from_a_state_changes_no_bit(scenes):
    whole, _ = trained(scenes, tiny(steps=7))
    first, _ = trained(scenes, tiny(steps=7), until=3)
    second = trainer(scenes, tiny(steps=7))
    second.load_state_dict(first.state_dict())
    second.train(Patches(scenes, second.settings.patches).batch, lambda _: None)
    assert torch.equal(weights(whole), weights(second))
    means = [t.averaged.state_dict() for t in (whole, second)]
    assert all(torch.equal(value, means[1][name]) for name, value in means[0].items())


def test_parts_of_a_batch_add_up_to_the_batch(scenes):
    parts = tiny(steps=1, optimiser=OptimiserSettings(warmup=0, accumulate=3))
    whole = tiny(steps=1, optimiser=OptimiserSettings(warmup=0))
    one, other = trainer(scenes, whole), trainer(scenes, parts)
    batch = Patches(scenes, whole.patches).batch(0)
    one._gradient(batch)
    other._gradient(batch)
    for p, q in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.allclose(p.grad, q.grad, atol=1e-6)


def test_a_penalty_is_added_once_however_many_parts(scenes):
    batch = Patches(scenes, tiny().patches).batch(0)

    def penalty(model):
        return sum(p.square().sum() for p in model.parameters())

    for accumulate in (1, 2):
        settings = tiny(optimiser=OptimiserSettings(accumulate=accumulate))
        plain, more = trainer(scenes, settings), trainer(scenes, settings, penalty=penalty)
        plain._gradient(batch)
        more._gradient(batch)
        for p, q in zip(plain.model.parameters(), more.model.parameters(), strict=True):
            assert torch.allclose(q.grad - p.grad, 2 * p.detach(), atol=1e-5)


def test_the_mean_of_the_weights_follows_them(scenes):
    found, _ = trained(scenes, tiny(steps=5, optimiser=OptimiserSettings(ema=0.0, warmup=0)))
    mean = torch.cat([p.detach().reshape(-1) for p in found.averaged.parameters()])
    assert torch.equal(mean, weights(found))
    slow, _ = trained(scenes, tiny(steps=5))
    mean = torch.cat([p.detach().reshape(-1) for p in slow.averaged.parameters()])
    assert not torch.equal(mean, weights(slow))


def test_the_step_size_warms_up_and_falls_to_its_last_share():
    settings = OptimiserSettings(rate=1.0, warmup=10, last=0.1)
    rates = [rate_at(step, 110, settings) for step in range(111)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.55)
    assert rates[110] == pytest.approx(0.1)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_a_loss_that_is_no_number_ends_the_training(scenes):
    found = trainer(scenes)
    patches = Patches(scenes, found.settings.patches)

    def feed(step):
        batch = patches.batch(step)
        label = batch.label * float("nan") if step == 2 else batch.label
        return Batch(label, *batch.tensors()[1:])

    with pytest.raises(ModelError, match=r"step 3: the loss is no number.*Lower the rate"):
        found.train(feed, lambda _: None)


def test_where_memory_is_short_the_batch_goes_through_in_parts(scenes):
    found, plain = trainer(scenes), trainer(scenes)
    inner, sizes = found.objective, []

    class Short(torch.nn.Module):
        def forward(self, batch, drawn):
            sizes.append(len(batch))
            if len(batch) > 1:
                raise torch.OutOfMemoryError("out of memory")
            return inner(batch, drawn)

    found.objective = Short()
    batch = Patches(scenes, found.settings.patches).batch(0)
    found._gradient(batch)
    plain._gradient(batch)
    assert sizes == [4, 2, 1, 1, 1, 1]
    for p, q in zip(found.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.allclose(p.grad, q.grad, atol=1e-6)


def test_one_patch_that_is_too_much_says_what_to_set(scenes):
    found = trainer(scenes)

    class Short(torch.nn.Module):
        def forward(self, *_):
            raise torch.OutOfMemoryError("out of memory")

    found.objective = Short()
    batch = Patches(scenes, found.settings.patches).batch(0)
    with pytest.raises(ModelError, match="one patch of 16 pixels is too much for cpu; set a small"):
        found._gradient(batch)


def test_bf16_trains_as_well(scenes):
    _, told = trained(scenes, tiny(precision="bf16"))
    assert all(progress.terms["loss"] > 0 for progress in told)


PROCESS = """
import sys, torch
from training_examples import of_tasks
from training_settings import tiny
from fusionlab.training.distributed import joined
from fusionlab.training.loop import Trainer
from fusionlab.training.patches import Patches
from fusionlab.training.run import new_model
torch.set_num_threads(1)
scenes, kept = of_tasks(ivf=2, mff=2), {}
with joined("cpu") as workers:
    for objective in sys.argv[2:]:
        settings = tiny(objective, steps=2)
        found = Trainer(new_model(scenes, settings), settings, workers)
        patches = Patches(scenes, settings.patches, rank=workers.rank, world=workers.count)
        found._gradient(patches.batch(0))
        gradient = {name: p.grad.clone() for name, p in found.model.named_parameters()}
        found.train(patches.batch, lambda _: None)
        kept[objective] = {"gradient": gradient, "weights": found.model.state_dict()}
    if workers.first:
        torch.save(kept, sys.argv[1])
"""


def test_two_processes_have_the_gradients_of_one(scenes, tmp_path):
    objectives = ("flow", "noise-flow")
    script, out = tmp_path / "process.py", tmp_path / "out.pt"
    script.write_text(PROCESS)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(script), str(out), *objectives]
    tests = str(Path(__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    kept = torch.load(out, weights_only=True)
    for objective in objectives:
        found, settings = kept[objective], tiny(objective, steps=2)
        one = trainer(scenes, settings)
        patches = Patches(scenes, settings.patches)
        one._gradient(patches.batch(0))
        for name, p in one.model.named_parameters():
            assert torch.allclose(found["gradient"][name], p.grad, atol=1e-6), name
        one.train(patches.batch, lambda _: None)
        for name, value in one.model.state_dict().items():
            assert torch.allclose(found["weights"][name], value, atol=1e-5), name


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_trains_to_nearly_the_same_weights(scenes):
    settings = tiny(steps=3, precision="float32")
    cpu, _ = trained(scenes, settings)
    gpu = Trainer(new_model(scenes, settings), settings, Workers(torch.device("cuda", 0)))
    gpu.train(Patches(scenes, settings.patches).batch, lambda _: None)
    assert torch.allclose(weights(cpu), weights(gpu).cpu(), atol=1e-3)


def test_a_wider_network_takes_smaller_steps():
    shares = {}
    for name, network in NETWORKS.items():
        model = ModelSettings(network=network)
        shares[name] = TrainSettings(model=model).rate_share
    assert shares == {"small": 1.0, "default": 0.5}
