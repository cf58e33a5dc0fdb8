"""A policy: the typed, versioned description of how scores become a choice."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, field_validator

from fusionlab import metrics as metric_library
from fusionlab.configs import Config, load_yaml
from fusionlab.errors import ConfigError, UnknownNameError, suggest
from fusionlab.flags import FLAGS
from fusionlab.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping

Normalise = Literal["rank", "minmax", "zscore"]
Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]

#: What came later and changes nothing as it stands by default: not in a digest then.
_ADDED = {"exclude": (), "penalise": {}, "families": "equal"}


class Policy(Config):
    """How scores become a choice.

    With s_m(c) the score of candidate c in metric m, made to point upwards, and n_m its
    normalisation over the candidates of one scene::

        total(c) = sum_m w_m n_m(c) / sum_m w_m - sum of the penalties of c's flags

    The candidate with the highest total wins; those with an excluded flag take no part. Ties are
    broken by the normalised metrics in the order of `weights`, then by the method's name. A score
    that is not a number takes the worst place in its metric.

    Attributes
    ----------
    name, version, description : what it is called, and for whom.
    normalise : ``rank`` (0 worst .. 1 best, ties averaged), ``minmax`` (0..1) or ``zscore``.
    exclude : flags of `fusionlab.flags.FLAGS` whose bearers take no part.
    penalise : flag -> what it takes off the total, > 0.
    families : ``equal``, each candidate is one voter in ``rank`` and ``zscore``; or ``share``, the
        candidates of a family are one voter together.
    weights : task -> metric -> w_m > 0.
    """

    name: str
    version: int = Field(ge=1)
    description: str = ""
    normalise: Normalise = "rank"
    exclude: tuple[str, ...] = ()
    penalise: dict[str, Weight] = Field(default_factory=dict)
    families: Literal["equal", "share"] = "equal"
    weights: dict[str, Annotated[dict[str, Weight], Field(min_length=1)]] = Field(min_length=1)

    @field_validator("exclude", "penalise")
    @classmethod
    def _known_flags(cls, flags: Any) -> Any:
        for flag in flags:
            if flag not in FLAGS:
                nearest = suggest(flag, FLAGS)
                hint = f" Did you mean {nearest!r}?" if nearest else ""
                raise ValueError(f"unknown flag {flag!r}.{hint} Known: {', '.join(FLAGS)}.")
        return flags

    @property
    def digest(self) -> str:
        """Return the SHA-256 of everything that affects the choice, and of name and version."""
        silent = {key for key, value in _ADDED.items() if getattr(self, key) == value}
        content = self.model_dump(exclude={"description", *silent})
        return hashlib.sha256(json.dumps(content, sort_keys=False).encode()).hexdigest()

    def normalised_by(self, normalise: str | None) -> Policy:
        """Return this policy with another normalisation, and a name that says so; itself for None.

        Raises
        ------
        UnknownNameError
            When there is no such normalisation.
        """
        if normalise is None:
            return self
        if normalise not in get_args(Normalise):
            raise UnknownNameError("normalisation", normalise, get_args(Normalise))
        if normalise == self.normalise:
            return self
        return self.model_copy(update={"normalise": normalise, "name": f"{self.name}-{normalise}"})

    def task_weights(self, task: str) -> Mapping[str, float]:
        """Return metric -> weight for `task`.

        Raises
        ------
        ConfigError
            When the policy says nothing about that task.
        """
        if task not in self.weights:
            raise ConfigError(
                f"policy {self.name!r} has no weights for task {task!r}, only for "
                f"{', '.join(self.weights)}; add some, or choose scenes with --task"
            )
        return self.weights[task]


def shipped_policies() -> dict[str, Policy]:
    """Return the policies that come with FusionLab, by name."""
    folder = resources.files("fusionlab.selection") / "policies"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    policies = [load_yaml(Path(str(file)), Policy) for file in files]
    return {policy.name: policy for policy in policies}


def load_policy(name: str) -> Policy:
    """Return a shipped policy by its name, or read one from a YAML file.

    Raises
    ------
    UnknownNameError
        When there is no such policy, or it uses a task or metric that does not exist.
    ConfigError
        When the file is wrong, or the policy wants a metric that needs the truth.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        policy = load_yaml(Path(name), Policy)
    else:
        shipped = shipped_policies()
        if name not in shipped:
            raise UnknownNameError("policy (a file would end in .yaml)", name, shipped)
        policy = shipped[name]
    _check_names(policy, name)
    return policy


def _check_names(policy: Policy, where: str) -> None:
    for task, weights in policy.weights.items():
        if task not in TASKS:
            raise UnknownNameError("task", task, TASKS, where)
        try:
            metrics = metric_library.resolve(list(weights))
        except UnknownNameError as error:
            raise UnknownNameError("metric", error.name, error.known, where) from None
        for metric in metrics:
            if metric.arity == "reference":
                raise ConfigError(
                    f"{where}: weights.{task}.{metric.name} compares with the truth, which "
                    "selection must not see; use a metric of the fused image and its sources"
                )
