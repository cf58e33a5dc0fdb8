"""The dataset manifest: a YAML file that says which files are sources and which are candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from fusionlab.configs import Config, load_yaml
from fusionlab.errors import ConfigError, suggest
from fusionlab.ingest.patterns import Pattern
from fusionlab.store import is_safe_name
from fusionlab.tasks import TASKS

if TYPE_CHECKING:
    from pathlib import Path


class Manifest(Config):
    """What ingest reads.

    Attributes
    ----------
    task : ``ivf``, ``mif``, ``mef`` or ``mff``.
    dataset : name of the data set in the lab.
    root : folder the patterns start at; relative to the manifest file.
    sources : modality -> pattern; the first two are a and b.
    candidates : pattern with ``{scene}`` and ``{method}``; none when there are only sources.
    reference : pattern of the optional truth. Selection never sees it.
    ignore : globs of files that are known not to belong to the data.
    """

    task: str
    dataset: str
    root: str = "."
    sources: dict[str, str] = Field(min_length=2)
    candidates: str | None = None
    reference: str | None = None
    ignore: tuple[str, ...] = ()

    @field_validator("task")
    @classmethod
    def _known_task(cls, task: str) -> str:
        if task not in TASKS:
            nearest = suggest(task, TASKS)
            hint = f" Did you mean {nearest!r}?" if nearest else ""
            raise ValueError(f"unknown task.{hint} Known: {', '.join(TASKS)}.")
        return task

    @field_validator("dataset")
    @classmethod
    def _safe_dataset(cls, dataset: str) -> str:
        if not is_safe_name(dataset):
            raise ValueError("a data set's name holds no '/', ':' or leading '.'")
        return dataset

    @field_validator("sources")
    @classmethod
    def _source_patterns(cls, sources: dict[str, str]) -> dict[str, str]:
        for modality in sources:
            if not is_safe_name(modality):
                raise ValueError(f"modality {modality!r} holds '/', ':' or a leading '.'")
        parsed = {m: Pattern.parse(text, {"scene"}).text for m, text in sources.items()}
        if len(set(parsed.values())) < len(parsed):
            raise ValueError("two sources have the same pattern")
        return parsed

    @field_validator("candidates")
    @classmethod
    def _candidate_pattern(cls, text: str | None) -> str | None:
        return None if text is None else Pattern.parse(text, {"scene", "method"}).text

    @field_validator("reference")
    @classmethod
    def _reference_pattern(cls, text: str | None) -> str | None:
        return None if text is None else Pattern.parse(text, {"scene"}).text


def load_manifest(path: Path, root: Path | None = None) -> tuple[Manifest, Path]:
    """Read a manifest and find its root folder.

    Parameters
    ----------
    path : the YAML file.
    root : overrides the manifest's own root.

    Raises
    ------
    ConfigError
        When the file is wrong, or the root is not a folder.
    """
    manifest = load_yaml(path, Manifest)
    folder = root if root is not None else path.parent / manifest.root
    if not folder.is_dir():
        raise ConfigError(
            f"{path}: root {folder} is not a folder; correct 'root' or give --root FOLDER"
        )
    return manifest, folder
