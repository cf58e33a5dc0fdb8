"""A run: what it leaves behind, going on after a kill, refusing what changed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from training_examples import curated, example, of_tasks, validated
from training_settings import tiny

from fusionlab.errors import LabError, ModelError, UsageError
from fusionlab.flow.keeping import load_model
from fusionlab.lock import hold
from fusionlab.training.run import train
from fusionlab.training.run_folder import RunFolder
from fusionlab.training.settings import CheckSettings
from fusionlab.training.side_by_side import side_by_side


@pytest.fixture(scope="module")
def scenes():
    places = [f"{task}/toy/s{i}" for task in ("ivf", "mff") for i in range(3)]
    return validated(example(place, size=(48, 44)) for place in places)


def bytes_of(folder):
    names = ("model.safetensors", "metrics.jsonl", "validation.parquet", "scenes.parquet")
    kept = sorted((folder / "checkpoints").glob("*"))
    return {p.name: p.read_bytes() for p in (*(folder / name for name in names), *kept)}


@pytest.fixture(scope="module")
def done(scenes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "flow"
    checks = CheckSettings(log=2, every=2, scenes=1, side=24, samples=4, keep=2)
    return train(scenes, folder, tiny(steps=8, checks=checks), device="cpu"), folder


def test_a_run_leaves_a_model_a_log_and_the_scenes_it_saw(done, scenes):
    report, folder = done
    model, note = load_model(folder / "model.safetensors")
    assert (note.name, note.steps, note.tasks) == ("flow", 8, ("ivf", "mff"))
    assert report.parameters == sum(p.numel() for p in model.parameters())
    table = pd.read_parquet(folder / "scenes.parquet")
    assert table["part"].value_counts().to_dict() == {"train": 4, "validation": 2}
    lines = RunFolder(folder).lines()
    steps = [line["step"] for line in lines if line["kind"] == "step"]
    assert steps == [2, 4, 6, 8]
    assert {"loss", "loss_t0", "rate"} <= set().union(*lines)
    assert [line["step"] for line in lines if line["kind"] == "check"] == [2, 4, 6, 8]
    kept = sorted(p.name for p in (folder / "checkpoints").iterdir())
    assert kept == ["best.safetensors", "step-0000006.safetensors", "step-0000008.safetensors"]
    assert sorted(p.name for p in (folder / "samples").iterdir()) == [
        *("step-0000004.png", "step-0000008.png"),
    ]
    assert not (folder / "state.pt").exists()


def test_validation_scenes_are_judged_one_by_one(done):
    report, folder = done
    rows = pd.read_parquet(folder / "validation.parquet")
    assert list(rows) == ["place", "task", "PSNR", "PSNR_local", "SSIM", "Qabf", "VIF"]
    assert len(rows) == report.held_out == 2
    assert report.validation["ivf"]["PSNR"] == pytest.approx(
        rows[rows["task"] == "ivf"]["PSNR"].mean(), abs=1e-4
    )


def test_a_run_that_has_ended_is_not_trained_again(done, scenes):
    _, folder = done
    before, told = bytes_of(folder), []
    checks = CheckSettings(log=2, every=2, scenes=1, side=24, samples=4, keep=2)
    again = train(scenes, folder, tiny(steps=8, checks=checks), device="cpu", on_step=told.append)
    assert again.already
    assert not told
    assert bytes_of(folder) == before


def test_other_settings_or_data_are_another_run(done, scenes):
    _, folder = done
    checks = CheckSettings(log=2, every=2, scenes=1, side=24, samples=4, keep=2)
    with pytest.raises(ModelError, match=r"settings\.steps was 8, is 9.*another name"):
        train(scenes, folder, tiny(steps=9, checks=checks), device="cpu")
    with pytest.raises(ModelError, match=r"data\.train_digest was"):
        train(of_tasks(ivf=3, mff=4), folder, tiny(steps=8, checks=checks), device="cpu")


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(scenes, tmp_path, stop):
    settings = tiny(steps=6)
    train(scenes, tmp_path / "whole" / "run", settings, device="cpu")

    def interrupt(progress):
        if progress.step == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(scenes, tmp_path / "cut" / "run", settings, device="cpu", on_step=interrupt)
    train(scenes, tmp_path / "cut" / "run", settings, device="cpu")
    assert bytes_of(tmp_path / "cut" / "run") == bytes_of(tmp_path / "whole" / "run")


KILLED = """
import sys, torch
from pathlib import Path
from training_examples import of_tasks
from training_settings import tiny
from fusionlab.training.run import train
torch.set_num_threads(1)
def told(progress):
    print(progress.step, flush=True)
