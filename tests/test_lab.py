import dataclasses
import json
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest

from fusionlab.errors import LabError, UnknownNameError, UsageError
from fusionlab.ingest.rejects import Reject
from fusionlab.lab import FORMAT, Lab
from fusionlab.lock import Holder
from fusionlab.tables import rejects_frame


@pytest.fixture
def lab(tmp_path):
    return Lab.create(tmp_path / "lab")


def test_a_new_lab_is_there_and_empty(lab):
    assert json.loads((lab.path / "lab.json").read_text())["format"] == FORMAT
    again = Lab.open(str(lab.path))
    assert again.datasets() == []
    assert again.labels_names() == []
    assert again.index("ivf", "none").empty
    assert again.scores("ivf", "none").empty
    assert again.rejects().empty


def test_without_a_lab_the_error_says_what_to_run(tmp_path):
    with pytest.raises(LabError, match=r"Make one first: fusionlab ingest MANIFEST\.yaml --lab"):
        Lab.open(tmp_path / "none")


def test_create_opens_a_lab_that_is_there_and_leaves_it_alone(lab):
    before = (lab.path / "lab.json").read_bytes()
    Lab.create(lab.path)
    assert (lab.path / "lab.json").read_bytes() == before


def test_a_folder_of_other_things_is_not_made_a_lab(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(LabError, match="neither empty nor a lab; name another folder"):
        Lab.create(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_folder_and_one_of_a_killed_attempt_become_labs(tmp_path):
    assert Lab.create(tmp_path).path == tmp_path
    (tmp_path / "lab.json").rename(tmp_path / ".partial-lab.json-0123")
    assert Lab.create(tmp_path).rejects().empty


def test_a_file_is_no_place_for_a_lab(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(LabError, match="no lab can be made here: Not a directory"):
            Lab.create(path)
    with pytest.raises(LabError, match="is not a lab's description"):
        Lab.open(tmp_path / "file")


@pytest.mark.parametrize("content", ["", "{", "[]", "7", "{}", '{"layout": 1}', "\x00"])
def test_a_broken_marker_is_told_as_such(lab, content):
    (lab.path / "lab.json").write_text(content)
    with pytest.raises(LabError, match=r"lab\.json: is not a lab's description"):
        Lab.open(lab.path)


@pytest.mark.parametrize("other", [FORMAT + 1, "two", None])
def test_a_lab_of_another_format_is_refused_with_a_remedy(lab, other):
    (lab.path / "lab.json").write_text(json.dumps({"format": other}))
    with pytest.raises(LabError, match="use the FusionLab that wrote it, or ingest into a new lab"):
        Lab.open(lab.path)


HOLDER = """
import sys, time
from fusionlab.lab import Lab
with Lab.open(sys.argv[1]).writing():
    print("holding", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(lab):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, lab.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "holding\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_writer_is_refused_until_the_first_ends(lab, holder):
    told = rf"writing to this lab: .*process {holder.pid} on .*wait for it to end"
    with pytest.raises(LabError, match=told), lab.writing():
        pass
    assert lab.rejects().empty  # reading goes on
    holder.communicate("")
    assert holder.returncode == 0
    with lab.writing():
        assert (lab.path / ".lock").exists()


def test_the_lock_falls_with_a_killed_process(lab, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert json.loads((lab.path / ".lock-holder").read_text())["pid"] == holder.pid
    with lab.writing():
        assert json.loads((lab.path / ".lock-holder").read_text())["pid"] == os.getpid()
    assert not (lab.path / ".lock-holder").exists()


@pytest.mark.parametrize("note", ["gone", "{", "{}", None])
def test_a_note_that_is_left_over_names_nobody(lab, holder, note):
    path = lab.path / ".lock-holder"
    if note == "gone":
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        path.write_text(json.dumps({**json.loads(path.read_text()), "pid": ended.pid}))
    elif note is None:
        path.unlink()
    else:
        path.write_text(note)
    with pytest.raises(LabError, match="writing to this lab; wait for it to end"), lab.writing():
        pass


def test_a_process_of_another_machine_is_never_taken_for_gone():
    me = Holder.me()
    assert not me.is_gone
    assert not dataclasses.replace(me, pid=2**22 + 1, machine="elsewhere").is_gone
    assert not dataclasses.replace(me, pid=2**22 + 1, machine="").is_gone
    assert not dataclasses.replace(me, pid=1).is_gone


def test_one_process_cannot_write_twice_at_once_either(lab):
    with lab.writing(), pytest.raises(LabError, match="is writing"), lab.writing():
        pass


def test_the_lock_falls_with_an_error(lab):
    with pytest.raises(ZeroDivisionError), lab.writing():
        _ = 1 / 0
    with lab.writing():
        assert lab.rejects().empty


def test_a_writer_sweeps_what_killed_ones_left(lab):
    for folder in ("", "index", "scores", "labels"):
        (lab.path / folder).mkdir(exist_ok=True)
        (lab.path / folder / ".partial-x.parquet-0").write_text("")
        (lab.path / folder / "kept.txt").write_text("")
    with lab.writing():
        pass
    assert not list(lab.path.rglob(".partial-*"))
    assert len(list(lab.path.rglob("kept.txt"))) == 4


@pytest.mark.parametrize("name", ["../x", "/etc/x", "", ".x", "a/b", "a\\b", "x" * 200])
def test_a_labels_name_never_leaves_its_folder(lab, name):
    with pytest.raises(UsageError, match="use letters, digits"):
        lab.labels_path(name)
    with pytest.raises(UsageError, match="use letters, digits"):
        lab.labels(name)


def test_labels_that_are_not_there(lab):
    with pytest.raises(LabError, match="Select some first: fusionlab select --lab"):
        lab.labels("best")
    lab.labels_path("best").parent.mkdir()
    pd.DataFrame({"scene": ["s"]}).to_parquet(lab.labels_path("best"))
    (lab.path / "labels" / ".partial-x.parquet").write_text("")
    assert lab.labels_names() == ["best"]
    assert list(lab.labels("best")["scene"]) == ["s"]
    with pytest.raises(UnknownNameError, match=r"unknown labels set 'bset'\. Did you mean 'best'"):
        lab.labels("bset")


def test_data_sets_are_listed_by_task_and_name(lab):
    for task, dataset in (("mff", "a-b"), ("ivf", "z"), ("ivf", "a.b")):
        lab.write_index(task, dataset, lab.index(task, dataset))
    (lab.path / "index" / ".partial-ivf-q.parquet-0").write_text("")
    assert lab.datasets() == [("ivf", "a.b"), ("ivf", "z"), ("mff", "a-b")]


def test_rejects_are_replaced_by_stage_and_data_set(lab):
    def put(stage, dataset, *files):
        rejects = [Reject("unmatched_file", "why", file=file) for file in files]
        frame = rejects_frame(stage, "ivf", dataset, [reject.row() for reject in rejects])
        lab.replace_rejects(stage, "ivf", dataset, frame)

    put("ingest", "one", "a", "b")
    put("ingest", "two", "c")
    put("score", "one", "d")
    put("ingest", "one", "e")
    got = lab.rejects()
    assert sorted(zip(got["stage"], got["dataset"], got["file"], strict=True)) == [
        ("ingest", "one", "e"),
        ("ingest", "two", "c"),
        ("score", "one", "d"),
    ]
    put("ingest", "one")
    assert sorted(lab.rejects()["file"]) == ["c", "d"]
