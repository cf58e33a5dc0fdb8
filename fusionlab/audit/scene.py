"""One scene as a page: its sources, all candidates, every metric, and the reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fusionlab.audit.cells import MISSING, Table, number, records
from fusionlab.audit.links import dataset_url, scene_url, task_url
from fusionlab.audit.pictures import pictures_of
from fusionlab.audit.ranked import decoy_reason
from fusionlab.audit.repairs import Repaired, refiner_reason, repaired
from fusionlab.audit.scene_tables import files_table, scores_table, texts
from fusionlab.audit.why import reasons_of
from fusionlab.flags import FLAGS, split_flags
from fusionlab.regions import Region
from fusionlab.tasks import get_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.audit.study import DatasetStudy


@dataclass(frozen=True)
class Picture:
    """One image of a scene.

    Attributes
    ----------
    role : ``source``, ``method`` or ``reference``.
    name : the modality, the method, or what kind of truth it is.
    thumb, full : paths from the report's root.
    height, width : of the image, in pixels.
    region : the part of the scene that it shows; the whole scene for nearly all.
    place : 1 is the policy's first; None for who has no place.
    total : None where there is none.
    badges : short words (flags, guards) -> what each says.
    label : whether it is the label.
    digest : of its pixels.
    """

    role: str
    name: str
    thumb: str
    full: str
    height: int
    width: int
    region: Region
    place: int | None = None
    total: float | None = None
    badges: Mapping[str, str] = field(default_factory=dict)
    label: bool = False
    digest: str = ""

    def box(self, height: int, width: int) -> dict[str, float]:
        """Return where it lies in a scene of that size, in per cent."""
        y, x, h, w = self.region
        edges = {"top": y / height, "left": x / width, "width": w / width, "height": h / height}
        return {edge: round(100 * share, 4) for edge, share in edges.items()}


@dataclass(frozen=True)
class ScenePage:
    """Everything that the page of one scene shows.

    Attributes
    ----------
    task, dataset, scene, task_title : which scene it is.
    height, width : of the scene, in pixels.
    label : the row of the labels manifest; None where the scene has none.
    facts : name -> text, the short facts about the label.
    cautions : sentences about what should make one doubt.
    reasons : sentences, the weightiest first.
    sources, candidates, truths : the images; candidates in the order of the policy.
    table : every candidate and decoy, metric by metric.
    turned_away, decisions, files : further tables; empty ones are not drawn.
    repaired : what the refiner did; None where it never looked.
    before, after, up, task_page : pages to go to, from the report's root; may be empty.
    number, of : its place among the scenes of the data set.
    """

    task: str
    dataset: str
    scene: str
    task_title: str
    height: int
    width: int
    label: Mapping[str, Any] | None
    facts: Mapping[str, str]
    cautions: list[str]
    reasons: list[str]
    sources: list[Picture]
    candidates: list[Picture]
    truths: list[Picture]
    table: Table
    turned_away: Table
    decisions: Table
    files: Table
    repaired: Repaired | None
    before: str
    after: str
    up: str
    task_page: str
    number: int
    of: int

    @property
    def title(self) -> str:
        """Return the scene's full name."""
        return f"{self.task}/{self.dataset}/{self.scene}"


#: Below these a label is called uncertain on its page.
_NARROW, _SHAKY = 0.02, 0.5


def scene_page(known: DatasetStudy, scene: str) -> ScenePage:
    """Gather what the page of `scene` shows."""
    entries, label = known.entries[scene], known.labels.get(scene)
    ranked = records(known.ranked.table(scene))
    by_method = {row["method"]: row for row in ranked}
    pictures = [_picture(entry, by_method, label) for entry in entries]
    by_role = {role: [p for p in pictures if p.role == role] for role in _ROLES}
    position = known.scenes.index(scene)
    around = [
        known.scenes[i] if 0 <= i < len(known.scenes) else "" for i in (position - 1, position + 1)
    ]
    first = by_role["source"][0] if by_role["source"] else pictures[0]
    return ScenePage(
        task=known.task,
        dataset=known.dataset,
        scene=scene,
        task_title=get_task(known.task).title,
        height=first.height,
        width=first.width,
        label=label,
        facts=_facts(label),
        cautions=_cautions(label, known.refused.get(scene), known.ranked.winner(scene)),
        reasons=_reasons(known, scene, label),
        sources=by_role["source"],
        candidates=sorted(by_role["method"], key=_by_place),
        truths=by_role["reference"],
        table=scores_table(known, scene, ranked, label),
        turned_away=texts(known.turned_away.get(scene, []), "stage", "name", "reason", "detail"),
        decisions=texts(known.decisions.get(scene, []), "verdict", "method", "by", "because", "at"),
        files=files_table(entries),
        repaired=repaired(known.repairs.get(scene, []), entries),
        before=scene_url(known.task, known.dataset, around[0]) if around[0] else "",
        after=scene_url(known.task, known.dataset, around[1]) if around[1] else "",
        up=dataset_url(known.task, known.dataset),
        task_page=task_url(known.task),
        number=position + 1,
        of=len(known.scenes),
    )


