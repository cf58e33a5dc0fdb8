"""Measure what was paired, on as many threads as there are cores; the kernels release the GIL.

The methods of one image share the work on its sources. An image that cannot be read or measured
becomes a reject; nothing that a file holds stops the run.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionlab import metrics as library
from fusionlab.errors import ImageError, MetricInputError, UsageError
from fusionlab.images import luminance, read_image
from fusionlab.measuring.pairs import Pair, find
from fusionlab.measuring.table import NO_PRESET, FolderTable, Reject, Row, build
from fusionlab.metrics import presets
from fusionlab.ranges import Reading, is_range

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[Any]

_FEWEST_PER_TASK = 8  # a task works on its sources once: with fewer candidates it would not pay


@dataclass(frozen=True)
class _Plan:
    """What to measure: column -> metric, whether there are references, how files are read."""

    columns: Mapping[str, library.Metric]
    preset: str
    has_reference: bool
    reading: Reading | None = None

    def measured(self, reference: bool) -> list[str]:
        """Return the names of the metrics, each once; without those that lack their reference."""
        names = (m.name for m in self.columns.values() if reference or m.arity != "reference")
        return list(dict.fromkeys(names))


def measure_folders(
    a: Path | str,
    b: Path | str,
    fused: Path | str,
    metrics: Sequence[str] | None = None,
    *,
    preset: str | None = None,
    reference: Path | str | None = None,
    data_range: tuple[float, float] | None = None,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> FolderTable:
    """Measure all fused images in a folder against the sources of the same file stem.

    Parameters
    ----------
    a, b : folders of the first and the second source.
    fused : folder of fused images, or of one folder a method.
    metrics : names, `fusionlab.metrics.DEFAULT_METRICS` by default; with `preset`, column names of
        that preset, all by default. With `reference`, the default has PSNR_ref and SSIM_ref too.
    preset : a family of published tables to reproduce, see `fusionlab.metrics.presets`.
    reference : folder of true fused images, for metrics of arity ``"reference"``.
    data_range : least and greatest value of images that are not 8 bit; by default 16-bit images use
        all of theirs, and others are rejected.
    workers : threads; as many as there are cores by default.
    on_progress : called with (fused images done, fused images in all).

    Raises
    ------
    UnknownNameError
        For a metric, preset or column that does not exist.
    UsageError
        When a folder is not there, nothing pairs, or a metric lacks its reference.
    """
    plan = _plan(metrics, preset, reference is not None, data_range)
    truth = None if reference is None else Path(reference)
    found = find(Path(a), Path(b), Path(fused), truth)
    count = max(1, workers or os.cpu_count() or 1)
    tasks = [task for pair in found.pairs for task in _split(pair, count, len(found.pairs))]
    total, done = sum(len(task.fused) for task in tasks), 0
    report = on_progress or (lambda _done, _total: None)
    report(0, total)
    rows: list[Row] = []
    rejects = set(found.rejects)
    pool = ThreadPoolExecutor(min(count, len(tasks)), thread_name_prefix="measure")
    try:
        running = {pool.submit(_measure_pair, task, plan): task for task in tasks}
        for future in as_completed(running):
            measured, bad = future.result()
            rows += measured
            rejects.update(bad)
            done += len(running[future].fused)
            report(done, total)
    finally:
        pool.shutdown(cancel_futures=True)
    return build(rows, list(rejects), plan.columns, plan.preset)


def measure_files(
    a: Path | str,
    b: Path | str,
    fused: Path | str,
    metrics: Sequence[str] | None = None,
    *,
    preset: str | None = None,
    reference: Path | str | None = None,
    data_range: tuple[float, float] | None = None,
) -> FolderTable:
    """Measure one fused image; what `measure_folders` would reject is an error.

    Parameters
    ----------
    a, b, fused, reference : files.
    metrics, preset, data_range : as for `measure_folders`.

    Raises
    ------
    ImageError
        For a file that cannot be read.
    MetricInputError
        For images of different sizes, or too small for one of the metrics.
    UnknownNameError, UsageError
        As `measure_folders`.
    """
    plan = _plan(metrics, preset, reference is not None, data_range)
    first, second, image = (_read(Path(file), plan) for file in (a, b, fused))
    truth = None if reference is None else _read(Path(reference), plan)
    names = plan.measured(truth is not None)
    values = library.measure(first, second, image, names, reference=truth)
    by_column = {column: values[metric.name] for column, metric in plan.columns.items()}
    path = Path(fused)
    row = Row(path.resolve().parent.name, path.stem, by_column)
    return build([row], [], plan.columns, plan.preset)


def _plan(
    metrics: Sequence[str] | None,
    preset: str | None,
    has_reference: bool,
    data_range: tuple[float, float] | None,
) -> _Plan:
    reading = None if data_range is None else _reading(*data_range)
    if isinstance(metrics, str):
        metrics = [metrics]
    if preset is not None:
        plan = _Plan(presets.get(preset).columns(metrics), preset, has_reference, reading)
    else:
        names = metrics or (
            *library.DEFAULT_METRICS,
            *(("PSNR_ref", "SSIM_ref") if has_reference else ()),
        )
        chosen = {metric.name: metric for metric in library.resolve(names)}
        plan = _Plan(chosen, NO_PRESET, has_reference, reading)
    for column, metric in plan.columns.items():
        if metric.arity == "reference" and not has_reference:
            raise UsageError(
                f"metric {column!r} compares with a reference image: say where they are with "
                "--reference"
            )
    return plan


def _split(pair: Pair, workers: int, pairs: int) -> list[Pair]:
    """Cut the methods of an image into tasks, so that few images keep many workers busy too."""
    methods = sorted(pair.fused)
    parts = min(math.ceil(2 * workers / pairs), len(methods) // _FEWEST_PER_TASK) or 1
    return [
        Pair(pair.image, pair.a, pair.b, pair.reference, {m: pair.fused[m] for m in chosen})
        for chosen in (methods[i::parts] for i in range(parts))
    ]


def _measure_pair(pair: Pair, plan: _Plan) -> tuple[list[Row], list[Reject]]:
    """Measure all methods of one image."""
    rejects: list[Reject] = []
    sources = [_try_read(file, "source", "", pair, rejects, plan) for file in (pair.a, pair.b)]
    a, b = sources
    if a is None or b is None:
        return [], rejects + _all(pair, "source_rejected", "a source of it was rejected")
    if a.shape != b.shape:
        detail = f"the sources differ in size: a is {_size(a)}, b is {_size(b)}; register them"
        return [], rejects + _all(pair, "source_sizes_differ", detail)
    truth = _truth(pair, a, rejects, plan) if plan.has_reference else None
    try:
        scene = library.prepare((a, b), plan.measured(truth is not None), reference=truth)
    except MetricInputError as error:
        return [], rejects + _all(pair, "unmeasurable", str(error))
    rows = []
    for method, file in pair.fused.items():
        image = _try_read(file, "method", method, pair, rejects, plan)
        if image is None:
            continue
        if image.shape != a.shape:
            rejects.append(_mismatch("method", method, pair, file, image, a))
            continue
        try:
            values = scene.measure(image)
        except MetricInputError as error:
            detail = str(error)
            rejects.append(Reject("method", method, pair.image, str(file), "unmeasurable", detail))
            continue
        named = {c: values.get(m.name, math.nan) for c, m in plan.columns.items()}
        rows.append(Row(method, pair.image, named))
    return rows, rejects


def _all(pair: Pair, reason: str, detail: str) -> list[Reject]:
    """Reject all fused images of a pair."""
    return [
        Reject("method", method, pair.image, str(file), reason, detail)
        for method, file in pair.fused.items()
    ]


def _truth(pair: Pair, a: Pixels, rejects: list[Reject], plan: _Plan) -> Pixels | None:
    """Return the reference of one image, or None and a reject."""
    if pair.reference is None:
        detail = f"no reference {pair.image!r}: metrics that compare with it are nan"
        rejects.append(Reject("reference", "", pair.image, "", "missing_reference", detail))
        return None
    image = _try_read(pair.reference, "reference", "", pair, rejects, plan)
    if image is not None and image.shape != a.shape:
        rejects.append(_mismatch("reference", "", pair, pair.reference, image, a))
        return None
    return image


def _mismatch(role: str, method: str, pair: Pair, file: Path, image: Pixels, a: Pixels) -> Reject:
    detail = f"is {_size(image)}, its sources are {_size(a)}; it is not resized in silence"
    return Reject(role, method, pair.image, str(file), "size_mismatch", detail)


def _size(image: Pixels) -> str:
    return f"{image.shape[0]}x{image.shape[1]} (height x width)"


def _try_read(
    file: Path, role: str, method: str, pair: Pair, rejects: list[Reject], plan: _Plan
) -> Pixels | None:
    try:
        return _read(file, plan)
    except ImageError as error:
        detail = error.detail.removeprefix(f"{file}: ")
        rejects.append(Reject(role, method, pair.image, str(file), error.reason, detail))
        return None


def _read(file: Path, plan: _Plan) -> Pixels:
    return luminance(read_image(file, plan.reading))


def _reading(low: float, high: float) -> Reading:
    if not is_range(low, high):
        raise UsageError(f"the data range {low:g}..{high:g} does not rise; give LOW HIGH")
    return Reading.span(low, high)
