"""Decisions of people about labels: they stand above every policy, until a person withdraws them.

A decision is a row of ``lab/overrides.parquet``, and a row is never changed: who thinks otherwise
adds another, and the last one of a scene counts. Each names the candidate by the digest of the
pixels that were judged, so that it says nothing about other pixels under the same name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from fusionlab.errors import LabError, OutdatedError, UnknownNameError, UsageError
from fusionlab.naming import Scene, find_scene, rows_of
from fusionlab.schemas import OVERRIDES
from fusionlab.tables import concat

if TYPE_CHECKING:
    from fusionlab.lab import Lab

Verdict = Literal["choose", "accept", "veto", "withdraw"]
VERDICTS: tuple[str, ...] = get_args(Verdict)

_SCENE = ["task", "dataset", "scene"]

#: Verdicts that mean a candidate.
_NAMING = {"choose", "accept"}


@dataclass(frozen=True)
class Decision:
    """One decision: a row of the table.

    Attributes
    ----------
    number : 1, 2, ... within the scene.
    verdict : ``choose`` a candidate, ``accept`` the one that the policy chose, ``veto`` any label
        of the scene, or ``withdraw`` what was decided before.
    method, digest_candidate : the candidate and its pixels; empty for ``veto`` and ``withdraw``.
    at : UTC, ISO 8601.
    """

    task: str
    dataset: str
    scene: str
    number: int
    verdict: str
    method: str
    digest_candidate: str
    by: str
    because: str
    at: str

    def as_dict(self) -> dict[str, Any]:
        """Return the decision for JSON."""
        return asdict(self)


def decide(
    lab: Lab,
    scene: Scene,
    verdict: Verdict,
    method: str = "",
    *,
    by: str,
    because: str = "",
    seen: int | None = None,
    judged: str | None = None,
    dry_run: bool = False,
) -> Decision:
    """Record what a person decided about one scene.

    Parameters
    ----------
    method : the candidate that ``choose`` and ``accept`` mean.
    by, because : who, and why.
    seen : number of the scene's last decision that the person knew of, 0 for none; where another
        came since, nothing is written. None: whatever came.
    judged : digest of the pixels that the person saw; where the lab holds others, nothing is
        written. None: those that the lab holds.
    dry_run : check, and write nothing.

    Raises
    ------
    UsageError
        When nobody decides, `method` does not go with `verdict`, or nothing is to withdraw.
    UnknownNameError
        When there is no such scene or candidate.
    OutdatedError
        When `seen` or `judged` are of the past.
    LabError
        When another process holds the lab.
    """
    if not by.strip():
        raise UsageError("nobody decides: say who with --by NAME")
    if (verdict in _NAMING) != bool(method):
        needs = "needs a" if verdict in _NAMING else "takes no"
        raise UsageError(f"the verdict {verdict!r} {needs} method")
    if dry_run:
        return _next(lab, scene, verdict, method, by, because, seen, judged)
    with lab.writing():
        made = _next(lab, scene, verdict, method, by, because, seen, judged)
        row = pd.DataFrame([made.as_dict()])
        lab.write_overrides(concat([lab.overrides(), row], OVERRIDES))
    return made


def _next(
    lab: Lab,
    scene: Scene,
    verdict: str,
    method: str,
    by: str,
    because: str,
    seen: int | None,
    judged: str | None,
) -> Decision:
    """Return the decision as it would be written now."""
    where = "/".join(scene)
    past = history(lab, scene)
    last = int(past["number"].max()) if len(past) else 0
    digest = "" if verdict == "withdraw" and last else _digest(lab, scene, method)
    if judged is not None and judged != digest:
        raise OutdatedError(f"{where}: {method} has other pixels now than those that were judged")
    if seen is not None and seen != last:
        raise OutdatedError(f"{where}: was decided meanwhile, {_said(past.iloc[-1])}")
    if verdict == "withdraw" and (not last or past.iloc[-1]["verdict"] == "withdraw"):
        raise UsageError(f"{where}: there is no decision to withdraw")
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Decision(*scene, last + 1, verdict, method, digest, by.strip(), because.strip(), at)


def _said(row: pd.Series) -> str:
    what = f"{row['verdict']} {row['method']}".strip()
    return f"{what!r} by {row['by']} at {row['at']}"


def _digest(lab: Lab, scene: Scene, method: str) -> str:
    """Return the digest of a candidate's pixels, that of no candidate being empty."""
    index = lab.index(*scene[:2])
    mine = index[index["scene"] == scene[2]]
    where = str(lab.path)
    if mine.empty:
        raise UnknownNameError("scene", scene[2], set(index["scene"]), where)
    if not method:
        return ""
    digests = mine[mine["role"] == "method"].set_index("name")["digest"]
    if method not in digests:
        raise UnknownNameError("method", method, digests.index, f"{where}: {'/'.join(scene)}")
    return str(digests[method])


