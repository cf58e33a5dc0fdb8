"""Exported labels: the same when read back, whole or refused, and gone on with after a kill."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import make_lab, rewrite_labels, tree_bytes, write_labels
from hypothesis import given, settings
from hypothesis import strategies as st
from training_examples import curated, example, of_tasks
from typer.testing import CliRunner

import fusionlab
from fusionlab import memory
from fusionlab.cli import app
from fusionlab.errors import LabError, UsageError
from fusionlab.lock import hold
from fusionlab.training import shards
from fusionlab.training.exporting import export
from fusionlab.training.reading import read_curated
from fusionlab.training.shards import Written, cut, read_shards, write_shards

ONE = 3 * 2 * 24 * 31


@pytest.fixture
def two_a_shard(monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 2 * ONE)


@pytest.fixture
def exported(tmp_path, two_a_shard):
    """Return a folder with five scenes in three shards."""
    write_shards(of_tasks(ivf=3, mff=2), tmp_path / "out")
    return tmp_path / "out"


def shard(number):
    return f"shard-{number:05d}.safetensors"


def assert_same(found, wanted):
    assert (found.labels, found.policy_digest, found.digest) == (
        wanted.labels,
        wanted.policy_digest,
        wanted.digest,
    )
    for one, other in zip(found.examples, wanted.examples, strict=True):
        assert one.describe() == other.describe()
        assert one.planes.dtype == np.uint16
        assert np.array_equal(one.planes, other.planes)


def test_what_is_written_is_read(exported):
    assert_same(read_shards(exported), of_tasks(ivf=3, mff=2))
    assert_same(read_shards(str(exported), workers=3), of_tasks(ivf=3, mff=2))
    assert sorted(file.name for file in exported.glob("[!.]*")) == [
        "index.json",
        *map(shard, range(3)),
    ]


def test_weights_regions_and_groups_are_kept(tmp_path):
    values = {"weight": 0.1 + 0.2, "region": "1,2,24,31", "group": "ivf/a/0", "method": "x(y)"}
    whole = curated([example("ivf/a/1", **values), example("ivf/a/2", (1, 700))])
    write_shards(whole, tmp_path)
    assert_same(read_shards(tmp_path), whole)


def test_the_same_labels_give_the_same_bytes(exported, tmp_path):
    write_shards(of_tasks(ivf=3, mff=2), tmp_path / "again")
    assert tree_bytes(exported) == tree_bytes(tmp_path / "again")


@given(st.lists(st.integers(1, 3 * shards.SHARD_BYTES), min_size=1, max_size=9))
def test_shards_are_bounded_and_hold_every_scene_once(sizes):
    parts = cut(sizes)
    assert [i for part in parts for i in range(*part.indices(len(sizes)))] == list(
        range(len(sizes))
    )
    assert all(len(sizes[p]) == 1 or sum(sizes[p]) <= shards.SHARD_BYTES for p in parts)


def test_writing_again_writes_only_what_is_wrong(exported):
    whole, before = of_tasks(ivf=3, mff=2), tree_bytes(exported)
    assert write_shards(whole, exported) == Written(3, 3, 0)
    (exported / shard(1)).write_bytes(b"broken")
    (exported / shard(2)).unlink()
    done = write_shards(whole, exported)
    assert (done.shards, done.kept) == (3, 1)
    assert tree_bytes(exported) == before


def test_other_labels_replace_what_was_exported(exported):
    write_shards(of_tasks(mff=2), exported)
    assert_same(read_shards(exported), of_tasks(mff=2))
    assert [file.name for file in exported.glob("shard-*")] == [shard(0)]


def stop_after(monkeypatch, writes):
    real, left = shards.atomic_write_bytes, [writes]

    def write(path, data):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        real(path, data)

    monkeypatch.setattr(shards, "atomic_write_bytes", write)


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_stopped_it_is_no_export_and_goes_on(tmp_path, monkeypatch, two_a_shard, writes):
    whole = of_tasks(ivf=3, mff=2)
    with monkeypatch.context() as patch:
        stop_after(patch, writes)
        with pytest.raises(KeyboardInterrupt):
            write_shards(whole, tmp_path)
    with pytest.raises(LabError, match="there is no finished export here; export again"):
        read_shards(tmp_path)
    (tmp_path / ".partial-shard-x").write_bytes(b"left by a kill")
    assert write_shards(whole, tmp_path).kept == writes
    assert_same(read_shards(tmp_path), whole)
    assert not list(tmp_path.glob(".partial-*"))


def test_stopped_while_it_replaces_another_it_is_no_export(exported, monkeypatch):
    stop_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        write_shards(of_tasks(mef=3), exported)
    with pytest.raises(LabError, match="no finished export"):
        read_shards(exported)


def test_a_killed_export_goes_on(tmp_path):
    lab = make_lab(tmp_path, methods=("mean",))
    write_labels(lab, "mean")
    code = (
        "import os, sys\nfrom fusionlab.training import shards\n"
        "shards.SHARD_BYTES, real = 1, shards.atomic_write_bytes\n"
        "def write(path, data):\n    real(path, data)\n    os.kill(os.getpid(), 9)\n"
        "shards.atomic_write_bytes = write\nfrom fusionlab.cli import main\n"
        f"sys.argv = ['fusionlab', 'export', '--lab', {str(lab.path)!r}, '--labels', 'first', "
        f"'--out', {str(tmp_path / 'out')!r}]\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -9
    assert [f.name for f in (tmp_path / "out").glob("[!.]*")] == [shard(0)]
    export(lab, "first", tmp_path / "out")
    assert_same(read_shards(tmp_path / "out"), read_curated(lab, "first"))


def test_a_missing_shard_is_named(exported):
    (exported / shard(1)).unlink()
    with pytest.raises(LabError, match=rf"{shard(1)}: cannot be read .*--labels first --out"):
        read_shards(exported)


@pytest.mark.parametrize("length", [0, 5, 300, 9000])
def test_a_truncated_shard_is_named(exported, length):
    path = exported / shard(0)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(LabError, match=rf"{shard(0)}: is cut off or no shard \({length} bytes"):
        read_shards(exported)


@settings(max_examples=40)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_changed_byte_is_never_read(tmp_path_factory, where, change):
    folder = tmp_path_factory.mktemp("changed")
    write_shards(of_tasks(ivf=2), folder)
    data = bytearray((folder / shard(0)).read_bytes())
    data[int(where * len(data))] ^= change
    (folder / shard(0)).write_bytes(data)
    with pytest.raises(LabError, match=shard(0)):
        read_shards(folder)


def test_a_changed_pixel_names_its_scene(exported):
    data = bytearray((exported / shard(0)).read_bytes())
    data[-1] ^= 1
    (exported / shard(0)).write_bytes(data)
    with pytest.raises(LabError, match=r"the pixels of ivf/toy/s01 have changed"):
        read_shards(exported)


def change_index(folder, change):
    index = json.loads((folder / "index.json").read_bytes())
    change(index)
    (folder / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda index: index["examples"].pop(), "its scenes are not those it was written for"),
        (lambda index: index["examples"][0].update(weight=0.5), "its scenes are not those"),
        (lambda index: index["shards"].update({shard(0): "0"}), "is another file than"),
        (lambda index: index["shards"].pop(shard(0)), "is not a whole index"),
        (lambda index: index.pop("labels"), "is not a whole index"),
        (lambda index: index["examples"][0].pop("size"), "is not a whole index"),
        (lambda index: index["examples"][0].update(size=["a", 1]), "is not a whole index"),
        (lambda index: index["examples"][0].update(shard="../x"), "is not a whole index"),
        (lambda index: index["examples"].append(None), "is not a whole index"),
        (lambda index: index.update(format=3), "an export of format 3, this FusionLab"),
        (lambda index: index.pop("format"), "is not the index of an export"),
    ],
)
def test_a_changed_index_is_refused(exported, change, said):
    change_index(exported, change)
    with pytest.raises(LabError, match=said):
        read_shards(exported)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff\xfe", b"null"])
def test_what_is_no_index_is_refused(exported, content):
    (exported / "index.json").write_bytes(content)
    with pytest.raises(LabError, match=r"index.json: is not the index of an export"):
        read_shards(exported)
    write_shards(of_tasks(ivf=1), exported)
    assert_same(read_shards(exported), of_tasks(ivf=1))


def test_a_folder_with_anything_else_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(LabError, match=r"holds 'mine.txt'; name an empty folder"):
        write_shards(of_tasks(ivf=1), tmp_path)
    with pytest.raises(LabError, match=r"mine.txt: is a file; name an empty folder"):
        write_shards(of_tasks(ivf=1), tmp_path / "mine.txt")
    with pytest.raises(LabError, match="no finished export"):
        read_shards(tmp_path / "mine.txt")
    with pytest.raises(LabError, match="no finished export"):
        read_shards(tmp_path / "nothing")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_two_at_once_are_refused(exported):
    with hold(exported), pytest.raises(LabError, match="another fusionlab process"):
        write_shards(of_tasks(ivf=1), exported)


def test_what_does_not_fit_into_the_memory_is_refused(exported, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 1000)
    with pytest.raises(UsageError, match=r"5 scenes: takes .* export fewer tasks"):
        read_shards(exported)


def test_reading_needs_numpy_and_safetensors_alone(exported):
    heavy = ["zarr", "dask", "pandas", "pyarrow", "cv2", "numba", "scipy", "pydantic", "yaml"]
    code = (
        f"import sys\nsys.modules.update(dict.fromkeys({heavy}))\n"
        "from fusionlab.training.shards import read_shards\n"
        f"print(len(read_shards({str(exported)!r})), 'torch' in sys.modules)\n"
    )
    paths = os.pathsep.join([str(Path(fusionlab.__file__).parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.stdout.split() == ["5", "False"]


def run(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


def test_the_command_exports_counts_and_refuses(tmp_path):
    lab, out = make_lab(tmp_path, methods=("mean",)), tmp_path / "out"
    write_labels(lab, "mean")
    asked = ("--lab", lab.path, "--labels", "first", "--out", out)
    planned = json.loads(run(*asked, "--dry-run", "--json").stdout)
    assert not out.exists()
    done = json.loads(run(*asked, "--json").stdout)
    for key in ("scenes", "shards", "pixel_bytes"):
        assert planned[key] == done[key]
    assert (done["scenes"], done["shards"], done["kept"]) == ({"ivf": 3}, 1, 0)
    assert done["pixel_bytes"] == 3 * 48 * 57 * 6 < done["written_bytes"]
    assert read_shards(out).digest == done["digest"]
    assert "kept" in run(*asked, "--tasks", "ivf").output
    assert json.loads(run(*asked, "--json").stdout)["kept"] == 1
    for wrong, code, said in (
        (("--tasks", "mff"), 1, "has no labels of mff"),
        (("--tasks", "mfg"), 2, "unknown task 'mfg'"),
        (("--labels", "frist"), 2, "Did you mean 'first'"),
        (("--out", lab.path), 1, "name an empty folder to export into"),
    ):
        result = run(*asked, *wrong)
        assert result.exit_code == code
        assert said in " ".join(result.output.split())
    rewrite_labels(lab, lambda frame: frame.iloc[:0])
    assert "has no labels to learn from" in " ".join(run(*asked).output.split())
    assert len(read_shards(out)) == 3
