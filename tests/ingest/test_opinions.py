"""Opinion scores: what is read, and every way in which a row or the file can be wrong."""

import pandas as pd
import pytest
import yaml

from fusionlab.errors import ConfigError
from fusionlab.ingest import ingest, load_manifest, preview
from fusionlab.lab import Lab
from fusionlab.schemas import OPINIONS

COLUMNS = {"file": "mos.csv", "scene": "name", "method": "method", "score": "mos"}


@pytest.fixture
def data(make_dataset):
    made = make_dataset()
    made.text["opinions"] = COLUMNS
    made.save_manifest()
    return made


@pytest.fixture
def lab(tmp_path):
    return Lab.create(tmp_path / "lab")


def run(data, lab, table):
    if table is not None:
        data.put("mos.csv", table if isinstance(table, bytes) else table.encode())
    return ingest(data.manifest, data.root, lab)


def rejected(lab):
    frame = lab.rejects()
    assert set(frame["stage"]) <= {"ingest"}
    return frame


def test_scores_are_read_and_the_file_is_no_reject(data, lab):
    report = run(data, lab, "mos,method,name,votes\n7.5,M1,s1,20\n -3 , M2 ,s2,\n")
    assert (report.opinions, report.rejected) == (2, {})
    found = lab.opinions("ivf", "tiny")
    assert found[["scene", "method", "score", "file"]].to_numpy().tolist() == [
        ["s1", "M1", 7.5, "mos.csv"],
        ["s2", "M2", -3.0, "mos.csv"],
    ]
    assert list(found) == OPINIONS.columns.names


@pytest.mark.parametrize(
    ("row", "reason", "sentence"),
    [
        ("s9,M1,5", "opinion_unknown", "row 2: the lab has no candidate 'M1' of a scene 's9'"),
        ("s1,M9,5", "opinion_unknown", "no candidate 'M9'"),
        (",,5", "opinion_unknown", "no candidate ''"),
        ("s1,decoy:mean,5", "opinion_unknown", "decoy:mean"),
        ("s1,M1,", "opinion_not_finite", "row 2: '' is not a finite number"),
        ("s1,M1,good", "opinion_not_finite", "'good'"),
        ("s1,M1,nan", "opinion_not_finite", "'nan'"),
        ("s1,M1,inf", "opinion_not_finite", "'inf'"),
        ("s1,M1,1e999", "opinion_not_finite", "'1e999'"),
        ("s1,M1,5\ns1,M1,6", "opinion_twice", "rows 2, 3"),
        ("s1,M1,5\ns1,M1,5", "opinion_twice", "keep one"),
    ],
)
def test_a_bad_row_is_turned_away_and_the_others_stay(data, lab, row, reason, sentence):
    report = run(data, lab, f"name,method,mos\ns2,M2,4\n{row}\n")
    assert (report.opinions, report.rejected) == (1, {reason: 1})
    assert lab.opinions("ivf", "tiny")["scene"].tolist() == ["s2"]
    (found,) = rejected(lab).to_dict("records")
    assert (found["role"], found["reason"], found["file"]) == ("opinion", reason, "mos.csv")
    assert sentence in found["detail"]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (None, "cannot be read: No such file"),
        ("", "is not a CSV table: No columns"),
        ("name,method\ns1,M1\n", "has columns name, method; lacks mos"),
        ("name;method;mos\ns1;M1;5\n", "has columns name;method;mos; lacks name, method, mos"),
        ("name,method,mos\ns1,M1,5\ns2,M2,5,6,7,8\n", "is not a CSV table: Error tokenizing"),
        ("name,method,mos\ns1,M1,5,6\ns2,M2,5,6\n", "rows have more cells than columns"),
        (b"name,method,mos\n\xff\xfe,M1,5\n", "is not a CSV table: 'utf-8'"),
    ],
)
def test_a_bad_file_is_one_reject(data, lab, table, sentence):
    report = run(data, lab, table)
    assert (report.opinions, report.rejected) == (0, {"opinions_unreadable": 1})
    (found,) = rejected(lab).to_dict("records")
    assert (found["file"], found["scene"]) == ("mos.csv", "")
    assert sentence in found["detail"]
    assert lab.opinions("ivf", "tiny").empty


