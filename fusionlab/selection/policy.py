"""A policy: the typed, versioned description of how scores become a choice."""

from __future__ import annotations

import hashlib
import json
import math
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, field_validator, model_validator

from fusionlab import metrics as metric_library
from fusionlab.configs import Config, load_yaml
from fusionlab.errors import ConfigError, LabError, UnknownNameError, suggest
from fusionlab.flags import FLAGS
from fusionlab.tables import read_note
from fusionlab.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.lab import Lab

Normalise = Literal["rank", "minmax", "zscore", "quantile", "none"]
Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Limit = Finite | dict[str, Finite]
Levels = Annotated[list[Finite], Field(min_length=2)]

#: What came later and changes nothing as it stands by default: not in a digest then.
_ADDED: dict[str, Any] = {
    "exclude": (),
    "penalise": {},
    "families": "equal",
    "guards": {},
    "abstain": None,
    "population": {},
}


class Guard(Config):
    """What a candidate must keep within to take part: ``min <= metric <= max``.

    Attributes
    ----------
    metric : one of `fusionlab.metrics`, of the fused image and its sources.
    min, max : a number for every task, or task -> number; a task that is left out is not guarded.
    """

    metric: str
    min: Limit | None = None
    max: Limit | None = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> Guard:
        if self.min is None and self.max is None:
            raise ValueError(f"guard on {self.metric!r} needs 'min' or 'max'")
        for limit in (self.min, self.max):
            for task in limit if isinstance(limit, dict) else ():
                if task not in TASKS:
                    raise ValueError(f"unknown task {task!r}; known: {', '.join(TASKS)}")
        return self

    def limits(self, task: str) -> tuple[float, float] | None:
        """Return the smallest and largest value that pass in `task`; None where it is no guard."""
        low, high = (
            limit.get(task) if isinstance(limit, dict) else limit for limit in (self.min, self.max)
        )
        if low is None and high is None:
            return None
        return (-math.inf if low is None else low, math.inf if high is None else high)


class Abstain(Config):
    """When no choice is better than a doubtful one.

    Attributes
    ----------
    stability : a choice below it is not made.
    margin : a lead below it is none.
    """

    stability: Share = 0.0
    margin: Share = 0.0


