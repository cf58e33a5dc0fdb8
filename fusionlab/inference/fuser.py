"""A trained model as a fusion method: images in, a fused image out."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

import torch

from fusionlab.devices import choose_device
from fusionlab.errors import ModelError, UnknownNameError, UsageError
from fusionlab.flow.batch import TASK_IDS
from fusionlab.flow.keeping import load_model
from fusionlab.flow.samplers import SOLVERS
from fusionlab.images import digest, join_digests
from fusionlab.inference.memory import choose_tile, is_out_of_memory, smaller_tile
from fusionlab.inference.planes import check_sources, task_of, to_image, to_plane
from fusionlab.inference.several import by_exposure, in_pairs
from fusionlab.inference.tiles import tiled_velocity
from fusionlab.paths import to_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from fusionlab.flow.model import FusionModel
    from fusionlab.flow.samplers import Solver
    from fusionlab.images import Pixels
    from fusionlab.paths import Place

    Floats = NDArray[np.float32]

#: The weights in the folder of a run.
MODEL = "model.safetensors"


@dataclass(frozen=True)
class Sampling:
    """How a flow is solved: `fusionlab.flow.samplers`."""

    steps: int
    solver: Solver


class Fuser:
    """A model that is ready to fuse.

    Parameters
    ----------
    model : in whatever mode; it is brought to `device` and into evaluation mode.
    name : of the run, for tables and messages.
    digest : SHA-256 of the file that it came from: what tells two models apart.
    task : what it was trained for, where that is one task alone; it is taken where none is named.
    """

    def __init__(
        self,
        model: FusionModel,
        name: str,
        digest: str = "",
        device: torch.device | str = "cpu",
        task: str = "",
    ) -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device).eval()
        self.name, self.digest, self.task = name, digest, task

    @classmethod
    def load(cls, run: Place | str, device: str = "auto") -> Fuser:
        """Read the model of a run.

        Parameters
        ----------
        run : folder of a run, or a file of weights with its description.
        device : ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

        Raises
        ------
        ModelError
            When there is no such run, or its model cannot be read.
        UsageError
            When there is no such device.
        """
        chosen, file = choose_device(device), model_file(run)
        model, note = load_model(file, chosen)
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        task = note.tasks[0] if len(note.tasks) == 1 else ""
        return cls(model, _name(file), found, chosen, task)

    def fuse(
        self,
        sources: Sequence[Pixels],
        task: str = "",
        *,
        steps: int | None = None,
        solver: str | None = None,
        tile: int | None = None,
    ) -> Pixels:
        """Fuse one scene.

        Parameters
        ----------
        sources : two or more images of one size, gray (H, W) or RGB (H, W, 3), uint8 or uint16, in
            the task's order. More than two are fused in pairs: see `fusionlab.inference.several`.
        task : key of a task, which the network is told and which says where the chroma comes from.
            Where it is empty, that of the model, and for a model of several tasks
            `fusionlab.inference.planes.UNKNOWN`.
        steps, solver : of the flow; those of the model by default.
        tile : side of the tiles that the network sees, in pixels; by memory if left out.

        Returns
        -------
        RGB (H, W, 3), or gray (H, W) where the task's colour rule finds no hue; as deep as the
        deepest source.

        Raises
        ------
        UnknownNameError, UsageError
            For a task, number of steps, solver or tile that cannot be.
        ImageError
            For sources that cannot be fused.
        MethodError
            When memory runs out for the smallest of tiles, or the model gives no numbers.
        """
        kind = task_of(task or self.task)
        check_sources(sources, f"model {self.name!r}")
        sampling, side = self.sampling(steps, solver), self.tile(tile)
        planes = [to_plane(source) for source in sources]
        if kind.key == "mef":
            planes = by_exposure(planes)
        seed = int(join_digests([digest(source) for source in sources])[:15], 16)

        def join(a: Floats, b: Floats) -> Floats:
            return self._fuse_pair(a, b, kind.key, seed, side, sampling)

        return to_image(in_pairs(planes, join), kind, sources)

    def sampling(self, steps: int | None, solver: str | None) -> Sampling:
        """Return how the flow is solved: as asked for, or as the model has it.

        Raises
        ------
        UsageError, UnknownNameError
            When steps or solver cannot be.
        """
        settings = self.model.settings
        if steps is not None and steps < 1:
            raise UsageError(f"steps: got {steps}, expected 1 or more")
        if solver is not None and solver not in SOLVERS:
            raise UnknownNameError("solver", solver, SOLVERS)
        return Sampling(steps or settings.steps, cast("Solver", solver or settings.solver))

    def tile(self, asked: int | None = None) -> int:
        """Return the side of tiles, as `fusionlab.inference.memory.choose_tile` says."""
        return choose_tile(self.model, self.device, asked)

    def _fuse_pair(
        self, a: Floats, b: Floats, task: str, seed: int, tile: int, sampling: Sampling
    ) -> Floats:
        """Return the fused plane of two, (H, W) in -1..1, in smaller tiles when memory runs out."""
        while True:
            try:
                return self._sample(a, b, task, seed, tile, sampling)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            tile = smaller_tile(tile, self.model, a.shape)  # the error holds no tensors any more
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    @torch.inference_mode()
    def _sample(
        self, a: Floats, b: Floats, task: str, seed: int, tile: int, sampling: Sampling
    ) -> Floats:
        first, second = (self._tensor(plane) for plane in (a, b))
        ids = torch.tensor([TASK_IDS[task]], device=self.device)
        with torch.backends.cudnn.flags(deterministic=True, allow_tf32=False, enabled=True):
            fused = self.model.fuse(
                first,
                second,
                ids,
                **asdict(sampling),
                generators=[torch.Generator().manual_seed(seed)],
                velocity=tiled_velocity(self.model, first, second, ids, tile),
            )
        found: Floats = fused[0, 0].cpu().numpy()
        return found

    def _tensor(self, plane: Floats) -> Tensor:
        return torch.from_numpy(plane)[None, None].to(self.device)


def model_file(run: Place | str) -> Place:
    """Return the file of weights of a run, named by its folder or by the file itself.

    Raises
    ------
    ModelError
        When there is no such file.
    """
    place = to_place(run)
    file = place if place.name.endswith(".safetensors") else place / MODEL
    if not file.exists():
        raise ModelError(
            f"{file}: there is no such model; name the folder of a run of 'fusionlab train' that "
            f"has a {MODEL}, or such a file"
        )
    return file


def _name(file: Place) -> str:
    """Return the name of a run: that of its folder, or of a file that is called otherwise."""
    if file.name != MODEL:
        return file.name.removesuffix(".safetensors")
    return file.parent.resolve().name
