"""What a run of training leaves behind.

::

    runs/NAME/config.json                  settings, data, and digests of both
    runs/NAME/scenes.parquet               which scenes it saw, and which were held out
    runs/NAME/model.safetensors            the model that fuses: the mean of the weights, at the end
    runs/NAME/state.pt                     all that going on needs; gone when the run has ended
    runs/NAME/checkpoints/*.safetensors    models on the way: the last ones, and the best
    runs/NAME/metrics.jsonl                one line a step or check
    runs/NAME/samples/*.png                validation scenes: sources, label, fused image

``state.pt`` is the truth about how far a run is. Everything else is written before it, and what was
written beyond it is written again, the same.
"""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import torch

from fusionlab import __version__
from fusionlab.atomic import atomic_write_bytes
from fusionlab.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def model(self) -> Path:
        """Return where the model is that fuses."""
        return self.path / "model.safetensors"

    @property
    def best(self) -> Path:
        """Return where the best model of all checks is."""
        return self.path / "checkpoints" / "best.safetensors"

    def checkpoint(self, step: int) -> Path:
        """Return where the model of a check is."""
        return self.path / "checkpoints" / f"step-{step:07d}.safetensors"

    def prune(self, keep: int) -> None:
        """Remove all checkpoints but the last `keep` and the best."""
        for old in sorted((self.path / "checkpoints").glob("step-*.safetensors"))[:-keep]:
            old.unlink(missing_ok=True)

    # -- what it is -------------------------------------------------------------------------------

    def describe(self, config: dict[str, Any]) -> None:
        """Write what the run is, or check that it is the same.

        Raises
        ------
        ModelError
            When the folder holds another run.
        """
        path = self.path / "config.json"
        found = self.config()
        if found is None:
            text = json.dumps(config, indent=2, sort_keys=True) + "\n"
            atomic_write_bytes(path, text.encode())
            return
        changed = sorted(_differences(found, json.loads(json.dumps(config))))
        if changed:
            raise ModelError(
                f"{self.path}: holds a run of other settings or data; different: "
                f"{'; '.join(changed[:5])}. Give the new run another name, or remove the folder"
            )

    def config(self) -> dict[str, Any] | None:
        """Return what the run is, or None where there is none."""
        path = self.path / "config.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: is not a run's description: {error}") from None
        return found

    # -- how far it is ----------------------------------------------------------------------------

    def save_state(self, state: dict[str, Any]) -> None:
        """Write all that going on needs."""
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, "version": __version__, **state}, buffer)
        atomic_write_bytes(self.path / "state.pt", buffer.getvalue())

    def load_state(self) -> dict[str, Any] | None:
        """Return what `save_state` wrote, or None.

        Raises
        ------
        ModelError
            When the file is truncated, or of another version.
        """
        path = self.path / "state.pt"
        if not path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            found = state["format"]
        except Exception as error:  # noqa: BLE001  torch raises what it likes for broken files
            first = str(error).partition("\n")[0]
            raise ModelError(
                f"{path}: cannot be read ({first}); it is truncated or no state of a run. Remove "
                "it to train from the beginning; the models in checkpoints/ are not touched"
            ) from None
        if found != FORMAT:
            raise ModelError(
                f"{path}: is of format {found}, this FusionLab ({__version__}) reads {FORMAT}; go "
                f"on with the version that wrote it ({state.get('version')})"
            )
        return state

    def drop_state(self) -> None:
        """Forget how far the run is: it has ended."""
        (self.path / "state.pt").unlink(missing_ok=True)

    # -- what it says -----------------------------------------------------------------------------

    def log(self, line: dict[str, Any]) -> None:
        """Append one line to the log."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, sort_keys=True) + "\n")

    def lines(self) -> list[dict[str, Any]]:
        """Return the log; a last line that a kill cut off is left out."""
        path, found = self.path / "metrics.jsonl", []
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    found.append(json.loads(line))
                except ValueError:
                    break
        return found

    def rewind(self, step: int) -> None:
        """Take out of the log what comes after `step`: it will come again."""
        path = self.path / "metrics.jsonl"
        if path.exists():
            kept = [line for line in self.lines() if line["step"] <= step]
            text = "".join(json.dumps(line, sort_keys=True) + os.linesep for line in kept)
            atomic_write_bytes(path, text.encode())


def _differences(old: Any, new: Any, where: str = "") -> list[str]:
    """Return where two JSON documents differ, and how."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(set(old) | set(new))
        return [d for k in keys for d in _differences(old.get(k), new.get(k), f"{where}.{k}")]
    return [] if old == new else [f"{where.lstrip('.')} was {old!r}, is {new!r}"]
