"""Stages: what a strategy is made of, what is shared, that killed ones go on to the same bits."""

import pytest
import torch
from stage_examples import SETTINGS, STEPS, TRAIN, curated, example

from fusionlab.continual.ewc import Ewc, EwcSettings, fisher, flat
from fusionlab.continual.replay import Replay, ReplaySettings
from fusionlab.errors import ModelError, UnknownNameError
from fusionlab.flow.batch import Batch
from fusionlab.flow.loss import LossSettings
from fusionlab.flow.model import FusionModel
from fusionlab.tables import read_table
from fusionlab.training.curated import Curated
from fusionlab.training.distributed import Workers
from fusionlab.training.loop import Trainer
from fusionlab.training.objective import Objective, draw_step
from fusionlab.training.remembering import flow_loss, importance_of, offered, samples
from fusionlab.training.run import measure_scales
from fusionlab.training.stages import Stages, StageSettings, chain


def stages(folder, settings=SETTINGS, learned=None):
    judged = curated(1, 50, size=(44, 50))
    return Stages(folder, learned or curated(), judged, settings, Workers(torch.device("cpu")))


def run(folder, strategy, settings=SETTINGS, **more):
    """Train a cell; return its stages and the bytes of the last model."""
    made = stages(folder, settings, **more)
    cell = chain(strategy, ("ivf", "mff"), 0, settings)
    for stage in cell:
        made.train(stage)
    return made, cell, made.run_folder(cell[-1]).model.read_bytes()


def test_strategies_are_made_of_stages():
    tasks = ("mif", "ivf", "mff")
    one, two, three = chain("ewc+replay", tasks, 3, SETTINGS)
    assert (one.tasks, one.before, one.ewc, one.replay) == (("mif",), None, False, False)
    assert (two.before, two.ewc, two.replay) == (one, True, True)
    assert three.path == (one, two)
    assert chain("naive", tasks, 3, SETTINGS)[0] == one
    assert chain("single", tasks, 3, SETTINGS)[0] == one
    assert [s.before for s in chain("single", tasks, 0, SETTINGS)] == [None] * 3
    assert [s.tasks for s in chain("joint", tasks, 0, SETTINGS)] == [("ivf", "mff", "mif")]
    with pytest.raises(UnknownNameError, match="Did you mean 'replay'"):
        chain("replays", tasks, 0, SETTINGS)


def test_what_has_no_effect_is_naive():
    off = StageSettings(ewc=EwcSettings(weight=0), replay=ReplaySettings(share=0))
    naive = chain("naive", ("ivf", "mff"), 0, off)
    for strategy in ("ewc", "replay", "ewc+replay"):
        assert chain(strategy, ("ivf", "mff"), 0, off) == naive


def test_joint_has_as_many_steps_as_all_others_together(tmp_path):
    made = stages(tmp_path)
    for strategy in ("naive", "joint", "single"):
        cell = chain(strategy, ("ivf", "mff"), 0, SETTINGS)
        assert sum(made.steps(stage) for stage in cell) == 2 * STEPS


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    return folder, {s: run(folder, s) for s in ("naive", "ewc", "replay", "ewc+replay", "joint")}


def test_every_strategy_ends_elsewhere_and_shares_the_first_stage(trained):
    folder, cells = trained
    assert len({data for _, _, data in cells.values()}) == 5
    assert len(list(folder.iterdir())) == 1 + 4 + 1
    for made, cell, _ in cells.values():
        for stage in cell:
            values = [flat(made.model(stage))]
            assert all(bool(torch.isfinite(v).all()) for v in values)


def test_a_second_run_does_nothing_and_another_one_gives_the_same_bytes(trained, tmp_path):
    folder, cells = trained
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    assert run(folder, "ewc+replay")[2] == cells["ewc+replay"][2]
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()} == before
    assert run(tmp_path, "ewc+replay")[2] == cells["ewc+replay"][2]


class KilledError(Exception):
    pass


