"""The report: a folder of pages and pictures that a browser shows without a server or a network.

A second run into the same folder writes only what differs: pictures are named by the digest of
their pixels, pages are compared. What a run before wrote and no page needs any more is removed.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import yaml

from fusionlab.audit.dataset_page import dataset_page
from fusionlab.audit.everything import all_frames
from fusionlab.audit.links import dataset_url, scene_url, task_url
from fusionlab.audit.overview import overview_page, scenes_page
from fusionlab.audit.pages import assets, plotly_script, render, render_scene
from fusionlab.audit.pictures import encode_picture, pictures_of
from fusionlab.audit.scene import scene_page
from fusionlab.audit.shelf import Shelf
from fusionlab.audit.study import Study
from fusionlab.audit.task_page import task_page
from fusionlab.errors import LabError
from fusionlab.store import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from fusionlab.audit.sections import Page
    from fusionlab.lab import Lab
    from fusionlab.paths import Place


@dataclass
class HtmlReport:
    """What one run wrote.

    Attributes
    ----------
    index : the page to open.
    pages, pictures : how many the report has.
    written, removed : files that this run wrote, and those of a run before that it removed.
    damaged : images of the lab that could not be read; their pictures are missing.
    bytes : of all files of the report.
    """

    index: str
    pages: int = 0
    pictures: int = 0
    written: int = 0
    removed: int = 0
    damaged: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def write_report(
    lab: Lab | Place | str,
    out: Path,
    labels: str | None = None,
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> HtmlReport:
    """Write the report about one labels manifest into the folder `out`.

    Parameters
    ----------
    out : a folder that is empty, not there yet, or holds a report already.
    workers : threads that encode pictures; by default one a core.
    on_progress : called with the number of files done and the number of all.

    Raises
    ------
    LabError
        When there is no such lab or labels manifest.
    UsageError
        When `out` holds other things.
    StorageError
        When the disk is full; what was written stays, and the next run goes on.
    """
    start = time.monotonic()
    study = Study(lab, labels)
    shelf = Shelf(out)
    report = HtmlReport(str(out / "index.html"))
    pictures = _pictures(study)
    scenes = sum(len(study.dataset(*key).scenes) for key in study.datasets())
    advance = _counter(on_progress, scenes + len(pictures))
    for name, data in {**assets(), "plotly.min.js": plotly_script()}.items():
        shelf.put(f"assets/{name}", data)
    for path, html in _pages(study):
        shelf.put(path, html.encode())
        report.pages += 1
        if path.startswith("scenes/"):
            advance()
    with ThreadPoolExecutor(workers) as pool:
        for done in pool.map(lambda item: _draw(study.lab, shelf, *item), pictures.items()):
            report.damaged += not done
            advance()
    report.pictures = len(pictures) - report.damaged
    report.removed = shelf.close()
    report.written, report.bytes = shelf.written, shelf.bytes
    report.seconds = round(time.monotonic() - start, 3)
    return report


def _counter(on_progress: Callable[[int, int], None] | None, total: int) -> Callable[[], None]:
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done, total)

    return advance


def _pictures(study: Study) -> dict[str, tuple[Mapping[str, Any], str]]:
    """Return path -> (row of the index, size) of every picture; equal pixels are one picture."""
    found: dict[str, tuple[Mapping[str, Any], str]] = {}
    for key in study.datasets():
        for entries in study.dataset(*key).entries.values():
            for entry in entries:
                urls = pictures_of(entry)
                found[urls["full"]] = (entry, "full")
                if urls["thumb"] != urls["full"]:
                    found[urls["thumb"]] = (entry, "thumb")
    return found


def _draw(lab: Lab, shelf: Shelf, path: str, what: tuple[Mapping[str, Any], str]) -> bool:
    """Write one picture unless it is there; tell whether there is one."""
    if shelf.has(path):
        return True
    try:
        pixels = lab.images.read(Address.of(what[0]))
    except LabError:
        return False
    shelf.put(path, encode_picture(pixels, what[1]))
    return True


def _pages(study: Study) -> Iterator[tuple[str, str]]:
    """Yield path and content of every page."""
    frames = all_frames(study)
    content = study.policy.model_dump(exclude_defaults=True)
    policy = yaml.safe_dump(
        content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
    yield "index.html", _page(overview_page(study, frames, policy), study, "")
    yield "scenes.html", _page(scenes_page(study), study, "")
    for task in sorted({task for task, _ in study.datasets()}):
        yield task_url(task), _page(task_page(study, task, frames), study, "../")
    for key in study.datasets():
        known = study.dataset(*key)
        yield dataset_url(*key), _page(dataset_page(known, frames), study, "../")
        for scene in known.scenes:
            yield scene_url(*key, scene), render_scene(scene_page(known, scene), study.name)


def _page(page: Page, study: Study, root: str) -> str:
    return render("page.html.j2", root, page=page, labels=study.name)