_ROLES = ("source", "method", "reference")


def picture_of(entry: Mapping[str, Any]) -> Picture:
    """Return the picture of one row of the index, without what a policy says of it."""
    urls = pictures_of(entry)
    return Picture(
        entry["role"],
        entry["name"],
        urls["thumb"],
        urls["full"],
        entry["height"],
        entry["width"],
        Region.parse(entry["region"]) or Region(0, 0, entry["height"], entry["width"]),
        badges={flag: FLAGS.get(flag, "") for flag in split_flags(entry["flags"])},
        digest=entry["digest"],
    )


def _picture(
    entry: Mapping[str, Any],
    ranked: Mapping[str, Mapping[str, Any]],
    label: Mapping[str, Any] | None,
) -> Picture:
    plain = picture_of(entry)
    if entry["role"] != "method":
        return plain
    chosen = replace(plain, label=label is not None and entry["name"] == label["method"])
    if entry["name"] not in ranked:
        return chosen
    row = ranked[entry["name"]]
    away = {row["turned_away"]: "turned away by the policy"} if row["turned_away"] else {}
    return replace(
        chosen,
        place=None if math.isnan(row["place"]) else int(row["place"]),
        total=None if math.isnan(row["total"]) else float(row["total"]),
        badges={**away, **plain.badges},
    )


def _by_place(picture: Picture) -> tuple[bool, float, str]:
    """Put the label first, then the others by place, and last who has none."""
    return not picture.label, picture.place or math.inf, picture.name


def _facts(label: Mapping[str, Any] | None) -> dict[str, str]:
    if label is None:
        return {}
    facts = {
        "total": number(label["total"]),
        "runner-up": label["runner_up"],
        "margin": "tie" if label["tied"] else number(label["margin"]),
        "stability": number(label["stability"]),
        "candidates": number(label["candidates"]),
        "policy": label["policy"],
    }
    if label["chosen_by"] != "policy":
        facts["chosen by"] = label["chosen_by"]
        facts["because"] = label["because"]
        facts["policy's choice"] = label["policy_method"]
    return {name: text for name, text in facts.items() if text not in ("", MISSING)}


def _reasons(known: DatasetStudy, scene: str, label: Mapping[str, Any] | None) -> list[str]:
    """Say what made the label, or would have made one."""
    ranked = known.ranked
    if label is None:
        return [*ranked.reasons(scene), *ranked.turned_away(scene)]
    beware = decoy_reason(label)  # stands among the cautions
    reasons = [reason for reason in reasons_of(ranked, label) if reason not in beware]
    return [*refiner_reason(known.repairs.get(scene, []), label), *reasons]


def _outdated(label: Mapping[str, Any], winner: str) -> list[str]:
    """Say where the policy would no longer choose as it did, for the scores have changed since."""
    if winner == (label["policy_method"] or label["method"]):
        return []
    return [f"Scores have changed since the labels were selected: now it would be {winner}."]


def _cautions(
    label: Mapping[str, Any] | None, refused: tuple[str, str] | None, winner: str
) -> list[str]:
    if label is None:
        return ["This scene has no label" + (f": {refused[1]}." if refused else ".")]
    found = [*_outdated(label, winner), *decoy_reason(label)]
    if label["tied"]:
        found.append("The first two are tied: the choice is a toss-up made repeatable.")
    elif label["margin"] < _NARROW:
        found.append(f"The margin is below {_NARROW}: another policy may well choose another.")
    if label["stability"] < _SHAKY:
        found.append(f"The choice survives being shaken in {label['stability']:.0%} of cases only.")
    if label["flags"]:
        found.append(f"The label is marked: {', '.join(split_flags(label['flags']))}.")
    return found
