"""What is there to measure, what has been measured, and what is missing.

A score stands as long as the pixels and the metric's definition it was computed from: a row is
recognised by scene, method, metric, metric version and the digests of sources and candidate, and
by nothing else. So a changed image, a new method or a new metric costs only what is new.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from fusionlab.decoys import DECOYS
from fusionlab.images import join_digests
from fusionlab.regions import Region
from fusionlab.scoring.work import Block, CandidateWork, SceneWork, Stamp
from fusionlab.store import Address
from fusionlab.tiling import tiles, tiles_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from fusionlab.metrics import Metric


@dataclass(frozen=True)
class ScenePlan:
    """One scene of the index: its images, and the stamps of all its scores.

    Attributes
    ----------
    tiles : what is measured of it by itself; None where candidates are measured whole.
    """

    task: str
    dataset: str
    scene: str
    sources: tuple[Block, ...]
    reference: Block | None
    candidates: tuple[tuple[str, Block | None], ...]
    tiles: tuple[Region, ...] | None = None

    def stamps(self, metrics: Sequence[Metric]) -> Iterator[Stamp]:
        """Yield the stamp of every score that this scene should have."""
        digests = [block.digest for block in self.sources]
        for method, block in self.candidates:
            region = block.region if block else ""
            plain = digest_of_sources(digests, region)
            with_truth = join_digests([plain, self.reference.digest]) if self.reference else None
            candidate = block.mark if block else method
            tiles = self._tiles_of(region)
            for metric in metrics:
                sources = with_truth if metric.arity == "reference" else plain
                if sources is not None:  # a scene without a truth has no reference scores
                    for tile in tiles:
                        yield Stamp(
                            self.task,
                            self.dataset,
                            self.scene,
                            method,
                            metric.name,
                            metric.version,
                            sources,
                            candidate,
                            tile,
                        )

    def _tiles_of(self, region: str) -> list[str]:
        if self.tiles is None:
            return [""]
        return [str(tile) for tile in tiles_within(self.tiles, Region.parse(region))]

    def missing(self, metrics: Sequence[Metric], done: set[Stamp]) -> SceneWork | None:
        """Return the work that is left of this scene, or None."""
        lacking: dict[str, list[Stamp]] = defaultdict(list)
        for stamp in self.stamps(metrics):
            if stamp not in done:
                lacking[stamp.method].append(stamp)
        candidates = tuple(
            CandidateWork(method, block, tuple(lacking[method]))
            for method, block in self.candidates
            if method in lacking
        )
        if not candidates:
            return None
        return SceneWork(
            self.task, self.dataset, self.scene, self.sources, self.reference, candidates
        )


def plan_tiles(index: pd.DataFrame) -> list[ScenePlan]:
    """Turn the index of one data set into plans of the tiles of its scenes."""
    first = index[(index["role"] == "source") & (index["position"] == 0)]
    sizes = first.set_index("scene")[["height", "width"]]
    grids = {str(scene): tiles(int(h), int(w)) for scene, h, w in sizes.itertuples()}
    return [replace(plan, tiles=grids[plan.scene]) for plan in plan_scenes(index)]


def plan_scenes(index: pd.DataFrame) -> list[ScenePlan]:
    """Turn the index of one data set into plans, one for every scene that has its two sources."""
    scenes: dict[tuple[str, str, str], list[dict[Any, Any]]] = defaultdict(list)
    for row in index.to_dict("records"):
        scenes[row["task"], row["dataset"], row["scene"]].append(row)
    plans = []
    for (task, dataset, scene), rows in scenes.items():
        by_role: dict[str, list[dict[Any, Any]]] = defaultdict(list)
        for row in rows:
            by_role[row["role"]].append(row)
        sources = sorted(by_role["source"], key=lambda row: row["position"])
        if len(sources) < 2:
            continue
        methods = [(row["name"], block_of(row)) for row in by_role["method"]]
        reference = block_of(by_role["reference"][0]) if by_role["reference"] else None
        decoys = [(name, None) for name in DECOYS]
        plans.append(
            ScenePlan(
                task,
                dataset,
                scene,
                tuple(block_of(row) for row in sources),
                reference,
                (*methods, *decoys),
            )
        )
    return plans


def batches(works: Iterable[SceneWork], candidates: int) -> Iterator[list[SceneWork]]:
    """Cut the work into tasks of about `candidates` images; a scene is never cut."""
    batch: list[SceneWork] = []
    size = 0
    for work in works:
        batch.append(work)
        size += len(work.candidates)
        if size >= candidates:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def stamps_of(scores: pd.DataFrame) -> list[Stamp]:
    """Return the stamp of every row of a table of scores, of images or of tiles."""
    names = [field.name for field in fields(Stamp) if field.name in scores]
    columns = [scores[name].tolist() for name in names]
    return [Stamp(*values) for values in zip(*columns, strict=True)]


def block_of(row: Mapping[Any, Any]) -> Block:
    """Return where the image of a row of the index lies, and what it is."""
    return Block(Address.of(row), row["digest"], row["region"])


def digest_of_sources(digests: Sequence[str], region: str) -> str:
    """Return one digest for what a candidate is compared with: sources, or a region of them."""
    return join_digests([*digests, region] if region else list(digests))
