import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionlab.images import digest, encode_png
from fusionlab.ingest import Manifest, ingest, load_manifest, preview
from fusionlab.ingest import load as loading
from fusionlab.lab import Lab
from fusionlab.store import Address

OTHER = np.random.default_rng(5).integers(0, 256, (6, 8), dtype=np.uint8)
BIGGER = np.random.default_rng(6).integers(0, 256, (7, 9), dtype=np.uint8)


@pytest.fixture
def data(make_dataset):
    return make_dataset()


@pytest.fixture
def lab(tmp_path):
    return Lab.create(tmp_path / "lab")


def run(data, lab, **options):
    return ingest(data.manifest, data.root, lab, **{"workers": 2, **options})


def files(lab, dataset="tiny", task="ivf"):
    return set(lab.index(task, dataset)["file"])


def reasons(lab):
    got = lab.rejects()
    return dict(zip(got["file"], got["reason"], strict=True))


def tables(lab, dataset="tiny", task="ivf"):
    index = lab.path / "index" / f"{task}-{dataset}.parquet"
    return index.read_bytes(), (lab.path / "rejects.parquet").read_bytes()


def check_pixels(lab, dataset="tiny", task="ivf"):
    """Every row of the index must name the pixels that the store has."""
    rows = lab.index(task, dataset).to_dict("records")
    for row in rows:
        pixels = lab.images.read(Address.of(row))
        assert digest(pixels) == row["digest"], row["file"]
        assert pixels.shape[:2] == (row["height"], row["width"])
    return len(rows)


def check_all_accounted(data, lab):
    """Every file under the root must be in the index or in the rejects, and in one of them."""
    there = {
        p.relative_to(data.root).as_posix()
        for p in data.root.rglob("*")
        if p.is_file() and not any(part.startswith(".") for part in p.relative_to(data.root).parts)
    }
    index, rejects = files(lab), set(reasons(lab))
    assert there == index | rejects
    assert not index & rejects