def history(lab: Lab, scene: Scene) -> pd.DataFrame:
    """Return every decision about one scene, the oldest first."""
    return rows_of(lab.overrides(), scene).reset_index(drop=True)


def label_of(labels: pd.DataFrame, scene: Scene) -> str:
    """Return the method that a labels manifest chose for a scene; "" where it has no label."""
    rows = rows_of(labels, scene)
    return "".join(rows.loc[rows["place"] == 1, "method"])


def standing(lab: Lab, task: str | None = None, dataset: str | None = None) -> pd.DataFrame:
    """Return the decisions that count: the last one of each scene, unless it withdraws.

    Parameters
    ----------
    task, dataset : only those about these scenes.
    """
    last = lab.overrides().drop_duplicates(_SCENE, keep="last")
    last = last[last["verdict"] != "withdraw"]
    for column, wanted in (("task", task), ("dataset", dataset)):
        last = last if wanted is None else last[last[column] == wanted]
    return last.reset_index(drop=True)


def outdated(decisions: pd.DataFrame, index: pd.DataFrame) -> pd.Series:
    """Return why a decision cannot be applied to one data set as it is now; "" where it can.

    Parameters
    ----------
    decisions : rows of `standing`, all of the data set of `index`.
    """
    sources = index.loc[index["role"] == "source", "scene"]
    methods = index[index["role"] == "method"].set_index(["scene", "name"])["digest"]
    places = pd.MultiIndex.from_frame(decisions[["scene", "method"]])
    now = methods.reindex(places).to_numpy()
    told = np.select(
        [
            ~decisions["scene"].isin(sources).to_numpy(),
            (decisions["verdict"] == "veto").to_numpy(),
            pd.isna(now),
            now != decisions["digest_candidate"].to_numpy(),
        ],
        ["the scene is gone", "", "the candidate is gone", "its pixels have changed since"],
        "",
    )
    return pd.Series(told, index=decisions.index, dtype=object)


def locate(lab: Lab, name: str) -> Scene:
    """Return the scene that a person's `name` for it means, ingested or once decided about.

    Raises
    ------
    UnknownNameError
        When there is no such scene.
    LabError
        When several have that name, or the lab holds none.
    """
    frames = [lab.index(*key)[_SCENE] for key in lab.datasets()]
    scenes = pd.concat([*frames, lab.overrides()[_SCENE]], ignore_index=True)
    if scenes.empty:
        raise LabError(f"{lab.path}: holds no scene; ingest some: fusionlab ingest MANIFEST.yaml")
    return find_scene(scenes, name, str(lab.path))


def listing(lab: Lab, history: bool = False) -> pd.DataFrame:
    """Return the decisions that count, or all, with a column ``outdated``.

    It says why the decision cannot be applied to what the lab holds now, and is empty where it can.
    """
    rows = lab.overrides() if history else standing(lab)
    rows["outdated"] = ""
    for (task, dataset), mine in rows.groupby(["task", "dataset"]):
        rows.loc[mine.index, "outdated"] = outdated(mine, lab.index(str(task), str(dataset)))
    rows.loc[rows["verdict"] == "withdraw", "outdated"] = ""
    return rows
