"""What is guessed of the collection of real data, against what its manifests and folders say."""

from pathlib import Path

import pytest

from fusionlab.guessing import SURE, guess_manifest, write_guess
from fusionlab.ingest import load_manifest
from fusionlab.ingest.find import find
from fusionlab.ingest.tree import FileTree

MANIFESTS = Path(__file__).parents[2] / "benchmarks" / "manifests"
TRAINING = {"ivf": "vis", "mef": "over", "mff": "B"}

#: Files that a guess takes for something else than the manifest does.
DIFFERENT = {"mefdb": {"sources/mid/House_2.png"}}  # a fourth shot, beside the third


def roles(manifest, root):
    """Return path -> (scene, role), methods by name, sources by a, b and further."""
    with FileTree(root, manifest.enters) as tree:
        findings = find(manifest, tree)
    return {
        f.file: (s.scene, f.name if f.role == "method" else f"{f.role} {min(f.position, 2)}")
        for s in findings.scenes
        for f in s.files
    }


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(MANIFESTS.glob("*.yaml")), ids=lambda p: p.stem)
def test_data_sets_with_methods(path, shared, tmp_path):
    root = next((shared / "data").glob(f"*/{path.stem}"))
    manifest, _ = load_manifest(path, root)
    guess = guess_manifest(root)
    assert guess.content["task"] == manifest.task
    write_guess(guess, tmp_path / "written.yaml")
    assert load_manifest(tmp_path / "written.yaml")[0].ignore == guess.manifest.ignore
    wanted, got = roles(manifest, root), roles(guess.manifest, root)
    different = {file for file in {*wanted, *got} if wanted.get(file) != got.get(file)}
    assert different == DIFFERENT.get(path.stem, set())


@pytest.mark.slow
def test_data_sets_of_sources_only(shared):
    folders = sorted(path for path in (shared / "train").glob("*/*") if path.is_dir())
    guesses = {folder: guess_manifest(folder) for folder in folders}
    for folder, guess in guesses.items():
        task, tried = folder.parent.name, guess.tried
        assert guess.content["task"] == task, folder
        images = sum(1 for path in folder.rglob("*") if path.is_file())
        assert (tried.files, tried.rejected, tried.methods) == (images, {}, {}), folder
        assert (tried.truths > 0) == (folder / "reference").is_dir(), folder
        if task in TRAINING:
            second = list(guess.content["sources"].values())[1]
            assert f"{TRAINING[task]}/{{scene}}.*" in second, folder
    named = [guess for folder, guess in guesses.items() if folder.parent.name in ("ivf", "mef")]
    assert all(guess.sureness == SURE for guess in named)
