"""What tests of training share."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Sums over threads differ in their last bits, and the machine has other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
