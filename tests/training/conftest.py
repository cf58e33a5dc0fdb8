import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Sums depend on how they are spread over threads; tests share the cores anyhow."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
