"""Labs in an object store, against a real S3 server: the same bytes as in a folder."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import tree_bytes, write_dataset
from s3 import CREDENTIALS, make_bucket, server
from typer.testing import CliRunner

pytest.importorskip("obstore")
pytest.importorskip("moto.server", reason="no S3 server to test against: pip install '.[dev]'")

import obstore
import zarr

from fusionlab import audit, lock, upkeep
from fusionlab.cli import app
from fusionlab.errors import LabError, UsageError
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.making import choose_methods, make
from fusionlab.objects import ObjectPath
from fusionlab.packing import pack
from fusionlab.paths import remove_tree, to_place
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select
from fusionlab.store import Address
from fusionlab.training.exporting import export
from fusionlab.training.reading import read_curated
from fusionlab.training.shards import read_shards

METRICS = ["EN", "SD"]
MADE = ["gff", "wavelet"]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with server() as address:
        yield address


@pytest.fixture
def place(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    bucket = f"lab-{uuid.uuid4().hex[:12]}"
    make_bucket(endpoint, bucket)
    return f"s3://{bucket}/some/lab"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "two.yaml"
    path.write_text("name: two\nversion: 1\nweights:\n  ivf: {EN: 1, SD: 1}\n")
    return path


def curate(manifest: Path, place: object, policy: Path) -> Lab:
    """Ingest, make candidates, score, select."""
    lab = Lab.create(place)
    ingest(*load_manifest(manifest), lab, workers=2)
    make(lab, choose_methods(MADE), workers=2)
    score(lab, METRICS, workers=2)
    select(lab, load_policy(str(policy)), "first")
    return lab


TABLES = ("index/ivf-toy.parquet", "scores/ivf-toy.parquet", "labels/first.parquet")


def tables(lab: Lab) -> dict[str, bytes]:
    return {name: (lab.path / name).read_bytes() for name in (*TABLES, "rejects.parquet")}


def test_the_tables_are_those_of_a_folder_byte_for_byte_and_so_are_the_pixels(
    place: str, tmp_path: Path, policy: Path
) -> None:
    manifest = write_dataset(tmp_path, scenes=2)
    (tmp_path / "toy/out/mean/s9.png").write_bytes(b"")
    local, remote = (curate(manifest, where, policy) for where in (tmp_path / "lab", place))
    assert tables(remote) == tables(local)
    for row in local.index("ivf", "toy").to_dict("records"):
        address = Address.of(row)
        np.testing.assert_array_equal(remote.images.read(address), local.images.read(address))
    assert upkeep.verify(remote, workers=4).wrong == []
    assert upkeep.info(remote).equals(upkeep.info(local))
    assert upkeep.labels_info(remote).equals(upkeep.labels_info(local))
    frames = audit.all_frames(place, "first")
    for name, frame in audit.all_frames(tmp_path / "lab", "first").items():
        assert frames[name].equals(frame), name
    for where, out in ((place, "far"), (tmp_path / "lab", "near")):
        audit.write_report(where, tmp_path / out, "first")
    assert tree_bytes(tmp_path / "far") == tree_bytes(tmp_path / "near")
    assert audit.why("s1", place).reasons == audit.why("s1", tmp_path / "lab").reasons
    left = [item["path"] for item in obstore.list(remote.path._store()).collect()]
    assert not [
        path for path in left if "/.lock" in path or "/.parts" in path or ".partial" in path
    ]


def test_a_second_run_reads_nothing_and_what_is_new_costs_itself(
    place: str, tmp_path: Path
) -> None:
    manifest = write_dataset(tmp_path, scenes=2, methods=("mean",))
    lab = Lab.create(place)
    assert ingest(*load_manifest(manifest), lab).added == 6
    assert ingest(*load_manifest(manifest), lab).unchanged == 6
    assert score(lab, ["EN"]).measured == 10
    write_dataset(tmp_path, scenes=3, methods=("mean",))
    again = ingest(*load_manifest(manifest), Lab.open(place))
    assert (again.added, again.unchanged) == (3, 6)
    assert score(Lab.open(place), ["EN"]).measured == 5
    assert upkeep.verify(Lab.open(place)).images == 9


def test_plain_zarr_opens_a_lab_in_an_object_store(place: str, tmp_path: Path) -> None:
    from zarr.storage import ObjectStore

    lab = Lab.create(place)
    ingest(*load_manifest(write_dataset(tmp_path, scenes=2)), lab)
    lab_key = f"{lab.path.key}/images.zarr/ivf/toy/48x57x1-uint8"
    store = ObjectStore(lab.path._store(), read_only=True)
    array = zarr.open_array(store, path=f"{lab_key}/method/mean", mode="r")
    row = lab.index("ivf", "toy").query("scene == 's1' and name == 'mean'").iloc[0]
    np.testing.assert_array_equal(array[1], lab.images.read(Address.of(row)))
    assert list(zarr.open_array(store, path=f"{lab_key}/scene", mode="r")[:]) == ["s0", "s1"]


def test_the_commands_take_a_place_in_an_object_store(
    place: str, tmp_path: Path, policy: Path
) -> None:
    manifest = write_dataset(tmp_path, scenes=2)

    def run(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output
        return result.output

    run("ingest", manifest, "--lab", place)
    run("score", "--lab", place, "--metrics", "EN,SD")
    run("select", "--lab", place, "--name", "first", "--policy", policy)
    run("audit", "--lab", place)
    run("why", "s0", "--lab", place)
    assert json.loads(run("info", "--lab", place, "--json"))["lab"] == place
    run("pack", "--lab", place, "--out", f"{place}-packed")
    assert "all 12 images" in run("verify", "--lab", f"{place}-packed")
    refused = CliRunner().invoke(app, ["ingest", str(manifest), "--lab", f"{place}-packed"])
    assert (refused.exit_code, "read-only" in refused.output) == (1, True)


@pytest.mark.slow
def test_the_workers_of_a_dask_cluster_read_the_object_store(
    place: str, tmp_path: Path, policy: Path
) -> None:
    from distributed import LocalCluster

    manifest = write_dataset(tmp_path, scenes=2)
    local = curate(manifest, tmp_path / "lab", policy)
    remote = Lab.create(place)
    ingest(*load_manifest(manifest), remote)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
    ) as cluster:  # fmt: skip
        make(remote, choose_methods(MADE), scheduler=cluster.scheduler_address)
        score(remote, METRICS, scheduler=cluster.scheduler_address)
    scores = "scores/ivf-toy.parquet"
    assert (remote.path / scores).read_bytes() == (local.path / scores).read_bytes()


@pytest.mark.parametrize("there", [True, False])
def test_packing_into_and_out_of_an_object_store(place: str, tmp_path: Path, there: bool) -> None:
    source, target = (tmp_path / "a", place) if there else (place, tmp_path / "a")
    lab = Lab.create(source)
    ingest(*load_manifest(write_dataset(tmp_path, scenes=3)), lab)
    report = pack(lab, target, workers=2)
    assert (report.images, report.shards) == (18, 6)
    packed = Lab.open(target)
    assert upkeep.verify(packed).wrong == []
    assert upkeep.verify(packed).images == 18
    with pytest.raises(LabError, match="is a lab already"):
        pack(lab, target)


# -- the lock -----------------------------------------------------------------------------------

HOLDER = """
import sys
from fusionlab.lab import Lab
with Lab.open(sys.argv[1]).writing():
    print("holding", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(place: str) -> Iterator[subprocess.Popen]:
    Lab.create(place)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, place],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "holding\n"
    yield process
    process.kill()
    process.communicate()


