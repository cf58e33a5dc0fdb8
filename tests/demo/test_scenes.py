import hashlib

import numpy as np
import pytest
import yaml
from PIL import Image

from fusionlab import baselines, colour
from fusionlab.demo import ivf, mef, mff, mif, parts, scenes
from fusionlab.demo.latent import true_luminance
from fusionlab.errors import FusionLabError
from fusionlab.tasks import TASKS

SCENES = scenes.make_scenes()
BY_NAME = {f"{s.task}/{s.name}": s for s in SCENES}
MAKERS = {"ivf": ivf, "mif": mif, "mef": mef, "mff": mff}
every_scene = pytest.mark.parametrize("scene", SCENES, ids=list(BY_NAME))


def error(image, scene):
    return np.abs(colour.luminance(image) - colour.luminance(scene.reference))


def mse(image, scene):
    return float(np.square(error(image, scene)).mean())


def digest(made):
    sha = hashlib.sha256()
    for scene in made:
        for image in (*scene.sources.values(), scene.reference):
            sha.update(image.tobytes())
    return sha.hexdigest()


def test_three_scenes_a_task_with_names_and_sizes_of_their_own():
    assert [s.task for s in SCENES] == [t for t in TASKS for _ in range(3)]
    assert len(BY_NAME) == len(SCENES)
    shapes = {s.reference.shape[:2] for s in SCENES}
    assert len(shapes) > 6
    assert any(h % 2 and w % 2 for h, w in shapes)


def test_the_same_pixels_at_every_call():
    assert digest(scenes.make_scenes()) == digest(SCENES)


@every_scene
def test_sources_and_truth_are_registered_images(scene):
    assert len(scene.sources) >= 2
    for image in (*scene.sources.values(), scene.reference):
        colour.check_image(image, scene.name)
        assert image.shape[:2] == scene.reference.shape[:2]


@every_scene
def test_sources_complement_each_other(scene):
    errors = np.stack([error(s, scene) for s in list(scene.sources.values())[:2]])
    assert (errors.mean(axis=(1, 2)) > 1).all()
    a_better, b_better = errors[0] < errors[1] - 2, errors[1] < errors[0] - 2
    assert min(a_better.mean(), b_better.mean()) > 0.01
    # The better source of every place is nearer to the truth than either source as a whole.
    assert np.square(errors.min(axis=0)).mean() < 0.6 * np.square(errors).mean(axis=(1, 2)).min()


@every_scene
def test_some_candidate_beats_the_mean_and_every_copied_source(scene):
    sources = list(scene.sources.values())
    fused = scenes.fuse_all(scene)
    best = min(mse(image, scene) for image in fused.values())
    assert best < 0.9 * mse(fused["mean"], scene)
    assert best < 0.9 * min(mse(s, scene) for s in sources)


def test_no_method_is_best_everywhere():
    best = set()
    for scene in SCENES:
        fused = scenes.fuse_all(scene)
        best.add(min(fused, key=lambda n: mse(fused[n], scene)))
    assert len(best) >= 4
    assert "mean" not in best


@pytest.mark.parametrize("name", ["garage", "cup", "tray"])
def test_multi_focus_truth_is_in_one_of_the_sources(name):
    scene = BY_NAME[f"mff/{name}"]
    near, far = (error(s, scene) for s in scene.sources.values())
    assert np.quantile(np.minimum(near, far), 0.9) < 3


def test_multi_exposure_shots_are_ordered_by_exposure():
    for name in ("portrait", "cat", "wall"):
        shots = BY_NAME[f"mef/{name}"].sources
        assert list(shots)[:2] == ["under", "over"]
        assert shots["under"].mean() < BY_NAME[f"mef/{name}"].reference.mean()
        assert shots["under"].mean() < shots["over"].mean()
    assert list(BY_NAME["mef/wall"].sources) == ["under", "over", "mid"]


def test_infrared_is_gray_and_sees_targets_that_the_visible_source_lost():
    for name in ("park", "drone"):
        scene = BY_NAME[f"ivf/{name}"]
        hot = scene.sources["ir"] > 150
        assert scene.sources["ir"].ndim == 2
        assert 0.005 < hot.mean() < 0.4
        assert scene.reference[hot].mean() > scene.sources["vis"][hot].mean() + 80


def test_medical_colour_comes_from_the_overlay():
    for scene in mif.scenes():
        assert list(scene.sources) == ["overlay", "anatomy"]
        assert scene.sources["anatomy"].ndim == 2
        assert colour.is_colour(scene.sources["overlay"]) == colour.is_colour(scene.reference)


def test_camera_curve_inverts_and_clips():
    values = np.linspace(0, 1, 256)
    np.testing.assert_allclose(mef.encode(mef.decode(values)), values, atol=1e-6)
    rng = np.random.default_rng(0)
    assert (mef.expose(np.full((3, 3), 7.0), rng) == 255).all()


def test_true_luminance_is_the_structure_where_nothing_is_active():
    structure = np.random.default_rng(0).uniform(0, 255, (40, 40))
    np.testing.assert_array_equal(true_luminance(structure, np.zeros((40, 40)), 200.0), structure)
    active = true_luminance(structure, np.ones((40, 40)), 200.0)
    assert abs(active.mean() - 200) < 2
    np.testing.assert_allclose(active - 200, structure - parts.blur(structure, 4.0))


def test_defocus_keeps_flat_images_and_the_mean():
    np.testing.assert_allclose(parts.defocus(np.full((9, 12), 7.0), 3.5), 7.0)
    point = np.zeros((21, 21))
    point[10, 10] = 1.0
    spot = parts.defocus(point, 4.0)
    np.testing.assert_allclose([spot.sum(), spot[10, 16]], [1, 0], atol=1e-12)
    np.testing.assert_allclose(spot, spot.T, atol=1e-12)


def test_a_photograph_that_is_not_there_says_what_to_do():
    with pytest.raises(FusionLabError, match="Install scikit-image"):
        parts.photo("nobody.png", (4, 4))


def test_write_demo_lays_out_folders_and_manifests(tmp_path):
    manifests = scenes.write_demo(tmp_path / "new")
    assert [m.name for m in manifests] == [f"{t}.yaml" for t in TASKS]
    for path in manifests:
        manifest = yaml.safe_load(path.read_text())
        task, root = manifest["task"], path.parent / manifest["root"]
        made = MAKERS[task].scenes()
        assert (manifest["dataset"], list(manifest["sources"])[:2]) == (
            "demo",
            list(made[0].sources)[:2],
        )
        expected = {f"reference/truth/{s.name}.png" for s in made}
        expected |= {f"sources/{m}/{s.name}.png" for s in made for m in s.sources}
        expected |= {f"methods/{n}/{s.name}.png" for s in made for n in scenes.methods_of(task)}
        assert {p.relative_to(root).as_posix() for p in root.rglob("*.png")} == expected


def test_written_files_hold_the_pixels(tmp_path):
    scenes.write_demo(tmp_path)
    for scene in SCENES:
        folder = tmp_path / scene.task
        for modality, source in scene.sources.items():
            with Image.open(folder / "sources" / modality / f"{scene.name}.png") as read:
                np.testing.assert_array_equal(np.asarray(read), source)
        fused = baselines.apply("max", scene.task, list(scene.sources.values()))
        with Image.open(folder / "methods" / "max" / f"{scene.name}.png") as read:
            np.testing.assert_array_equal(np.asarray(read), fused)
