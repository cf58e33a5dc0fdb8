"""TensorBoard is an extra: what is said without it."""

import sys

import pytest
from training_examples import of_tasks
from training_settings import tiny

from fusionlab.errors import UsageError
from fusionlab.training.run import train


def test_without_tensorboard_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"pip install 'fusionlab\[log\]'"):
        train(of_tasks(ivf=2), tmp_path / "run", tiny(), device="cpu", tensorboard=True)
