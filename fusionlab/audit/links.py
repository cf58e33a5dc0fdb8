"""Where things lie in a report, as paths from its root; safe, whatever scenes are called.

::

    index.html                              overview
    task/<task>.html                        one task
    data/<data set>.html                    one data set
    scenes/<data set>/<scene>.html          one scene
    images/<xx>/<digest>-<size>.webp        pixels, named by what they are
    assets/                                 style, scripts, Plotly
"""

from __future__ import annotations

import hashlib
import re

#: Goes into the names of pictures: raise it when they are made in another way.
_RECIPE = 1
_KEPT = 40


def safe(name: str) -> str:
    """Return a file name for any text: what is readable of it, and eight digits of its SHA-256."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_KEPT]
    return f"{readable or 'x'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def task_url(task: str) -> str:
    """Return the page of a task."""
    return f"task/{task}.html"


def dataset_url(task: str, dataset: str) -> str:
    """Return the page of a data set."""
    return f"data/{task}-{safe(dataset)}.html"


def scene_url(task: str, dataset: str, scene: str) -> str:
    """Return the page of a scene."""
    return f"scenes/{task}-{safe(dataset)}/{safe(scene)}.html"


def picture_url(digest: str, size: str) -> str:
    """Return the picture of the pixels with `digest`, as ``thumb`` or ``full``."""
    return f"images/{digest[:2]}/{digest[2:34]}-{size}{_RECIPE}.webp"