class Policy(Config):
    """How scores become a choice.

    With s_m(c) the score of candidate c in metric m, made to point upwards, and n_m its
    normalisation over the candidates of one scene::

        total(c) = sum_m w_m n_m(c) / sum_m w_m - sum of the penalties of c's flags

    The candidate with the highest total wins; those that fail a guard or have an excluded flag take
    no part. Ties are broken by the normalised metrics in the order of `weights`, then by the
    method's name. A score that is not a number takes the worst place in its metric.

    Attributes
    ----------
    name, version, description : what it is called, and for whom.
    normalise : ``rank`` (0 worst .. 1 best, ties averaged), ``minmax`` (0..1), ``zscore``,
        ``quantile`` (0..1, the place among `population`), or ``none``, the scores as they are.
    guards : reason code -> what a candidate must keep within to take part.
    exclude : flags of `fusionlab.flags.FLAGS` whose bearers take no part.
    penalise : flag -> what it takes off the total, > 0.
    families : ``equal``, each candidate is one voter in ``rank`` and ``zscore``; or ``share``, the
        candidates of a family are one voter together.
    abstain : when a scene gets no label for doubt; never by default.
    weights : task -> metric -> w_m > 0.
    population : task -> metric -> values at evenly spaced quantiles from 0 to 1, for ``quantile``.
    """

    name: str
    version: int = Field(ge=1)
    description: str = ""
    normalise: Normalise = "rank"
    guards: dict[str, Guard] = Field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    penalise: dict[str, Weight] = Field(default_factory=dict)
    families: Literal["equal", "share"] = "equal"
    abstain: Abstain | None = None
    weights: dict[str, Annotated[dict[str, Weight], Field(min_length=1)]] = Field(min_length=1)
    population: dict[str, dict[str, Levels]] = Field(default_factory=dict)

    @field_validator("exclude", "penalise")
    @classmethod
    def _known_flags(cls, flags: Any) -> Any:
        for flag in flags:
            if flag not in FLAGS:
                nearest = suggest(flag, FLAGS)
                hint = f" Did you mean {nearest!r}?" if nearest else ""
                raise ValueError(f"unknown flag {flag!r}.{hint} Known: {', '.join(FLAGS)}.")
        return flags

    @model_validator(mode="after")
    def _populated(self) -> Policy:
        """Refuse quantiles of nothing, and quantiles that fall."""
        for task, metrics in self.population.items():
            for metric, levels in metrics.items():
                if sorted(levels) != levels:
                    raise ValueError(f"population.{task}.{metric}: quantiles must not fall")
        if self.normalise == "quantile":
            lacking = [
                f"{task}.{metric}"
                for task, metrics in self.weights.items()
                for metric in metrics
                if metric not in self.population.get(task, {})
            ]
            if lacking:
                raise ValueError(
                    f"normalise: quantile needs population.{lacking[0]} (make one with: "
                    "fusionlab policies population)"
                )
        return self

    @property
    def label(self) -> str:
        """Return name and version, as the tables write it."""
        return f"{self.name} v{self.version}"

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
        ConfigError
            When it needs a population, which this policy does not name.
        """
        if normalise is None:
            return self
        if normalise not in get_args(Normalise):
            raise UnknownNameError("normalisation", normalise, get_args(Normalise))
        if normalise == self.normalise:
            return self
        if normalise == "quantile":
            raise ConfigError(
                f"policy {self.name!r} names no 'population' to take quantiles of; make a policy "
                "that does: fusionlab policies population"
            )
        changed = {"normalise": normalise, "name": f"{self.name}-{normalise}"}
        return self.model_copy(update=changed)

    def unguarded(self) -> Policy:
        """Return this policy without its guards and exclusions, and a name that says so."""
        changed = {"guards": {}, "exclude": (), "name": f"{self.name}-unguarded"}
        return self.model_copy(update=changed)

    def task_guards(self, task: str) -> Mapping[str, tuple[str, float, float]]:
        """Return guard -> (metric, smallest, largest value that passes) for `task`."""
        limits = {name: (guard.metric, guard.limits(task)) for name, guard in self.guards.items()}
        return {name: (metric, *pair) for name, (metric, pair) in limits.items() if pair}

    def task_metrics(self, task: str) -> list[str]:
        """Return every metric that a choice in `task` asks for: of weights, then of guards.

        Raises
        ------
        ConfigError
            When the policy says nothing about that task.
        """
        guarded = [metric for metric, _, _ in self.task_guards(task).values()]
        return list(dict.fromkeys([*self.task_weights(task), *guarded]))

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


def policy_of(lab: Lab, labels: str) -> Policy:
    """Return the policy that selected a labels manifest, as it was.

    Raises
    ------
    LabError
        When the manifest does not say.
    """
    path = lab.labels_path(labels)
    try:
        return Policy.model_validate_json(read_note(path))
    except ValidationError:
        raise LabError(
            f"{path}: does not say by what policy it was selected; select again: "
            f"fusionlab select --lab {lab.path} --name {labels}"
        ) from None


def _check_names(policy: Policy, where: str) -> None:
    named = {f"weights.{task}": list(weights) for task, weights in policy.weights.items()}
    named |= {f"guards.{name}": [guard.metric] for name, guard in policy.guards.items()}
    for task in (*policy.weights, *policy.population):
        if task not in TASKS:
            raise UnknownNameError("task", task, TASKS, where)
    for place, names in named.items():
        try:
            metrics = metric_library.resolve(names)
        except UnknownNameError as error:
            raise UnknownNameError("metric", error.name, error.known, where) from None
        for metric in metrics:
            if metric.arity == "reference":
                raise ConfigError(
                    f"{where}: {place}.{metric.name} compares with the truth, which "
                    "selection must not see; use a metric of the fused image and its sources"
                )