train(of_tasks(ivf=3, mff=3), Path(sys.argv[1]), tiny(steps=40), device="cpu", on_step=told)
"""


def test_kill_9_in_mid_pass_loses_nothing(tmp_path):
    scenes = of_tasks(ivf=3, mff=3)
    tests = str(Path(__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "cut" / "run")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:  # 4 patches a step of 4 scenes: a pass is over at each step
            if int(line) == 17:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert RunFolder(tmp_path / "cut" / "run").load_state()["trainer"]["step"] >= 14
    for name in ("cut", "whole"):
        train(scenes, tmp_path / name / "run", tiny(steps=40), device="cpu")
    assert bytes_of(tmp_path / "cut" / "run") == bytes_of(tmp_path / "whole" / "run")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_state_says_what_to_remove(scenes, tmp_path, share):
    folder = RunFolder(tmp_path)
    folder.save_state({"trainer": {"step": 1}})
    data = (tmp_path / "state.pt").read_bytes()
    (tmp_path / "state.pt").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError, match=r"state\.pt: cannot be read .*Remove it"):
        folder.load_state()


def test_a_state_of_another_format_names_the_version(tmp_path):
    torch.save({"format": 99, "version": "7.0"}, tmp_path / "state.pt")
    with pytest.raises(ModelError, match=r"of format 99.*wrote it \(7\.0\)"):
        RunFolder(tmp_path).load_state()


def test_a_state_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'pwned'}",)

    torch.save({"format": 1, "x": Evil()}, tmp_path / "state.pt")
    with pytest.raises(ModelError, match="cannot be read"):
        RunFolder(tmp_path).load_state()
    assert not (tmp_path / "pwned").exists()


def test_one_scene_is_learned_and_nothing_is_held_out(tmp_path):
    report = train(curated([example("ivf/toy/s0")]), tmp_path / "one", tiny(), device="cpu")
    assert (report.scenes, report.held_out, report.validation) == ({"ivf": 1}, 0, {})
    assert (tmp_path / "one" / "model.safetensors").exists()
    assert not (tmp_path / "one" / "checkpoints" / "best.safetensors").exists()


def test_images_smaller_than_a_patch_are_learned(tmp_path):
    scenes = curated([example(f"ivf/toy/s{i}", size=(9, 12)) for i in range(2)])
    assert train(scenes, tmp_path / "small", tiny(steps=2), device="cpu").steps == 2


def test_nothing_is_written_by_a_dry_run(scenes, tmp_path):
    report = train(scenes, tmp_path / "dry", tiny(), device="cpu", dry_run=True)
    assert report.scenes == {"ivf": 2, "mff": 2}
    assert not (tmp_path / "dry").exists()


def test_a_missing_gpu_is_an_error(scenes, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UsageError, match="torch sees no CUDA GPU here"):
        train(scenes, tmp_path / "gpu", tiny(), device="cuda")


def test_a_name_that_is_no_name_is_refused(scenes, tmp_path):
    with pytest.raises(UsageError, match="use letters, digits"):
        train(scenes, tmp_path / "..", tiny(), device="cpu")


def test_two_processes_do_not_train_one_run(scenes, tmp_path):
    with hold(tmp_path), pytest.raises(LabError):
        train(scenes, tmp_path, tiny(), device="cpu")


def test_runs_on_the_same_data_are_shown_side_by_side(scenes, tmp_path):
    for objective in ("flow", "regression"):
        train(scenes, tmp_path / objective, tiny(objective, steps=2), device="cpu")
    train(of_tasks(ivf=4, mff=3), tmp_path / "other", tiny(steps=2), device="cpu")
    found = side_by_side(tmp_path / "flow")
    assert found["run"].tolist() == ["flow", "regression"]
    assert found["objective"].tolist() == ["flow", "regression"]
    assert found["ahead"].iloc[0] == ""
    rows = [pd.read_parquet(tmp_path / r / "validation.parquet") for r in found["run"]]
    gap = np.mean(rows[0]["PSNR_local"] - rows[1]["PSNR_local"])
    assert float(found["ahead"].iloc[1].split()[0]) == pytest.approx(gap, rel=1e-2)


def test_the_report_is_kept_as_json(done):
    report, folder = done
    assert json.loads((folder / "report.json").read_text()) == report.as_dict()
