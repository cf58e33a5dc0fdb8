"""One scene: have it fused by who has not yet, compress, measure; a failure is a row, no error."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.errors import LabError, MethodError, ReasonedError, UsageError
from fusionlab.evaluation.compression import LOSSLESS, as_jpeg, form_of
from fusionlab.evaluation.tables import keep_image, kept_image
from fusionlab.images import digest, luminance
from fusionlab.scoring.plan import digest_of_sources
from fusionlab.scoring.work import Failed, ReadScene, SceneWork, attempt, read_block, ready

if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Lock
    from typing import Any

    from fusionlab.evaluation.entrants import Entrant
    from fusionlab.images import Pixels
    from fusionlab.lab import Lab
    from fusionlab.metrics import Metric
    from fusionlab.scoring.plan import ScenePlan
    from fusionlab.scoring.work import Measure


@dataclass(frozen=True)
class Job:
    """What is left to do of one scene.

    Attributes
    ----------
    fused : entrant -> digest of the image that it made before and that stands; "" for none.
    quality : of the JPEG that images become beside themselves; None for none.
    """

    plan: ScenePlan
    entrants: tuple[tuple[Entrant, str], ...]
    quality: int | None
    metrics: tuple[Metric, ...]


@dataclass
class Done:
    """What became of it: rows of `FUSED`, of `FUSED_SCORES`, and of the rejects."""

    fused: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, str]] = field(default_factory=list)


def evaluate_scene(lab: Lab, job: Job, fusing: Lock) -> Done:
    """Fuse and measure one scene for all entrants that lack it.

    Parameters
    ----------
    fusing : held while a model works, for it uses all of its device by itself.
    """
    done = Done()
    plan = job.plan
    try:
        sources = [read_block(lab.images, block) for block in plan.sources]
        truth = read_block(lab.images, plan.reference) if plan.reference else None
    except LabError as error:
        done.rejects = [_reject(plan, e, "unreadable_pixels", str(error)) for e, _ in job.entrants]
        return done
    scene = ReadScene([luminance(s) for s in sources], None if truth is None else luminance(truth))
    images = [(e, _image(lab, plan, e, known, sources, fusing)) for e, known in job.entrants]
    done.rejects = [
        _reject(plan, e, image.reason, image.detail)
        for e, image in images
        if isinstance(image, ReasonedError)
    ]
    made = [(e, image) for e, image in images if not isinstance(image, ReasonedError)]
    if made:
        _measure(lab, job, scene, made, done)
    return done


def _image(
    lab: Lab,
    plan: ScenePlan,
    entrant: Entrant,
    known: str,
    sources: Sequence[Pixels],
    fusing: Lock,
) -> Pixels | ReasonedError:
    """Return the fused image, one that is there already if there is, or why there is none."""
    there = kept_image(lab, known) if known else None
    if there is not None:
        return there
    try:
        with fusing:
            found = entrant.fuse(sources, plan.task)
    except ReasonedError as error:
        return error
    except UsageError:  # what is asked for cannot be, of no scene
        raise
    except Exception as error:  # noqa: BLE001  the task boundary
        return MethodError("method_failed", repr(error))
    if found.dtype not in (np.uint8, np.uint16) or found.shape[:2] != sources[0].shape[:2]:
        return MethodError(
            "method_failed",
            f"returned {found.dtype} {found.shape}, expected 8 or 16 bits of "
            f"{sources[0].shape[:2]}",
        )
    return found if found.flags.c_contiguous else found.copy()


def _measure(
    lab: Lab,
    job: Job,
    scene: ReadScene,
    made: Sequence[tuple[Entrant, Pixels]],
    done: Done,
) -> None:
    """Measure the images of one scene together: what depends on its sources is done once."""
    plan, metrics = job.plan, measured_in(job.metrics, job.plan)
    work = SceneWork(plan.task, plan.dataset, plan.scene, plan.sources, plan.reference, ())
    names = [metric.name for metric in metrics]
    measure = attempt(work, "", lambda: ready(scene.sources, scene.reference, names, "cpu"))
    for entrant, image in made:
        forms = {LOSSLESS: image}
        if job.quality is not None:
            forms[form_of(job.quality)] = as_jpeg(image, job.quality)
        kept = keep_image(lab, image)
        for form, pixels in forms.items():
            values = (
                measure
                if isinstance(measure, Failed)
                else attempt(work, entrant.name, partial(_values, measure, pixels))
            )
            if isinstance(values, Failed):
                done.rejects.append(_reject(plan, entrant, values.reason, values.detail))
                break
            done.fused.append(fused_row(plan, entrant, form, digest(pixels), kept))
            done.scores += [score_row(plan, m, digest(pixels), values[m.name]) for m in metrics]


def _values(measure: Measure, pixels: Pixels) -> dict[str, float]:
    return measure([luminance(pixels)])[0]


def measured_in(metrics: Sequence[Metric], plan: ScenePlan) -> list[Metric]:
    """Return the metrics that an image of a scene has: those of the truth where there is one."""
    return [m for m in metrics if plan.reference is not None or m.arity != "reference"]


def source_digests(plan: ScenePlan) -> list[str]:
    """Return the digests of a scene's sources in their order."""
    return [block.digest for block in plan.sources]


def fused_row(
    plan: ScenePlan, entrant: Entrant, form: str, found: str, image: str
) -> dict[str, Any]:
    """Return a row of `FUSED`."""
    return {
        **_place(plan),
        "method": entrant.name,
        "form": form,
        "recipe": entrant.recipe(plan.task, source_digests(plan)),
        "digest": found,
        "image": image,
    }


def score_row(plan: ScenePlan, metric: Metric, found: str, value: float) -> dict[str, Any]:
    """Return a row of `FUSED_SCORES`; of what it was measured, the digests say all."""
    return {
        **_place(plan),
        "method": "",
        "metric": metric.name,
        "value": value,
        "metric_version": metric.version,
        "sources_digest": sources_of(plan, metric),
        "candidate_digest": found,
    }


def sources_of(plan: ScenePlan, metric: Metric) -> str:
    """Return the digest of what an image is compared with, as in the table of scores."""
    plain = digest_of_sources(source_digests(plan), "")
    if metric.arity != "reference" or plan.reference is None:
        return plain
    return digest_of_sources([plain, plan.reference.digest], "")


def _place(plan: ScenePlan) -> dict[str, str]:
    return {"task": plan.task, "dataset": plan.dataset, "scene": plan.scene}


def _reject(plan: ScenePlan, entrant: Entrant, reason: str, detail: str) -> dict[str, str]:
    said = {"reason": reason, "detail": detail}
    return {"scene": plan.scene, "role": "method", "name": entrant.name, **said}