def test_labels_are_exported_from_and_into_an_object_store(
    place: str, tmp_path: Path, policy: Path
) -> None:
    lab = curate(write_dataset(tmp_path, scenes=2), place, policy)
    wanted = read_curated(lab, "first")
    target = to_place(f"{place}-export")
    assert export(lab, "first", target).written_bytes > 0
    assert export(lab, "first", target).written_bytes == 0
    assert read_shards(str(target)).digest == wanted.digest
    (target / "shard-00000.safetensors").unlink()
    with pytest.raises(LabError, match=r"shard-00000.safetensors: cannot be read"):
        read_shards(target)
    with pytest.raises(LabError, match="name an empty folder to export into"):
        export(lab, "first", lab.path)


def test_a_second_writer_is_told_who_holds_the_lab(place: str, holder: subprocess.Popen) -> None:
    lab = Lab.open(place)
    with pytest.raises(LabError, match=rf"process {holder.pid} on .*wait for it"), lab.writing():
        pass
    assert lab.rejects().empty  # reading goes on
    holder.communicate("")
    assert holder.returncode == 0
    with lab.writing():
        assert (lab.path / ".lock").exists()
    assert not (lab.path / ".lock").exists()


def test_the_lock_of_a_killed_process_of_this_machine_is_taken_at_once(
    place: str, holder: subprocess.Popen
) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with Lab.open(place).writing():
        assert (Lab.open(place).path / ".lock").exists()


