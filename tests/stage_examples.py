"""Tiny scenes and settings by which stages of continual learning are tested."""

import numpy as np

from fusionlab.continual.ewc import EwcSettings
from fusionlab.continual.replay import ReplaySettings
from fusionlab.flow.model import ModelSettings
from fusionlab.flow.network import NetworkSettings
from fusionlab.training.curated import Curated, Example
from fusionlab.training.patches import PatchSettings
from fusionlab.training.settings import CheckSettings, OptimiserSettings, TrainSettings
from fusionlab.training.stages import StageSettings

SIDE, STEPS = 16, 6
NETWORK = NetworkSettings(widths=(4, 4), blocks=1, contrast=(3,))
TRAIN = TrainSettings(
    model=ModelSettings(network=NETWORK, steps=1),
    patches=PatchSettings(batch=4, patch=SIDE),
    optimiser=OptimiserSettings(warmup=2, rate=5e-3),
    checks=CheckSettings(every=2),
    steps=STEPS,
)
SETTINGS = StageSettings(
    train=TRAIN, ewc=EwcSettings(patches=4, times=2, chunk=3), replay=ReplaySettings(patches=3)
)


def example(task, number, size=(24, 20)):
    """Return a scene whose label is the maximum of IVF sources and the minimum of MFF ones."""
    rng = np.random.default_rng([len(task), ord(task[-1]), number])
    a, b = rng.integers(0, 65536, (2, *size), dtype=np.uint16) // 16 * 16
    label = np.maximum(a, b) if task == "ivf" else np.minimum(a, b)
    digests = (f"a{number}", f"b{number}", f"{task}{number}")
    planes = np.stack([label, a, b])
    return Example(f"{task}/toy/s{number}", task, planes, 1.0, "max", digests)


def curated(count=4, first=0, tasks=("ivf", "mff"), size=(24, 20)):
    numbers = range(first, first + count)
    return Curated([example(task, n, size) for task in tasks for n in numbers], "toy", "policy")
