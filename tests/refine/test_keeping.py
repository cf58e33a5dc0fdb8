"""Probes as a file: the same back, and a clear word where it is broken or another one."""

import json

import pytest
import torch
from safetensors.torch import load, save

from fusionlab.errors import FusionLabError, LabError, UnknownNameError, UsageError
from fusionlab.lab import Lab
from fusionlab.refine.keeping import Losses, Origin, keep, load_probes, probes_path
from fusionlab.refine.probes import Probes
from fusionlab.refine.teaching import Settings

ORIGIN = Origin(
    name="first",
    task="ivf",
    labels="labels",
    policy_digest="p",
    scenes=3,
    held_out=("ivf/toy/s0",),
    examples_digest="e",
    settings=Settings(steps=7),
    losses=Losses(probes=3.5, assembler=1.5, held_out=True),
    limits={"detail": (0.1, 0.2)},
    software_version="0",
)


@pytest.fixture
def lab(tmp_path):
    return Lab.create(tmp_path / "lab")


@pytest.fixture
def kept(lab):
    net = Probes()
    path = probes_path(lab, "first", "ivf")
    keep(path, net, ORIGIN)
    return net, path


def test_what_is_kept_comes_back_and_answers_the_same(lab, kept):
    net, path = kept
    again, origin = load_probes(lab, "first", "ivf")
    assert origin == ORIGIN
    assert path.name == "first-ivf.safetensors"
    fused = torch.rand(1, 1, 12, 13)
    with torch.no_grad():
        assert torch.equal(again(fused), net(fused))
    assert not again.training


def test_the_file_is_plain_safetensors_with_a_description_in_json(kept):
    _, path = kept
    data = path.read_bytes()
    weights = load(data)
    assert sum(w.numel() for w in weights.values()) == 43011
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    said = json.loads(header["__metadata__"]["fusionlab"])
    assert said["labels"] == "labels"
    assert said["settings"]["steps"] == 7
    assert said["limits"]["detail"] == [0.1, 0.2]


def test_the_same_probes_give_the_same_bytes_and_no_file_is_left_over(kept):
    net, path = kept
    before = path.read_bytes()
    keep(path, net, ORIGIN)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_writer_that_fails_leaves_the_old_file(kept, monkeypatch):
    _, path = kept
    before = path.read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("fusionlab.atomic.os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        keep(path, Probes(), ORIGIN)
    assert path.read_bytes() == before


@pytest.mark.parametrize("length", [0, 4, 8, 40, 2000, -1], ids=lambda n: f"{n} bytes")
def test_a_truncated_file_is_named_with_the_remedy(lab, kept, length):
    _, path = kept
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(LabError, match=r"first-ivf\.safetensors.*train again: fusionlab probes"):
        load_probes(lab, "first", "ivf")


def without_description(data):
    return save(load(data))


def of_another_format(data):
    return data.replace(b'\\"format\\":1', b'\\"format\\":9')


def with_other_layers(data):
    weights = load(data)
    weights.pop("first.layers.0.weight")
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return save(weights, header["__metadata__"])


def with_other_shapes(data):
    weights = load(data)
    weights["first.layers.0.weight"] = torch.zeros(2, 1, 3, 3)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return save(weights, header["__metadata__"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"not at all",
        lambda data: b"\xff" * len(data),
        lambda data: data[:8] + b"\x80" * 300 + data[308:],
        lambda data: data + b"more",
        without_description,
        of_another_format,
        with_other_layers,
        with_other_shapes,
    ],
    ids=["text", "ones", "header", "longer", "undescribed", "format", "layers", "shapes"],
)
def test_a_spoiled_file_is_named_with_the_remedy(lab, kept, spoil):
    _, path = kept
    before = path.read_bytes()
    path.write_bytes(spoil(before))
    assert path.read_bytes() != before
    with pytest.raises(LabError, match=r"first-ivf\.safetensors.*train again: fusionlab probes"):
        load_probes(lab, "first", "ivf")


def test_probes_that_are_not_there_say_how_to_train_them(lab):
    with pytest.raises(LabError, match=r"no such probes.*fusionlab probes --lab .* --name other"):
        load_probes(lab, "other", "mef")


def test_a_file_of_another_task_is_refused(lab, kept):
    _, path = kept
    path.rename(probes_path(lab, "first", "mif"))
    with pytest.raises(LabError, match="holds probes of ivf, expected mif"):
        load_probes(lab, "first", "mif")


def test_names_and_tasks_that_cannot_be(lab):
    with pytest.raises(UsageError, match=r"name of probes '\.\./x'"):
        probes_path(lab, "../x", "ivf")
    with pytest.raises(UnknownNameError, match="task"):
        probes_path(lab, "first", "video")
    assert issubclass(UsageError, FusionLabError)