def test_a_byte_order_mark_quotes_and_headings_alone_are_fine(data, lab):
    report = run(data, lab, b'\xef\xbb\xbf"name","method","mos"\n"s1","M1","5"\n')
    assert report.opinions == 1
    assert run(data, lab, "name,method,mos\n").opinions == 0
    assert lab.opinions("ivf", "tiny").empty


def test_every_ingest_replaces_them(data, lab):
    run(data, lab, "name,method,mos\ns1,M1,5\ns2,M1,6\n")
    run(data, lab, "name,method,mos\ns1,M1,7\n")
    assert lab.opinions("ivf", "tiny")["score"].tolist() == [7.0]
    del data.text["opinions"]
    run(data, lab, None)
    assert lab.opinions("ivf", "tiny").empty
    assert set(rejected(lab)["reason"]) == {"unmatched_file"}


def test_a_rejected_candidate_has_no_opinion(data, lab):
    data.put("methods/M1/s1.png", b"broken")
    report = run(data, lab, "name,method,mos\ns1,M1,5\ns1,M2,6\n")
    assert report.opinions == 1
    assert report.rejected == {"opinion_unknown": 1, "undecodable": 1}


def test_a_link_out_of_root_is_not_followed(data, lab, tmp_path):
    (tmp_path / "secret.csv").write_text("name,method,mos\ns1,M1,5\n")
    (data.root / "mos.csv").symlink_to(tmp_path / "secret.csv")
    assert run(data, lab, None).rejected == {"opinions_unreadable": 1}
    assert "out of the root folder" in rejected(lab)["detail"].item()


@pytest.mark.parametrize("file", ["/etc/passwd", "../mos.csv", "a/../../mos.csv", ""])
def test_the_path_stays_inside_root(data, file):
    data.text["opinions"] = {**COLUMNS, "file": file}
    with pytest.raises(ConfigError, match=r"opinions\.file: must be a file, relative to root"):
        load_manifest(data.save_manifest())


def test_an_unknown_key_is_answered_with_the_right_one(data):
    data.text["opinions"] = {"file": "mos.csv", "column": "mos"}
    with pytest.raises(ConfigError, match=r"unknown key 'opinions\.column'.*Known: file, scene"):
        load_manifest(data.save_manifest())


def test_a_dry_run_counts_them(data):
    data.put("mos.csv", b"name,method,mos\ns1,M1,5\ns2,M1,6\ns3,M1,6\n")
    got = preview(data.manifest, data.root)
    assert (got["opinions"], got["rejected"]) == (2, {"opinion_unknown": 1})
    assert got["rejected_files"] == ["mos.csv"]


def test_they_are_read_from_an_archive(data, lab, tmp_path):
    import shutil

    data.put("mos.csv", b"name,method,mos\ns1,M1,5\n")
    archive = shutil.make_archive(str(tmp_path / "all"), "zip", data.root)
    manifest = data.manifest
    report = ingest(manifest, type(data.root)(archive), lab)
    assert (report.opinions, report.rejected) == (1, {})
    gone = manifest.model_copy(
        update={"opinions": manifest.opinions.model_copy(update={"file": "other.csv"})}
    )
    report = ingest(gone, type(data.root)(archive), lab)
    assert report.rejected == {"opinions_unreadable": 1, "unmatched_file": 1}


def test_the_manifest_of_mefdb_takes_all_of_them(shared, tmp_path):
    folder = shared / "data" / "mef" / "mefdb"
    text = yaml.safe_load(
        (shared.__class__(__file__).parents[2] / "benchmarks/manifests/mefdb.yaml").read_text()
    )
    from fusionlab.ingest import Manifest

    got = preview(Manifest.model_validate(text), folder)
    assert (got["opinions"], got["rejected"]) == (64, {})
    assert len(pd.read_csv(folder / "mos.csv")) == 64