def test_a_stage_that_was_killed_ends_with_the_same_bytes(trained, tmp_path, monkeypatch):
    made, cell = stages(tmp_path), chain("ewc+replay", ("ivf", "mff"), 0, SETTINGS)
    batches = made._batches

    def until_killed(*stage):
        def batch(step):
            if step == 3:
                raise KilledError
            return batches(*stage)(step)

        return batch

    monkeypatch.setattr(made, "_batches", until_killed)
    for stage in cell:
        with pytest.raises(KilledError):
            made.train(stage)
        assert not made.is_trained(stage)
        state = made.run_folder(stage).load_state()
        assert state["trainer"]["step"] == 2
        stages(tmp_path).train(stage)
    assert state["extra"]["replay"]["ivf"]["place"][0].startswith("ivf/toy/")
    assert int(state["extra"]["ewc"]["tasks"]) == 1
    assert made.run_folder(cell[-1]).model.read_bytes() == trained[1]["ewc+replay"][2]
    assert made.run_folder(cell[-1]).load_state() is None


def test_lambda_0_is_naive_bit_for_bit_even_if_its_penalty_is_added(tmp_path):
    """Zero times a Fisher changes no weight, and estimating it draws no number of the training."""
    made = stages(tmp_path)
    first, second = chain("naive", ("ivf", "mff"), 0, SETTINGS)
    made.train(first)
    batches, ended = made._batches(second, Replay(ReplaySettings())), []
    for held in (False, True):
        ewc = Ewc(0.0)
        if held:
            ewc.add(*made._importance(first))
        penalty = ewc.penalty if held else None
        trainer = Trainer(made._begin(second), TRAIN, made.workers, STEPS, penalty=penalty)
        trainer.train(batches, lambda _: None)
        ended.append(flat(trainer.model))
    assert torch.equal(*ended)


def test_replay_fills_its_share_of_every_batch(tmp_path):
    made = stages(tmp_path)
    _, second = chain("replay", ("ivf", "mff"), 0, SETTINGS)
    made.train(second.before)
    replay = Replay(SETTINGS.replay)
    made._remember(second, Ewc(1.0), replay)
    batches = [made._batches(second, replay)(step) for step in range(6)]
    assert {len(batch) for batch in batches} == {4}
    assert {tuple(sorted(batch.task.tolist())) for batch in batches} == {(1, 4, 4, 4)}
    kept = {p.place for p in replay.kept["ivf"]}
    assert kept <= {e.place for e in made.learned.examples}


def test_old_tasks_are_learned_from_by_replay_alone(tmp_path):
    made = stages(tmp_path)
    _, second = chain("ewc", ("ivf", "mff"), 0, SETTINGS)
    batch = made._batches(second, Replay(ReplaySettings()))(0)
    assert batch.task.tolist() == [4] * 4


def test_other_pixels_are_another_stage(tmp_path):
    one = stages(tmp_path)
    other = stages(tmp_path, learned=Curated(
        [example("ivf", 9), *curated().of_task("mff").examples], "toy", "policy"
    ))  # fmt: skip
    ivf, mff = chain("single", ("ivf", "mff"), 0, SETTINGS)
    assert one.digest(ivf) != other.digest(ivf)
    assert one.digest(mff) == other.digest(mff)


def test_judging_is_done_once_and_again_for_other_scenes(trained):
    made, cell, _ = trained[1]["joint"]
    found = made.judge(cell[0])
    assert set(found["task"]) == {"ivf", "mff"}
    assert {"PSNR", "SSIM"} <= set(found["metric"])
    path = made.run_folder(cell[0]).path / "judged.parquet"
    written = path.stat().st_mtime_ns
    assert made.judge(cell[0]).equals(found)
    assert path.stat().st_mtime_ns == written
    made.side = 42
    assert not made.judge(cell[0]).equals(found)


def test_a_run_lists_the_scenes_it_learned_from(trained):
    made, cell, _ = trained[1]["naive"]
    scenes = read_table(made.run_folder(cell[0]).path / "scenes.parquet")
    assert set(scenes[scenes["part"] == "train"]["task"]) == {"ivf"}
    scenes = read_table(made.run_folder(cell[1]).path / "scenes.parquet")
    assert scenes.groupby("part").size().to_dict() == {"train": 8, "validation": 2}


