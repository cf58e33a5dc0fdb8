import pytest
import torch

from fusionlab.errors import ModelError
from fusionlab.flow.keeping import ModelNote, digest_of, load_model, save_model
from fusionlab.flow.model import FusionModel, ModelSettings
from fusionlab.flow.network import NetworkSettings

SETTINGS = ModelSettings(network=NetworkSettings(widths=(4, 4), blocks=1, contrast=(3,)))
NOTE = ModelNote(
    name="run", model=SETTINGS, tasks=("ivf",), labels="first", labels_digest="00", steps=7
)


@pytest.fixture
def kept(tmp_path):
    torch.manual_seed(0)
    model, path = FusionModel(SETTINGS), tmp_path / "model.safetensors"
    save_model(path, model, NOTE)
    return model, path


def test_a_model_comes_back_with_its_note(kept):
    model, path = kept
    found, note = load_model(path)
    assert note == NOTE
    assert not found.training
    for name, value in model.state_dict().items():
        assert torch.equal(found.state_dict()[name], value)
    assert digest_of(found) == digest_of(model)


def test_the_same_model_gives_the_same_bytes(kept, tmp_path):
    model, path = kept
    save_model(tmp_path / "again", model.to(memory_format=torch.channels_last), NOTE)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_other_weights_have_another_digest(kept):
    model, _ = kept
    before = digest_of(model)
    with torch.no_grad():
        model.network.head.bias[0] = 1
    assert digest_of(model) != before


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(kept, share):
    _, path = kept
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError, match=r"model\.safetensors: is no model that FusionLab"):
        load_model(path)


def test_a_model_of_another_format_is_refused(kept):
    _, path = kept
    path.write_bytes(path.read_bytes().replace(rb"\"format\":1", rb"\"format\":9"))
    with pytest.raises(ModelError, match="written by another version"):
        load_model(path)


def test_weights_of_another_network_are_refused(kept):
    _, path = kept
    path.write_bytes(path.read_bytes().replace(rb"\"blocks\":1", rb"\"blocks\":2"))
    with pytest.raises(ModelError, match=r"Missing key|state_dict"):
        load_model(path)


def test_a_missing_model_says_what_to_name(tmp_path):
    with pytest.raises(ModelError, match="name a run's folder"):
        load_model(tmp_path / "none.safetensors")
