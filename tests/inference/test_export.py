"""ONNX: the file fuses as the model does, at other sizes than it was made with, in all steps."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from fusing_models import make_model, save_run
from typer.testing import CliRunner

from fusionlab.cli import app
from fusionlab.errors import ModelError, UsageError
from fusionlab.inference import Fuser, export
from fusionlab.inference.export import export_onnx


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("onnx")
    run = save_run(folder / "first")
    call = ["onnx", str(run), "--out", str(folder / "first.onnx"), "--steps", "2", "--json"]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0, done.output
    file = folder / "first.onnx"
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return Fuser.load(run, "cpu"), session, json.loads(done.stdout)


def test_the_report_says_how_near_it_is(exported):
    assert exported[2]["difference"] < 1e-3
    assert (exported[2]["steps"], exported[2]["solver"]) == (2, "euler")


@pytest.mark.parametrize("shape", [(1, 64, 64), (2, 61, 83), (3, 8, 5), (1, 1, 1), (1, 3, 200)])
def test_the_file_fuses_as_the_model_does(exported, shape):
    fuser, session, _ = exported
    generator = torch.Generator().manual_seed(7)
    a, b = torch.rand(2, shape[0], 1, *shape[1:], generator=generator) * 255
    task = torch.randint(0, 5, shape[:1], generator=generator)
    with torch.inference_mode():
        fused = fuser.model.fuse(a / 127.5 - 1, b / 127.5 - 1, task, steps=2)
    feed = {"a": a.numpy(), "b": b.numpy(), "task": task.numpy()}
    (found,) = session.run(["fused"], feed)
    assert np.abs(found - (fused.numpy() + 1) * 127.5).max() < 1e-3


def test_the_file_says_what_it_is(exported):
    fuser, session, _ = exported
    note = json.loads(session.get_modelmeta().custom_metadata_map["fusionlab"])
    assert (note["run"], note["model"], note["steps"]) == ("first", fuser.digest, 2)
    assert note["tasks"]["mff"] == 4
    assert session.get_inputs()[0].shape == ["batch", 1, "height", "width"]


@pytest.mark.parametrize("settings", [{"objective": "noise-flow"}, {"sigma": 0.1}], ids=str)
def test_a_start_from_noise_is_refused(settings, tmp_path):
    fuser = Fuser(make_model(**settings), "noise")
    with pytest.raises(UsageError, match="starts from noise"):
        export_onnx(fuser, tmp_path / "x.onnx")


def test_missing_packages_are_named(tmp_path, monkeypatch):
    def missing(*_given, **_named):
        raise ImportError("No module named 'onnxscript'")

    monkeypatch.setattr(torch.onnx, "export", missing)
    with pytest.raises(UsageError, match=r"fusionlab\[onnx\]"):
        export_onnx(Fuser(make_model(), "tiny"), tmp_path / "x.onnx")


def test_a_file_that_gives_other_images_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_converted", lambda *_: b"")
    monkeypatch.setattr(export, "_run", lambda *_: np.zeros((2, 1, 61, 83), np.float32))
    with pytest.raises(ModelError, match="gray levels"):
        export_onnx(Fuser(make_model(), "tiny"), tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []
