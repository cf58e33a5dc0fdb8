"""The files by which a command is given sources and gives back fused images."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import numpy as np

from fusionlab import colour
from fusionlab.errors import ImageError, MethodError
from fusionlab.images import SUFFIXES, encode_png, read_image
from fusionlab.tasks import get_task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fusionlab.baselines.commands import Command
    from fusionlab.images import Pixels

#: No image that the decoder accepts needs a larger file.
_MAX_BYTES = 1 << 30


def write_one(
    command: Command, task: str, scenes: Mapping[str, Sequence[Pixels]], folder: Path
) -> tuple[list[str], dict[str, Path]]:
    """Write the sources of one scene; return the words of the call, and where it is to write."""
    ((scene, sources),) = scenes.items()
    files = []
    for number, source in enumerate(sources):
        letter = "ab"[number] if number < 2 else f"source{number + 1}"
        files.append(_write(command, folder / f"{letter}.png", source))
    out = folder / "out.png"
    values = {"a": files[0], "b": files[1], "out": str(out), "task": task, "scene": scene}
    return command.words(values, files), {scene: out}


def write_many(
    command: Command, task: str, scenes: Mapping[str, Sequence[Pixels]], folder: Path
) -> tuple[list[str], dict[str, Path]]:
    """Write folders of first and second sources, in which numbers stand for the scenes' names."""
    folders = {name: folder / name for name in ("a", "b", "out")}
    for place in folders.values():
        place.mkdir()
    outputs = {}
    for number, (scene, sources) in enumerate(scenes.items()):
        file = f"{number:06d}.png"
        for name, source in zip("ab", sources, strict=False):
            _write(command, folders[name] / file, source)
        outputs[scene] = folders["out"] / file
    values = {f"{name}_dir": str(place) for name, place in folders.items()}
    return command.words(values | {"task": task}), outputs


def _write(command: Command, path: Path, source: Pixels) -> str:
    image = source
    if command.bits == 8 and source.dtype == np.uint16:
        image = colour.to_uint8(colour.to_levels(source))
    if command.colour == "merge":
        levels = colour.luminance(colour.to_levels(image))
        image = colour.to_uint16(levels) if image.dtype == np.uint16 else colour.to_uint8(levels)
    path.write_bytes(encode_png(image))
    return str(path)


def read_result(
    command: Command, task: str, sources: Sequence[Pixels], output: Path
) -> Pixels | MethodError:
    """Read what a call left for one scene."""
    try:
        pixels = read_image(_found(command, output))
    except ImageError as error:
        return MethodError("no_output", f"it left no image that can be used: {error.detail}")
    except MethodError as error:
        return error
    size = sources[0].shape[:2]
    if pixels.shape[:2] != size:
        return MethodError(
            "wrong_size",
            f"it left an image of {_text(pixels.shape)}, expected {_text(size)} (height x width)",
        )
    return pixels if command.colour == "own" else _coloured(pixels, task, sources)


def finished_scenes(command: Command, outputs: Mapping[str, Path]) -> list[str]:
    """Return the scenes that a failed call had finished: not the last, which may be half done."""
    written = {}
    for scene, output in outputs.items() if command.many else ():
        times = [path.lstat().st_mtime_ns for path in _images(output)]
        if times:
            written[scene] = max(times)
    last = max(written.values(), default=0)
    return [scene for scene, moment in written.items() if moment < last]


def _images(output: Path) -> list[Path]:
    """Return the files of a scene's name in a folder: networks choose the ending themselves."""
    found = output.parent.glob(f"{output.stem}.*")
    return [path for path in found if path.suffix.lower() in SUFFIXES]


def _found(command: Command, output: Path) -> Path:
    """Return the file that a call left for a scene."""
    files = _images(output) if command.many else [output]
    if len(files) > 1:
        names = " and ".join(sorted(p.name for p in files))
        raise MethodError("no_output", f"it left {names} for one scene; let it write one")
    try:
        found = files[0].lstat() if files else None
    except FileNotFoundError:
        found = None
    if found is None or not stat.S_ISREG(found.st_mode):
        raise MethodError("no_output", "it ended well, but left no file for the scene")
    if found.st_size > _MAX_BYTES:
        raise MethodError("no_output", f"it left {found.st_size:,} bytes; {_MAX_BYTES:,} are read")
    return files[0]


def _coloured(pixels: Pixels, task: str, sources: Sequence[Pixels]) -> Pixels:
    """Give a fused luminance the chroma that the task's rule takes from the sources."""
    cbcr = colour.merge_chroma(get_task(task), [colour.to_levels(s) for s in sources])
    y = colour.luminance(colour.to_levels(pixels))
    fused = y if cbcr is None else colour.to_rgb(y, cbcr)
    return colour.to_uint16(fused) if pixels.dtype == np.uint16 else colour.to_uint8(fused)


def _text(shape: Sequence[int]) -> str:
    return "x".join(str(side) for side in shape[:2])
