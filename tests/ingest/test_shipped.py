"""The shipped manifests of public benchmarks, on each usual layout in miniature."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from layouts import LAYOUTS, NAMES
from typer.testing import CliRunner

from fusionlab.cli import app
from fusionlab.errors import ConfigError, UnknownNameError, UsageError
from fusionlab.ingest import find_manifest, ingest, listed_manifests, shipped_manifests
from fusionlab.ingest.find import find
from fusionlab.ingest.tree import FileTree
from fusionlab.lab import Lab
from fusionlab.tasks import TASKS


def kind(found):
    return {"method": f"method:{found.name}", "reference": "truth"}.get(found.role, found.name)


@pytest.mark.parametrize("layout", LAYOUTS, ids=NAMES)
def test_every_file_of_a_usual_layout_is_taken_for_what_it_is(layout, tmp_path):
    manifest, root = find_manifest(layout.manifest, layout.write(tmp_path))
    with FileTree(root, manifest.enters) as tree:
        findings = find(manifest, tree)
    taken = {f.file: (s.scene, kind(f)) for s in findings.scenes for f in s.files}
    assert taken == layout.files
    assert {r.found.file if r.found else r.file for r in findings.rejects} == set(layout.left_over)
    assert manifest.task == layout.task


@pytest.mark.parametrize("name", ["mfi_whu", "vifb", "lytro", "harvard_pet_mri", "sice"])
def test_the_pixels_of_a_usual_layout_come_in(name, tmp_path):
    layout = next(layout for layout in LAYOUTS if layout.manifest == name)
    report = ingest(*find_manifest(name, layout.write(tmp_path)), Lab.create(tmp_path / "lab"))
    assert report.added == len(layout.files)
    assert sum(report.rejected.values()) == len(layout.left_over)


def test_each_benchmark_has_a_layout_and_says_where_it_was_seen():
    shipped = shipped_manifests()
    assert set(shipped) == {layout.manifest for layout in LAYOUTS}
    assert {one.manifest.task for one in shipped.values()} == set(TASKS)
    for name, one in shipped.items():
        text = one.path.read_text(encoding="utf-8")
        assert one.manifest.dataset == name
        assert "\nroot:" not in text
        assert "# Seen: https://" in text
        assert one.title.endswith(".")
        assert one.layout
        assert all("ROOT" in line or line.startswith("   ") for line in one.layout[:1])


def test_a_shipped_name_wants_a_root_and_a_wrong_one_the_nearest(tmp_path):
    with pytest.raises(
        UsageError, match=r"--root FOLDER, or msrs=FOLDER. It expects ROOT/train/ir/"
    ):
        find_manifest("msrs")
    with pytest.raises(UnknownNameError, match="Did you mean 'msrs'"):
        find_manifest("mrsr", tmp_path)
    with pytest.raises(ConfigError, match=r"root .*nowhere"):
        find_manifest("msrs", tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="cannot be read"):
        find_manifest(str(tmp_path / "none.yaml"))


def test_a_folder_of_a_shipped_name_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layout = next(layout for layout in LAYOUTS if layout.manifest == "vifb")
    layout.write(tmp_path).rename(tmp_path / "vifb")
    manifest, root = find_manifest("vifb", Path("vifb"))
    assert (manifest.dataset, root) == ("vifb", Path("vifb"))


def test_a_folder_stands_for_the_manifests_in_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine/b.yaml", "mine/a.yml", "mine/notes.txt", "msrs/c.yaml"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    found = listed_manifests(["mine", "msrs", "lytro=x", "other.yaml"])
    assert found == ["mine/a.yml", "mine/b.yaml", "msrs", "lytro=x", "other.yaml"]
    Path("empty").mkdir()
    with pytest.raises(UsageError, match="empty: is a folder without manifests"):
        listed_manifests(["empty"])


def test_list_and_dry_run_by_name(tmp_path):
    listed = CliRunner().invoke(app, ["ingest", "--list"])
    assert listed.exit_code == 0
    for name, one in shipped_manifests().items():
        assert f"{name} ({one.manifest.task}): " in listed.output
    as_json = json.loads(CliRunner().invoke(app, ["ingest", "--list", "--json"]).output)
    assert [row["dataset"] for row in as_json] == sorted(shipped_manifests())
    root = next(layout for layout in LAYOUTS if layout.manifest == "msrs").write(tmp_path)
    got = CliRunner().invoke(app, ["ingest", "msrs", "--root", str(root), "--dry-run", "--json"])
    report = json.loads(got.output)
    assert (report["scenes"], report["files"], report["rejected"]) == (4, 8, {})
    none = CliRunner().invoke(app, ["ingest"])
    assert none.exit_code == 2
    assert "--list" in none.output


def test_shipped_manifests_are_files_of_the_package():
    code = "from fusionlab.ingest import shipped_manifests as s; print(s()['tno'].path)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).parent.name == "manifests"
