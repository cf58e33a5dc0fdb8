"""What lies in front of the reviewer: the queue of scenes, their pages, and what was decided."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fusionlab.audit.links import scene_url
from fusionlab.audit.pictures import encode_picture, pictures_of
from fusionlab.audit.scene import ScenePage, scene_page
from fusionlab.audit.study import Study
from fusionlab.images import digest
from fusionlab.overrides import Decision, decide, standing
from fusionlab.paths import stamp
from fusionlab.review.queue import Item, queue
from fusionlab.store import Address

if TYPE_CHECKING:
    from fusionlab.lab import Lab
    from fusionlab.naming import Scene
    from fusionlab.overrides import Verdict

#: Encoded pictures that are kept: those of the scenes looked at last.
_PICTURES = 256


@dataclass(frozen=True)
class Progress:
    """How far the review is: scenes with a decision, and all."""

    done: int
    of: int


@dataclass(frozen=True)
class Place:
    """One scene in the queue, as its page shows it.

    Attributes
    ----------
    item, number : the scene, and its number in the queue from 1.
    page : what is known about it.
    decision : the row of the decision that stands; None where there is none.
    seen : number of the scene's last decision, also of one that was withdrawn; 0 for none.
    """

    item: Item
    number: int
    page: ScenePage
    decision: dict[str, Any] | None
    seen: int

    @property
    def digests(self) -> dict[str, str]:
        """Return candidate -> digest of the pixels that the page shows of it."""
        return {picture.name: picture.digest for picture in self.page.candidates}


class Desk:
    """One review of one labels manifest; its methods may be called by several threads at once.

    Parameters
    ----------
    lab, labels : what is reviewed.
    by : name of the reviewer.
    """

    def __init__(self, lab: Lab, labels: str | None, by: str) -> None:
        self.lab, self.by = lab, by
        self.made: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._stamps: list[str] = []
        self._open(Study(lab, labels))

    def _open(self, study: Study) -> None:
        """Read what is reviewed, and arrange it."""
        self.study, self.name = study, study.name
        self.items = queue(study)
        self.positions = {scene_url(*item.scene): n for n, item in enumerate(self.items)}
        self._stamps = self._now()
        self._entries: dict[str, tuple[dict[str, Any], str]] = {}
        self.picture = lru_cache(maxsize=_PICTURES)(self._picture)

    def _now(self) -> list[str]:
        """Return what changes when a table that the pages stand on is written."""
        lab = self.lab.path
        tables = [lab / "labels" / f"{self.name}.parquet", lab / "rejects.parquet"]
        for task, dataset in self.study.datasets():
            tables += [lab / folder / f"{task}-{dataset}.parquet" for folder in ("index", "scores")]
        return [stamp(table) for table in tables]

    def refresh(self) -> None:
        """Read everything anew if selection, scoring or ingest have written since."""
        with self._lock:
            if self._stamps != self._now():
                self._open(Study(self.lab, self.name))

    # -- the queue ---------------------------------------------------------------------------------

    def url(self, position: int) -> str:
        """Return the page of a scene of the queue, from the root; "" outside of the queue."""
        inside = 0 <= position < len(self.items)
        return scene_url(*self.items[position].scene) if inside else ""

    def decided(self) -> dict[Scene, dict[str, Any]]:
        """Return the decisions that stand, by scene."""
        rows = [{str(k): v for k, v in r.items()} for r in standing(self.lab).to_dict("records")]
        return {(row["task"], row["dataset"], row["scene"]): row for row in rows}

    def progress(self, decided: dict[Scene, dict[str, Any]] | None = None) -> Progress:
        """Return how far the review is."""
        known = self.decided() if decided is None else decided
        return Progress(sum(item.scene in known for item in self.items), len(self.items))

    def next_open(self, position: int = -1) -> str:
        """Return the page of the next scene without a decision, from the top again after the end.

        Returns
        -------
        Its address from the root; "" where every scene has one.
        """
        known, count = self.decided(), len(self.items)
        for step in range(1, count + 1):
            other = (position + step) % count
            if self.items[other].scene not in known:
                return self.url(other)
        return ""

    # -- one scene ---------------------------------------------------------------------------------

    def place(self, url: str) -> Place:
        """Return what the page at `url` shows.

        Raises
        ------
        KeyError
            When there is no such scene.
        """
        position = self.positions[url]
        item = self.items[position]
        task, dataset, scene = item.scene
        self.study.forget_decisions()
        known = self.study.dataset(task, dataset)
        page = scene_page(known, scene)
        page = replace(page, before=self.url(position - 1), after=self.url(position + 1))
        past = known.decisions.get(scene, [])
        last = past[-1] if past else None
        stands = last if last and last["verdict"] != "withdraw" else None
        return Place(item, position + 1, page, stands, int(last["number"]) if last else 0)

    def thumbs(self, url: str) -> list[str]:
        """Return the addresses of the small pictures of a scene; none for ""."""
        if not url:
            return []
        task, dataset, scene = self.items[self.positions[url]].scene
        return [pictures_of(e)["thumb"] for e in self.study.dataset(task, dataset).entries[scene]]

    def decide(
        self, scene: Scene, verdict: Verdict, method: str, because: str, seen: int, judged: str
    ) -> Decision:
        """Write a decision at once; one at a time. See `overrides.decide` for what it refuses."""
        with self._lock:
            made = decide(
                self.lab,
                scene,
                verdict,
                method,
                by=self.by,
                because=because,
                seen=seen,
                judged=judged if method else None,
            )
            self.made[verdict] += 1
        return made

    # -- pictures ----------------------------------------------------------------------------------

    def _picture(self, url: str) -> bytes | None:
        """Return a picture by its address; None where no image of the lab has it any more."""
        if not self._entries:
            self._entries = dict(self._all_pictures())
        if url not in self._entries:
            return None
        entry, size = self._entries[url]
        pixels = self.lab.images.read(Address.of(entry))
        # what a person judges must be the pixels that the page says
        return encode_picture(pixels, size) if digest(pixels) == entry["digest"] else None

    def _all_pictures(self) -> list[tuple[str, tuple[dict[str, Any], str]]]:
        datasets = [self.study.dataset(*key) for key in self.study.datasets()]
        entries = [e for known in datasets for rows in known.entries.values() for e in rows]
        return [
            (url, (entry, url.rpartition("-")[2].partition("1.")[0]))
            for entry in entries
            for url in pictures_of(entry).values()
        ]