def test_a_first_run_brings_in_everything(data, lab):
    report = run(data, lab)
    assert (report.scenes, report.methods, report.added, report.rejected) == (2, 2, 8, {})
    assert check_pixels(lab) == 8
    row = lab.index("ivf", "tiny").query("file == 'methods/M1/s2.png'").iloc[0]
    path = data.root / "methods/M1/s2.png"
    assert row["file_digest"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (row["file_format"], row["file_mode"], row["bucket"]) == ("PNG", "L", "6x8x1-uint8")
    check_all_accounted(data, lab)


@pytest.mark.parametrize(("shape", "dtype"), [((6, 8, 3), np.uint8), ((6, 8), np.uint16)])
def test_colour_and_depth_are_kept(make_dataset, lab, shape, dtype):
    data = make_dataset(shape=shape, dtype=dtype, reference=True)
    run(data, lab)
    assert check_pixels(lab) == 10
    index = lab.index("ivf", "tiny")
    assert set(index["dtype"]) == {np.dtype(dtype).name}
    assert set(index["channels"]) == {3 if len(shape) == 3 else 1}
    assert Counter(index["role"]) == {"source": 4, "method": 4, "reference": 2}


def test_a_second_run_decodes_and_writes_nothing(data, lab, monkeypatch):
    run(data, lab)
    before = tables(lab)
    monkeypatch.setattr("fusionlab.ingest.read.decode", None)
    monkeypatch.setattr("fusionlab.store.ImageStore.write", None)
    report = run(data, lab)
    assert (report.added, report.changed, report.unchanged) == (0, 0, 8)
    assert tables(lab) == before


def test_an_added_method_costs_only_itself(data, lab):
    run(data, lab)
    for scene in ("s1", "s2"):
        data.put(f"methods/M0/{scene}.png", OTHER)
    report = run(data, lab)
    assert (report.added, report.changed, report.unchanged, report.methods) == (2, 0, 8, 3)
    assert check_pixels(lab) == 10


def test_an_added_scene_that_sorts_first_moves_no_row(data, lab):
    run(data, lab)
    before = lab.index("ivf", "tiny").set_index("file")["row"]
    for folder in ("sources/ir", "sources/vis", "methods/M1"):
        data.put(f"{folder}/a.png", OTHER)
    run(data, lab)
    after = lab.index("ivf", "tiny").set_index("file")["row"]
    assert (after[before.index] == before).all()
    assert check_pixels(lab) == 11


@pytest.mark.parametrize("new", [OTHER, BIGGER])
def test_a_changed_candidate_changes_pixels_and_digest_or_is_rejected(data, lab, new):
    run(data, lab)
    old = lab.index("ivf", "tiny").set_index("file")["digest"]
    data.put("methods/M1/s1.png", new)
    report = run(data, lab)
    check_pixels(lab)
    check_all_accounted(data, lab)
    if new is BIGGER:
        assert reasons(lab) == {"methods/M1/s1.png": "size_mismatch"}
        return
    digests = lab.index("ivf", "tiny").set_index("file")["digest"]
    assert (report.changed, report.unchanged) == (1, 7)
    assert digests["methods/M1/s1.png"] == digest(new) != old["methods/M1/s1.png"]
    assert (digests.drop("methods/M1/s1.png") == old.drop("methods/M1/s1.png")).all()


def test_the_same_pixels_in_another_file_keep_their_digest(data, lab):
    run(data, lab)
    before = lab.index("ivf", "tiny").set_index(["scene", "role", "name"])["digest"]
    path = data.root / "methods/M1/s1.png"
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    path.unlink()
    data.put("methods/M1/s1.bmp", image)
    report = run(data, lab)
    after = lab.index("ivf", "tiny").set_index(["scene", "role", "name"])["digest"]
    assert (report.changed, report.unchanged) == (0, 8)
    assert (before == after).all()
    assert "methods/M1/s1.bmp" in files(lab)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("methods/M1/s1.png", b"", "empty_file"),
        ("methods/M1/s1.png", b"text", "undecodable"),
        ("methods/M1/s1.png", encode_png(OTHER)[:-20], "undecodable"),
        ("methods/M1/s1.png", BIGGER, "size_mismatch"),
        ("methods/M1/s1.png", np.dstack([OTHER] * 3 + [OTHER]), "transparent"),
    ],
)
@pytest.mark.parametrize("was_good", [False, True])
def test_a_bad_candidate_is_a_row_of_rejects_and_the_run_goes_on(
    data, lab, file, content, reason, was_good
):
    if was_good:
        run(data, lab)
    if isinstance(content, np.ndarray) and content.ndim == 3:
        content = cv2.imencode(".png", content)[1].tobytes()
    data.put(file, content)
    report = run(data, lab)
    assert report.rejected == {reason: 1}
    assert reasons(lab) == {file: reason}
    assert len(lab.rejects()["detail"].iloc[0]) > 10
    assert check_pixels(lab) == 7
    check_all_accounted(data, lab)


@pytest.mark.parametrize("was_good", [False, True])
def test_a_bad_source_takes_its_scene_along(data, lab, was_good):
    if was_good:
        run(data, lab)
    data.put("sources/vis/s1.png", b"text")
    run(data, lab)
    assert reasons(lab) == {
        "sources/vis/s1.png": "undecodable",
        "sources/ir/s1.png": "source_rejected",
        "methods/M1/s1.png": "source_rejected",
        "methods/M2/s1.png": "source_rejected",
    }
    assert check_pixels(lab) == 4


def test_sources_of_different_size_are_no_scene(data, lab):
    run(data, lab)
    data.put("sources/vis/s1.png", BIGGER)
    run(data, lab)
    assert set(reasons(lab).values()) == {"source_sizes_differ", "source_rejected"}
    assert {f for f in files(lab) if "s1" in f} == set()
    assert check_pixels(lab) == 4


def test_a_scene_that_was_bad_comes_back_when_it_is_mended(data, lab):
    whole = (data.root / "sources/ir/s1.png").read_bytes()
    run(data, lab)
    clean = tables(lab)
    data.put("sources/ir/s1.png", b"text")
    run(data, lab)
    data.put("sources/ir/s1.png", whole)
    run(data, lab)
    assert tables(lab) == clean
    assert check_pixels(lab) == 8


def test_a_bad_third_source_or_reference_costs_only_itself(make_dataset, lab):
    data = make_dataset(modalities=("a", "b", "c"), reference=True)
    data.put("sources/c/s1.png", b"text")
    data.put("reference/s2.png", BIGGER)
    run(data, lab)
    assert reasons(lab) == {"sources/c/s1.png": "undecodable", "reference/s2.png": "size_mismatch"}
    assert check_pixels(lab) == 10