def foreign_lock(place: str) -> ObjectPath:
    """Leave the lock of a process on another machine."""
    note = {"host": "far", "pid": 1, "user": "u", "command": "fusionlab score", "since": "then"}
    path = to_place(place) / ".lock"
    path.write_bytes(json.dumps({**note, "machine": "elsewhere"}).encode())
    return path


def test_a_lock_without_a_heartbeat_is_taken_over_and_not_before(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab.create(place)
    foreign_lock(place)
    with pytest.raises(LabError, match=r"u's process 1 on far .*if it was killed"), lab.writing():
        pass
    monkeypatch.setattr(lock, "EXPIRY", -1.0)
    with lab.writing():
        assert "far" not in (lab.path / ".lock").read_text()


def test_of_many_that_find_a_stale_lock_at_once_one_takes_it(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Lab.create(place)
    stale = foreign_lock(place).head()
    long_ago = stale[1].replace(year=2000)
    monkeypatch.setattr(ObjectPath, "head", lambda _self: (stale[0], long_ago, stale[2]))
    monkeypatch.setattr(lock._ObjectLock, "_now", lambda _self: stale[1])
    taken = [lock._ObjectLock(to_place(place))._take_over() for _ in range(4)]
    assert sum(tag is not None for tag in taken) == 1


def test_who_has_lost_the_lock_writes_nothing_more(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.05)
    lab = Lab.create(place)
    with lab.writing():
        foreign = foreign_lock(place)
        next(t for t in threading.enumerate() if t.name == "lock-heartbeat").join(10)
        with pytest.raises(LabError, match="has lost its lock on the lab"):
            lab.write_index("ivf", "toy", lab.index("ivf", "toy"))
    assert lab.datasets() == []
    assert foreign.exists()  # the lock of the other is left alone


def test_the_heartbeat_keeps_a_lock_alive(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.02)
    lab = Lab.create(place)
    with lab.writing():
        first = (lab.path / ".lock").read_bytes()
        for _ in range(500):
            if (lab.path / ".lock").read_bytes() != first:
                break
        else:
            pytest.fail("no beat")
        lab.write_index("ivf", "toy", lab.index("ivf", "toy"))
    assert not (lab.path / ".lock").exists()


# -- what is not there ---------------------------------------------------------------------------


def test_no_lab_and_no_bucket_say_what_to_do(place: str) -> None:
    with pytest.raises(LabError, match="Make one first: fusionlab ingest"):
        Lab.open(place)
    with pytest.raises(LabError, match="no lab can be made here: no such bucket"):
        Lab.create("s3://there-is-no-such-bucket/lab")


def test_a_prefix_with_other_things_is_not_made_a_lab(place: str) -> None:
    (to_place(place) / "thesis.tex").write_bytes(b"")
    with pytest.raises(LabError, match="neither empty nor a lab"):
        Lab.create(place)


def test_an_object_has_the_face_of_a_path(place: str) -> None:
    root = to_place(place)
    path = root / "a b" / "ä[1]*#%.x.parquet"
    assert (path.name, path.stem, path.parent.name) == ("ä[1]*#%.x.parquet", "ä[1]*#%.x", "a b")
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        path.read_bytes()
    with pytest.raises(FileNotFoundError):
        path.unlink()
    path.unlink(missing_ok=True)
    path.write_bytes(b"content")
    assert (path.read_text(), path.read_range(1, 3), path.read_tail(2)) == (
        "content",
        b"ont",
        b"nt",
    )
    assert path.head()[2] == 7
    assert list(root.iterdir()) == [root / "a b"]
    assert list((root / "a b").glob("[!.]*.parquet")) == [path]
    assert pickle.loads(pickle.dumps(path)) == path
    assert path.write_new(b"") is None
    tag = path.head()[0]
    assert path.write_over(b"other", tag) is not None
    assert path.write_over(b"third", tag) is None
    assert path.read_bytes() == b"other"
    remove_tree(root)
    assert not path.exists()


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UsageError, match=r"pip install 'fusionlab\[s3\]'"):
        Lab.open("s3://bucket/lab")
    result = CliRunner().invoke(app, ["info", "--lab", "s3://bucket/lab"])
    assert (result.exit_code, "fusionlab[s3]" in result.output) == (2, True)
