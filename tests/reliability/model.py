"""What a lab should be, in dictionaries: the other side of the state machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

DECOYS = ("decoy:copy_a", "decoy:copy_b", "decoy:mean", "decoy:max")
METRICS = ("AG", "EN", "SD")

Key = tuple[str, str, str]  # scene, role, name
Score = tuple[str, str, str]  # scene, method, metric


def digest(pixels: np.ndarray) -> str:
    """Return the digest of pixels by own computation: SHA-256 of dtype, shape and bytes."""
    header = f"{pixels.dtype.str}{pixels.shape}".encode()
    return hashlib.sha256(header + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def file_of(key: Key) -> str:
    scene, role, name = key
    return f"{name}/{scene}.png" if role == "source" else f"out/{name}/{scene}.png"


@dataclass
class Model:
    """What a lab should be, in dictionaries.

    Attributes
    ----------
    files : what lies on the disk; None is a file cut short.
    images : what the index should name.
    read, refused : what the last ingest should have made of the files it found.
    scores : what each standing score was computed from: the pixels of a, b and the candidate.
    decisions : scene -> verdict, method and digest of each decision of a person, in order.
    """

    files: dict[Key, np.ndarray | None] = field(default_factory=dict)
    images: dict[Key, np.ndarray] = field(default_factory=dict)
    read: set[Key] = field(default_factory=set)
    refused: set[Key] = field(default_factory=set)
    scores: dict[Score, tuple[str, ...]] = field(default_factory=dict)
    decisions: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)

    def ingest(self, prune: bool) -> None:
        self.refused = set()
        for scene in {key[0] for key in self.files}:
            mine = {key for key in self.files if key[0] == scene}
            whole = all(self.files[scene, "source", name] is not None for name in ("ir", "vis"))
            self.refused |= {key for key in mine if not whole or self.files[key] is None}
            if not whole:
                self.images = {k: v for k, v in self.images.items() if k[0] != scene}
        self.read = set(self.files) - self.refused
        self.images = {
            key: pixels
            for key, pixels in self.images.items()
            if key not in self.refused and (key in self.files or not prune)
        } | {key: self.files[key] for key in self.read}

    def due(self, metrics: tuple[str, ...]) -> dict[Score, tuple[str, ...]]:
        """Return every score that should be there, and what it should be computed from."""
        scenes = sorted({scene for scene, role, _ in self.images if role == "source"})
        due = {}
        for scene in scenes:
            a, b = (digest(self.images[scene, "source", name]) for name in ("ir", "vis"))
            own = {
                n: digest(p) for (s, r, n), p in self.images.items() if (s, r) == (scene, "method")
            }
            for method, pixels in (own | dict.fromkeys(DECOYS, "")).items():
                due |= {(scene, method, metric): (a, b, pixels) for metric in metrics}
        return due

    def score(self, metrics: tuple[str, ...]) -> None:
        possible = self.due(METRICS)
        standing = {k: v for k, v in self.scores.items() if possible.get(k) == v}
        self.scores = standing | self.due(metrics)

    def can_select(self, metrics: tuple[str, ...]) -> bool:
        candidates = {k: v for k, v in self.due(metrics).items() if k[1] not in DECOYS}
        return bool(candidates) and all(self.scores.get(k) == v for k, v in candidates.items())

    def decide(self, scene: str, verdict: str, method: str = "") -> None:
        judged = digest(self.images[scene, "method", method]) if method else ""
        self.decisions.setdefault(scene, []).append((verdict, method, judged))

    def overruled(self) -> dict[str, str]:
        """Return scene -> the method that a person's decision gives it; "" for a veto."""
        last = {scene: decisions[-1] for scene, decisions in self.decisions.items()}
        present = {scene for scene, role, _ in self.images if role == "source"}
        found = {}
        for scene, (verdict, method, judged) in last.items():
            pixels = self.images.get((scene, "method", method))
            if verdict == "veto" and scene in present:
                found[scene] = ""
            elif pixels is not None and scene in present and digest(pixels) == judged:
                found[scene] = method
        return found
