"""Trained probes as a file of the lab: ``lab/probes/NAME-TASK.safetensors``, one a task.

The weights, and in the header as JSON what they were trained on and how: so one atomic write keeps
both, and there is no file without its description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load

from fusionlab.atomic import atomic_write_bytes
from fusionlab.configs import Config
from fusionlab.errors import LabError, UsageError
from fusionlab.refine.probes import Probes
from fusionlab.refine.teaching import Settings
from fusionlab.store import is_safe_name
from fusionlab.tasks import get_task
from fusionlab.weights import described, description_in

if TYPE_CHECKING:
    import torch

    from fusionlab.lab import Lab
    from fusionlab.paths import Place

FORMAT: Literal[1] = 1


class Losses(Config):
    """L1 at the end of both stages, in gray levels of 0..255.

    Attributes
    ----------
    held_out : whether it was measured on scenes that were not learned from.
    """

    probes: float
    assembler: float
    held_out: bool


class Origin(Config):
    """What probes were trained on and how.

    Attributes
    ----------
    labels : name of the labels manifest.
    policy_digest : of the policy that selected them.
    scenes : how many were learned from.
    held_out : the scenes held out, ``task/dataset/scene``.
    examples_digest : of the pixels of all labels and sources, those held out too.
    limits : kind of damage -> lower and upper limit of its measure, of sound labels.
    """

    format: Literal[1] = FORMAT
    name: str
    task: str
    labels: str
    policy_digest: str
    scenes: int
    held_out: tuple[str, ...]
    examples_digest: str
    settings: Settings
    losses: Losses
    limits: dict[str, tuple[float, float]]
    software_version: str


def probes_path(lab: Lab, name: str, task: str) -> Place:
    """Return where the probes `name` of `task` are or would be.

    Raises
    ------
    UsageError
        When `name` cannot be a file's name, or there is no such task.
    """
    if not is_safe_name(name):
        raise UsageError(f"name of probes {name!r}: use letters, digits, '-', '_' and '.'")
    return lab.path / "probes" / f"{name}-{get_task(task).key}.safetensors"


def keep(path: Place, net: Probes, origin: Origin) -> None:
    """Write probes, atomically; the same weights and origin give the same bytes."""
    atomic_write_bytes(path, described(net, origin))


def load_probes(
    lab: Lab, name: str, task: str, device: torch.device | str = "cpu"
) -> tuple[Probes, Origin]:
    """Read the probes `name` of `task`.

    Raises
    ------
    LabError
        When there are none, or the file is broken, of another task or of a newer version.
    """
    path = probes_path(lab, name, task)
    again = f"fusionlab probes --lab {lab.path} --labels LABELS --name {name} --task {task}"
    if not path.exists():
        raise LabError(f"{path}: there are no such probes. Train some first: {again}")
    data = path.read_bytes()
    try:
        net, origin = Probes(), Origin.model_validate_json(description_in(data))
        net.load_state_dict(load(data))
    except (SafetensorError, ValidationError, ValueError, KeyError, RuntimeError) as error:
        first = str(error).partition("\n")[0]
        raise LabError(
            f"{path}: is no readable file of probes ({first}); train again: {again}"
        ) from None
    if origin.task != task:
        raise LabError(
            f"{path}: holds probes of {origin.task}, expected {task}; train again: {again}"
        )
    return net.to(device).eval(), origin