def test_links_to_files_must_stay_inside_the_root(data, lab, tmp_path):
    outside = tmp_path / "outside.png"
    outside.write_bytes(encode_png(OTHER))
    for name, target in (("s1", outside), ("s2", data.root / "sources/ir/s2.png")):
        (data.root / f"methods/M1/{name}.png").unlink()
        (data.root / f"methods/M1/{name}.png").symlink_to(target)
    run(data, lab)
    assert reasons(lab) == {"methods/M1/s1.png": "outside_root"}
    assert check_pixels(lab) == 7


def test_what_is_no_file_is_never_read(data, lab):
    for name in ("pipe", "socket", "dangling", "loop"):
        (data.root / "methods" / name).mkdir()
    os.mkfifo(data.root / "methods/pipe/s1.png")
    (data.root / "methods/dangling/s1.png").symlink_to(data.root / "nothing.png")
    (data.root / "methods/loop/s1.png").symlink_to(data.root / "methods/loop/s1.png")
    here = os.open(".", os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(data.root / "methods/socket")  # a socket's path must be short
        try:
            server.bind("s1.png")
        finally:
            os.fchdir(here)
            os.close(here)
        run(data, lab)
    assert reasons(lab) == {
        f"methods/{n}/s1.png": "unreadable" for n in ("pipe", "socket", "dangling", "loop")
    }
    assert check_pixels(lab) == 8


def test_a_file_too_large_for_an_image_is_not_read(data, lab):
    with (data.root / "methods/M1/s1.png").open("r+b") as file:
        file.truncate((1 << 30) + 1)  # takes no space on the disk
    run(data, lab)
    assert reasons(lab) == {"methods/M1/s1.png": "too_many_bytes"}


def test_a_gone_file_is_kept_until_pruned(data, lab):
    run(data, lab)
    (data.root / "methods/M2/s1.png").unlink()
    report = run(data, lab)
    assert (report.kept, report.pruned) == (1, 0)
    assert check_pixels(lab) == 8
    report = run(data, lab, prune=True)
    assert (report.kept, report.pruned) == (0, 1)
    assert check_pixels(lab) == 7
    assert "methods/M2/s1.png" not in files(lab)


def test_a_kept_image_goes_when_its_scene_changes_size(data, lab):
    run(data, lab)
    (data.root / "methods/M2/s1.png").unlink()
    for folder in ("sources/ir", "sources/vis", "methods/M1"):
        data.put(f"{folder}/s1.png", BIGGER)
    report = run(data, lab)
    assert (report.changed, report.kept, report.pruned) == (3, 0, 1)
    index = lab.index("ivf", "tiny")
    assert (index.groupby("scene")["bucket"].nunique() == 1).all()
    check_pixels(lab)


def test_a_renamed_modality_leaves_no_second_source_a(data, lab):
    run(data, lab)
    sources = data.text["sources"]
    data.text["sources"] = {"infrared": sources["ir"], "vis": sources["vis"]}
    run(data, lab)
    index = lab.index("ivf", "tiny").query("role == 'source'")
    assert not index.duplicated(["scene", "position"]).any()
    assert set(index["name"]) == {"infrared", "vis"}


def test_swapped_modalities_swap_a_and_b(data, lab):
    run(data, lab)
    data.text["sources"] = dict(reversed(data.text["sources"].items()))
    report = run(data, lab)
    assert report.unchanged == 8
    index = lab.index("ivf", "tiny").query("role == 'source' and position == 0")
    assert set(index["name"]) == {"vis"}


def test_force_stores_everything_again(data, lab):
    run(data, lab)
    before = tables(lab)
    for chunk in (lab.images.path / "ivf/tiny/6x8x1-uint8/method/M1").glob("c.*"):
        chunk.unlink()
    report = run(data, lab, force=True)
    assert (report.changed, report.unchanged) == (8, 0)
    assert tables(lab) == before
    assert check_pixels(lab) == 8


@pytest.mark.parametrize("batch", [1, 256])
def test_any_number_of_workers_and_batches_gives_the_same_bytes(
    make_dataset, tmp_path, monkeypatch, batch
):
    monkeypatch.setattr(loading, "_FILES_PER_BATCH", batch)
    data = make_dataset(scenes=[f"s{i}" for i in range(9)], methods=("M1", "M2", "M3"))
    data.put("methods/M2/s3.png", b"")
    for folder in ("sources/ir", "sources/vis", "methods/M1"):
        data.put(f"{folder}/s5.png", BIGGER)
    made = []
    for workers in (1, 4):
        lab = Lab.create(tmp_path / f"lab{workers}")
        run(data, lab, workers=workers)
        check_pixels(lab)
        root = lab.images.path
        made.append(
            (
                tables(lab),
                {p.relative_to(root): p.read_bytes() for p in root.rglob("c/**/*") if p.is_file()},
            )
        )
    assert made[0] == made[1]


def test_two_data_sets_share_a_lab(make_dataset, lab):
    first, second = make_dataset(name="one"), make_dataset(name="two", task="mff")
    second.put("odd.txt", b"")
    run(first, lab)
    run(second, lab)
    run(first, lab)
    assert lab.datasets() == [("ivf", "one"), ("mff", "two")]
    assert reasons(lab) == {"odd.txt": "unmatched_file"}
    assert check_pixels(lab, "one") == check_pixels(lab, "two", "mff") == 8


def test_progress_ends_with_all_files(data, lab):
    seen = []
    run(data, lab, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 8)
    assert seen[-1] == (8, 8)


def test_a_preview_counts_and_writes_nothing(data, lab):
    data.put("odd.txt", b"")
    got = preview(data.manifest, data.root)
    assert (got["scenes"], got["methods"], got["files"]) == (2, 2, 8)
    assert (got["rejected"], got["rejected_files"]) == ({"unmatched_file": 1}, ["odd.txt"])
    assert lab.datasets() == []


mess = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("sources/ir/s1", "sources/vis/s1", "sources/ir/s2", "methods/M1/s1"),
                *("methods/M1/s2", "methods/M-2/s1", "methods/a:b/s1", "methods/M1/s3"),
                *("other/x", "s1"),
            ]
        ),
        st.sampled_from([".png", ".PNG", ".jpg", ""]),
        st.sampled_from([b"", b"text", encode_png(OTHER), encode_png(BIGGER)]),
    ),
    max_size=6,
)