def test_a_folder_with_another_stage_is_an_error(tmp_path):
    made = stages(tmp_path)
    (stage,) = chain("joint", ("ivf", "mff"), 0, SETTINGS)
    made.run_folder(stage).describe({"tasks": []})
    with pytest.raises(ModelError, match="holds a run of other settings"):
        made.train(stage)


def model():
    torch.manual_seed(0)
    return FusionModel(TRAIN.model)


def _gradient(weight):
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


@pytest.mark.parametrize("relative", ["task", "sample", "none"])
def test_fisher_of_the_flow_loss_is_that_of_single_backward_passes(relative):
    train = TRAIN.model_copy(update={"loss": LossSettings(relative=relative)})
    net, settings = model(), EwcSettings(patches=6, times=2, chunk=4)
    learned = curated().of_task("ivf")
    measure_scales(net, learned, train)
    loss, total, count = flow_loss(train.loss), torch.zeros_like(flat(net)), 0
    drawn = list(samples(net, learned, train, settings))
    for part in drawn:
        for i in range(len(part[0])):
            net.zero_grad()
            loss(net, tuple(tensor[i : i + 1] for tensor in part)).sum().backward()
            grads = [
                p.grad if p.grad is not None else torch.zeros_like(p) for p in net.parameters()
            ]
            total += torch.cat([g.reshape(-1) for g in grads]) ** 2
            count += 1
    assert count == 12
    found = fisher(net, loss, drawn, settings.chunk)
    torch.testing.assert_close(found, total / count, rtol=2e-4, atol=1e-9)


def test_samples_of_the_fisher_are_drawn_as_in_training():
    """Times: 0 for the share ``still``, else uniform; tasks untold for the share ``unknown``."""
    net = model()
    wanted = EwcSettings(patches=200, times=2, chunk=400)
    drawn = list(samples(net, curated().of_task("mff"), TRAIN, wanted))
    t, task = (torch.cat([part[i] for part in drawn]) for i in (6, 7))
    assert len(t) == 400
    assert float((t == 0).float().mean()) == pytest.approx(TRAIN.loss.still, abs=0.08)
    assert float(t[t > 0].mean()) == pytest.approx(0.5, abs=0.08)
    assert float((task == 0).float().mean()) == pytest.approx(TRAIN.loss.unknown, abs=0.05)
    first, second = t[:200], t[200:]
    assert not torch.equal(first, second)


def test_loss_of_the_fisher_is_that_of_training():
    net, learned = model(), curated().of_task("ivf")
    (part,) = samples(net, learned, TRAIN, EwcSettings(patches=5, times=1, chunk=5))
    batch = Batch(*part[:5])
    drawn = draw_step(batch, net, TRAIN.loss, 1_000_003, 0)
    expected, _ = Objective(net, TRAIN.loss)(batch, drawn)
    found = flow_loss(TRAIN.loss)(net, part).mean()
    torch.testing.assert_close(found, expected)


def test_importance_is_kept_with_its_stage(tmp_path, monkeypatch):
    net, learned = model(), curated().of_task("ivf")
    found = importance_of(net, learned, TRAIN, SETTINGS.ewc, tmp_path)
    assert float(found.mean()) == pytest.approx(1, rel=1e-4)
    monkeypatch.setattr("fusionlab.training.remembering.fisher", None)
    clipped = SETTINGS.ewc.model_copy(update={"shape": "clip", "weight": 7.0})
    again = importance_of(net, learned, TRAIN, clipped, tmp_path)
    assert not torch.equal(found, again)
    with pytest.raises(TypeError):
        importance_of(net, learned, TRAIN, EwcSettings(patches=5), tmp_path)


def test_offered_patches_cover_scenes_and_are_views():
    found = offered(curated(1, tasks=("ivf",)), 16)
    assert [(p.y, p.x) for p in found] == [(0, 0), (0, 4), (8, 0), (8, 4)]
    assert found[0].planes.base is not None
    small = Curated([example("ivf", 0, (5, 40))], "toy", "policy")
    assert [(p.y, p.x, p.planes.shape) for p in offered(small, 16)] == [
        (0, x, (3, 16, 16)) for x in (0, 16, 24)
    ]
