"""A lab and a dictionary live through the same random life, and must agree after every step."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import METHODS, fuse, sources, write_image
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from reliability.model import METRICS, Key, Model, digest, file_of
from reliability.nursery import THOROUGH

from fusionlab.errors import LabError, UsageError
from fusionlab.ingest import Manifest, ingest
from fusionlab.lab import Lab
from fusionlab.overrides import decide
from fusionlab.scoring import score
from fusionlab.selection import Policy, select
from fusionlab.store import Address

SCENES = ("s0", "s1", "s2", "s3")
POLICIES = {
    "plain": Policy(name="plain", version=1, weights={"ivf": {"EN": 1.0, "SD": 2.0}}),
    "sharp": Policy(name="sharp", version=1, normalise="zscore", weights={"ivf": {"AG": 1.0}}),
}
MANIFEST = Manifest(
    task="ivf",
    dataset="toy",
    sources={"ir": "ir/{scene}.*", "vis": "vis/{scene}.*"},
    candidates="out/{method}/{scene}.*",
)


class LabMachine(RuleBasedStateMachine):
    """The life of one lab."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.images, self.lab = self.folder / "toy", Lab.create(self.folder / "lab")
        self.model, self.chosen = Model(), {}
        self.versions: dict[str, int] = {}
        self.methods = {"mean"}

    # -- files --------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.put_scene("s0")
        self.put_scene("s1")
        self.ingest(prune=False)

    def put(self, key: Key, pixels: np.ndarray) -> None:
        self.model.files[key] = pixels
        write_image(self.images / file_of(key), pixels)

    def put_scene(self, scene: str) -> None:
        """Write all files of a scene; s3 has a size, and so a bucket, of its own."""
        size = (40, 52) if scene == "s3" else (48, 57)
        seed = 100 * SCENES.index(scene) + self.versions.setdefault(scene, 0)
        a, b = sources(seed, *size)
        self.put((scene, "source", "ir"), a)
        self.put((scene, "source", "vis"), b)
        for method in self.methods:
            self.put((scene, "method", method), fuse(method, a, b))

    def on_disk(self) -> list[str]:
        return sorted({key[0] for key in self.model.files})

    @rule(scene=st.sampled_from(SCENES))
    def add_or_change_a_scene(self, scene: str) -> None:
        self.versions[scene] = self.versions.get(scene, -1) + 1
        self.put_scene(scene)

    @rule(data=st.data(), amount=st.integers(1, 3))
    def change_a_file(self, data: st.DataObject, amount: int) -> None:
        """Change an image so little that it still belongs to its scene."""
        whole = sorted(k for k, v in self.model.files.items() if v is not None)
        if whole:
            key = data.draw(st.sampled_from(whole))
            pixels = self.model.files[key].copy()
            pixels[::5, ::7] ^= np.uint8(amount)
            self.put(key, pixels)

    @rule(method=st.sampled_from(METHODS))
    def add_a_method(self, method: str) -> None:
        self.methods.add(method)
        for scene in self.on_disk():
            a, b = (self.model.files[scene, "source", name] for name in ("ir", "vis"))
            if a is not None and b is not None:
                self.put((scene, "method", method), fuse(method, a, b))

    @rule(method=st.sampled_from(METHODS))
    def delete_a_method(self, method: str) -> None:
        self.methods.discard(method)
        self.delete([k for k in self.model.files if k[1:] == ("method", method)])

    @rule(scene=st.sampled_from(SCENES))
    def delete_a_scene(self, scene: str) -> None:
        self.delete([k for k in self.model.files if k[0] == scene])

    def delete(self, keys: list[Key]) -> None:
        for key in keys:
            del self.model.files[key]
            (self.images / file_of(key)).unlink()

    @rule(data=st.data())
    def break_a_file(self, data: st.DataObject) -> None:
        if self.model.files:
            key = data.draw(st.sampled_from(sorted(self.model.files)))
            path = self.images / file_of(key)
            path.write_bytes(path.read_bytes()[:60])
            self.model.files[key] = None

    @rule()
    def mend_broken_files(self) -> None:
        for scene in {key[0] for key, pixels in self.model.files.items() if pixels is None}:
            self.put_scene(scene)

    # -- stages -------------------------------------------------------------------------------

    @rule(prune=st.booleans())
    def ingest(self, prune: bool) -> None:
        self.images.mkdir(exist_ok=True)
        report = ingest(MANIFEST, self.images, self.lab, prune=prune, workers=2)
        self.model.ingest(prune)
        assert sum(report.rejected.values()) == len(self.model.refused)

    @rule(metrics=st.sampled_from([("EN", "SD"), ("AG",), METRICS]))
    def score(self, metrics: tuple[str, ...]) -> None:
        assert score(self.lab, metrics, workers=1).rejected == {}
        self.model.score(metrics)
        table = self.lab.scores("ivf", "toy")
        rows = list(zip(table["scene"], table["method"], table["metric"], strict=True))
        assert rows == sorted(self.model.scores)

    @rule(name=st.sampled_from(["first", "second"]), policy=st.sampled_from(sorted(POLICIES)))
    def select(self, name: str, policy: str) -> None:
        metrics = tuple(POLICIES[policy].weights["ivf"])
        if not self.model.can_select(metrics):
            with pytest.raises(LabError):
                select(self.lab, POLICIES[policy], name)
            return
        overruled = self.model.overruled()
        with_candidates = {scene for scene, role, _ in self.model.images if role == "method"}
        labelled = with_candidates - {scene for scene, method in overruled.items() if not method}
        if not labelled:
            with pytest.raises(LabError, match="vetoed"):
                select(self.lab, POLICIES[policy], name)
            return
        select(self.lab, POLICIES[policy], name)
        self.chosen[name] = policy
        labels = self.lab.labels(name)
        for row in labels.to_dict("records"):
            assert row["policy"] == f"{policy} v1"
            winner = self.model.images[row["scene"], "method", row["method"]]
            assert row["digest_candidate"] == digest(winner)
            assert row["method"] == overruled.get(row["scene"], row["policy_method"])
            assert (row["chosen_by"] == "policy") == (row["scene"] not in overruled)
        assert set(labels["scene"]) == labelled

    @rule(data=st.data(), verdict=st.sampled_from(["choose", "accept", "veto", "withdraw"]))
    def decide(self, data: st.DataObject, verdict: str) -> None:
        """Let a person decide about one scene, now or when its candidates were others."""
        scenes = sorted({scene for scene, role, _ in self.model.images if role == "source"})
        if not scenes:
            return
        scene = data.draw(st.sampled_from(scenes))
        own = sorted(n for s, role, n in self.model.images if (s, role) == (scene, "method"))
        past = self.model.decisions.get(scene, [("withdraw", "", "")])
        if verdict == "withdraw" and past[-1][0] == "withdraw":
            with pytest.raises(UsageError):
                decide(self.lab, ("ivf", "toy", scene), "withdraw", by="ann")
            return
        if verdict in ("choose", "accept") and not own:
            return
        method = data.draw(st.sampled_from(own)) if verdict in ("choose", "accept") else ""
        decide(self.lab, ("ivf", "toy", scene), verdict, method, by="ann")
        self.model.decide(scene, verdict, method)

    @rule()
    def reopen(self) -> None:
        self.lab = Lab.open(self.lab.path)

    # -- what must hold -----------------------------------------------------------------------

    @invariant()
    def index_and_pixels_are_those_of_the_last_ingest(self) -> None:
        index = self.lab.index("ivf", "toy").to_dict("records")
        named = {(r["scene"], r["role"], r["name"]): r["digest"] for r in index}
        assert len(named) == len(index)
        assert named == {key: digest(pixels) for key, pixels in self.model.images.items()}
        for row in index:
            stored = self.lab.images.read(Address.of(row))
            want = self.model.images[row["scene"], row["role"], row["name"]]
            np.testing.assert_array_equal(stored, want)

    @invariant()
    def every_file_is_accounted_for_once(self) -> None:
        rejects = self.lab.rejects().query("stage == 'ingest'")
        assert sorted(rejects["file"]) == sorted(map(file_of, self.model.refused))
        index = self.lab.index("ivf", "toy")
        assert set(map(file_of, self.model.read)) <= set(index["file"])
        assert not set(index["file"]) & set(rejects["file"])
        assert index["file"].is_unique

    @invariant()
    def decisions_of_people_survive_everything(self) -> None:
        table = self.lab.overrides()
        columns = ["scene", "number", "verdict", "method", "digest_candidate"]
        assert table[columns].to_numpy().tolist() == [
            [scene, number, *decision]
            for scene, decisions in sorted(self.model.decisions.items())
            for number, decision in enumerate(decisions, 1)
        ]

    @invariant()
    def nothing_temporary_is_left(self) -> None:
        names = [path.name for path in self.lab.path.rglob("*")]
        assert not [name for name in names if "partial" in name or name == ".parts"]

    def teardown(self) -> None:
        try:
            self.equals_a_fresh_lab()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def equals_a_fresh_lab(self) -> None:
        """All that has happened leaves no trace but in the numbers of the store's rows."""
        self.images.mkdir(exist_ok=True)
        fresh = Lab.create(self.folder / "fresh")
        with fresh.writing():
            fresh.write_overrides(self.lab.overrides())
        for lab in (self.lab, fresh):
            ingest(MANIFEST, self.images, lab, prune=True, workers=2)
            score(lab, METRICS, workers=1)
            for name, policy in self.chosen.items():
                choose_or_refuse(lab, policy, name)
        grown, made = (lab.index("ivf", "toy").drop(columns="row") for lab in (self.lab, fresh))
        pd.testing.assert_frame_equal(grown, made)
        left, right = tables(self.lab), tables(fresh)
        assert left.keys() == right.keys()
        assert [name for name in left if left[name] != right[name]] == []


def choose_or_refuse(lab: Lab, policy: str, name: str) -> None:
    """Select; where nothing can be chosen, no labels of an earlier time may be compared."""
    try:
        select(lab, POLICIES[policy], name)
    except LabError:
        lab.labels_path(name).unlink(missing_ok=True)


def tables(lab: Lab) -> dict[str, bytes]:
    """Return the tables that do not name rows of the store, as bytes."""
    files = [f for part in ("scores", "labels") for f in (lab.path / part).glob("*.parquet")]
    return {f"{file.parent.name}/{file.name}": file.read_bytes() for file in files} | {
        "rejects": (lab.path / "rejects.parquet").read_bytes()
    }


def test_a_lab_agrees_with_a_dictionary() -> None:
    few = settings(
        max_examples=int(os.environ.get("FUSIONLAB_EXAMPLES", "40" if THOROUGH else "4")),
        stateful_step_count=12,
        deadline=None,
        derandomize=not THOROUGH,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(LabMachine, settings=few)
