"""Batches made ahead: in order, whoever makes them; errors where they belong; a clean end."""

import threading
import time

import pytest
import torch
from training_examples import of_tasks

from fusionlab.flow.batch import Batch
from fusionlab.training.feeding import Feed
from fusionlab.training.patches import Patches, PatchSettings


def numbered(step):
    """Return a batch that says which step it is of."""
    return Batch(*(torch.full((1, 1, 1, 1), float(step)) for _ in range(5)))


def number(batch):
    return int(batch.label)


def feeding():
    return [t for t in threading.enumerate() if t.name.startswith("feed")]


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_the_number_of_workers_changes_nothing(workers):
    patches = Patches(of_tasks(ivf=3, mff=2), PatchSettings(batch=6, patch=9))
    with Feed(patches.batch, workers=workers) as feed:
        for step in range(12):
            found, wanted = feed(step), patches.batch(step)
            assert torch.equal(found.label, wanted.label)
            assert torch.equal(found.task, wanted.task)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_steps_can_be_asked_for_again_and_out_of_order(workers):
    with Feed(numbered, workers=workers) as feed:
        for step in (0, 1, 2, 7, 8, 3, 3, 4, 100, 0):
            assert number(feed(step)) == step


def test_a_slow_worker_does_not_change_the_order():
    def slow(step):
        time.sleep(0.02 if step % 3 == 0 else 0)
        return numbered(step)

    with Feed(slow, workers=3) as feed:
        assert [number(feed(step)) for step in range(10)] == list(range(10))


def test_an_error_is_raised_at_the_step_that_it_belongs_to():
    def broken(step):
        if step == 3:
            raise ValueError("step 3 is broken")
        return numbered(step)

    with Feed(broken, workers=2) as feed:
        assert [number(feed(step)) for step in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="step 3 is broken"):
            feed(3)
        assert number(feed(4)) == 4
    assert not feeding()


def test_no_more_is_made_ahead_than_was_said():
    made = []

    def tell(step):
        made.append(step)
        return numbered(step)

    with Feed(tell, workers=2) as feed:
        feed(0)
    assert max(made) <= 4
    made.clear()
    with Feed(tell, workers=2, stop=6) as feed:
        for step in range(6):
            feed(step)
    assert sorted(made) == list(range(6))


def test_closing_ends_the_threads_also_when_the_training_fails():
    feed = Feed(numbered, workers=3)

    def train():
        with feed:
            feed(0)
            assert feeding()
            raise RuntimeError("training failed")

    with pytest.raises(RuntimeError, match="training failed"):
        train()
    assert not feeding()
    feed.close()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA GPU")
def test_batches_are_pinned_for_a_gpu():
    with Feed(numbered, pin=True) as feed:
        assert feed(0).label.is_pinned()