@given(st.lists(mess, min_size=1, max_size=3))
@settings(max_examples=12, deadline=None)
def test_in_any_mess_every_file_is_accounted_for_and_every_row_true(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("mess")
    text = {
        "task": "ivf",
        "dataset": "tiny",
        "sources": {m: f"sources/{m}/{{scene}}.*" for m in ("ir", "vis")},
        "candidates": "methods/{method}/{scene}.*",
    }
    data = SimpleNamespace(root=folder / "root", manifest=Manifest.model_validate(text))
    lab = Lab.create(folder / "lab")
    for step in steps:
        shutil.rmtree(data.root, ignore_errors=True)
        data.root.mkdir()
        for stem, ending, content in step:
            path = data.root / (stem + ending)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        run(data, lab, prune=True)
        check_all_accounted(data, lab)
        check_pixels(lab)


KILLER = """
import os, shutil, signal, sys
from pathlib import Path
from fusionlab.ingest import ingest, load, load_manifest
from fusionlab.lab import Lab
from fusionlab.store import ImageStore

load._FILES_PER_BATCH, load._CHECKPOINT_SECONDS = 5, 0.0
countdown = 0

def step():
    global countdown
    countdown -= 1
    if countdown == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def around(owner, name):
    real = getattr(owner, name)
    def wrapped(*args, **kwargs):
        step()
        result = real(*args, **kwargs)
        step()
        return result
    setattr(owner, name, wrapped)

for owner, name in ((ImageStore, "_put"), (Lab, "write_index"), (Lab, "replace_rejects")):
    around(owner, name)

manifest, root = load_manifest(Path(sys.argv[1]))
base = Path(sys.argv[2])
for moment in map(int, sys.argv[3:]):
    lab = base.with_name(f"killed-{moment}")
    shutil.copytree(base, lab)
    child = os.fork()
    if child == 0:
        countdown = moment
        ingest(manifest, root, Lab.open(lab), workers=2)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(moment, os.WTERMSIG(status) if os.WIFSIGNALED(status) else "ended")
"""


@pytest.mark.parametrize("ingested_before", [False, True])
def test_after_a_kill_at_any_moment_the_next_run_ends_as_if_nothing_had_been(
    make_dataset, lab, tmp_path, ingested_before
):
    data = make_dataset(scenes=("s1", "s2", "s3"), methods=("M1", "M2"))
    data.put("methods/M2/s2.png", b"")
    if ingested_before:
        run(data, lab)
        for scene in ("s1", "s3"):
            data.put(f"methods/M1/{scene}.png", OTHER)
        for folder in ("sources/ir", "sources/vis", "methods/M2"):
            data.put(f"{folder}/s2.png", BIGGER)
            data.put(f"{folder}/s0.png", OTHER)
    moments = [*range(1, 14, 3), *range(14, 46, 5)]
    arguments = [data.manifest_file, lab.path, *map(str, moments)]
    command = [sys.executable, "-c", KILLER, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    ends = dict(line.split() for line in done.stdout.splitlines())
    assert Counter(ends.values())[str(int(signal.SIGKILL))] >= 10
    whole = Lab.open(shutil.copytree(lab.path, tmp_path / "whole"))
    run(data, whole)
    for moment in moments:
        killed = Lab.open(tmp_path / f"killed-{moment}")
        check_pixels(killed)  # what a killed run leaves is true, if not all
        run(data, killed)
        assert tables(killed) == tables(whole), f"killed at step {moment}"
        check_pixels(killed)
        assert not list(killed.path.glob("**/.partial-*"))


CLEAN = {
    ("ivf", "vifb"): (12, 25, 324),
    ("mff", "lytro"): (6, 35, 222),
    ("mff", "mffw"): (3, 35, 111),
    ("mff", "mfi_whu"): (3, 35, 111),
    ("mff", "gray_synth"): (3, 4, 21),
    ("mif", "harvard_ct_mri"): (15, 8, 102),
    ("mif", "harvard_pet_mri"): (9, 10, 96),
    ("mif", "harvard_spect_mri"): (10, 10, 103),
}


@pytest.mark.slow
def test_real_data_sets_are_accounted_for_to_the_last_file(shared, lab, pytestconfig):
    reports = {}
    for path in sorted((pytestconfig.rootpath / "benchmarks" / "manifests").glob("*.yaml")):
        text = path.read_text()
        task, dataset = (
            next(line.split()[1] for line in text.splitlines() if line.startswith(key))
            for key in ("task:", "dataset:")
        )
        if dataset == "sice_lightfuse":  # one scene of 24 megapixels: slow, and shows nothing new
            continue
        manifest, root = load_manifest(path, shared / "data" / task / dataset)
        reports[task, dataset] = ingest(manifest, root, lab, workers=2)
        there = {
            p.relative_to(root).as_posix()
            for p in root.rglob("*")
            if p.is_file() and not manifest.ignores(p.relative_to(root).as_posix())
        }
        rejects = lab.rejects().query("task == @task and dataset == @dataset")
        assert there == files(lab, dataset, task) | set(rejects["file"])
        assert len(there) == len(files(lab, dataset, task)) + len(rejects)
    for key, (scenes, methods, images) in CLEAN.items():
        report = reports[key]
        assert (report.scenes, report.methods, report.added) == (scenes, methods, images), key
        assert report.rejected == {}
    assert check_pixels(lab, "mfi_whu", "mff") == 111
    tno = lab.rejects().query("dataset == 'tno'")
    assert Counter(zip(tno["name"], tno["reason"], strict=True)) == {
        ("PMGI", "no_sources"): 1,
    }
    wrong = lab.rejects().query("reason == 'wrong_scene'")
    assert set(wrong["file"]) == {f"methods/ResNetFusion/{n}.bmp" for n in (3, 11)}
    assert reports["ivf", "roadscene_misaligned"].rejected == {
        "source_rejected": 2,
        "unregistered": 2,
    }
    lowres = lab.index("mif", "pet_mri_lowres").query("role == 'source' and name == 'pet'")
    assert set(lowres["alignment"]) == {"resize:4"}
    for dataset, cropped in (("tno", 3), ("roadscene", 8), ("roadscene_asfound", 2)):
        crops = lab.index("ivf", dataset).query("alignment == 'crop'")
        assert len(crops) == cropped
        assert set(crops["name"]) <= {"MEF-GAN", "MEF-GAN_run1"}
        assert crops["region"].str.startswith("0,0,").all()
