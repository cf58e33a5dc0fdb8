"""The learned way as a whole: contract, formulas, odd images, and damage that it finds."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from fusionlab.errors import ImageError, LabError, UnknownNameError, UsageError
from fusionlab.lab import Lab
from fusionlab.refine import KINDS, Damage, parts
from fusionlab.refine.examples import Example
from fusionlab.refine.keeping import Losses, Origin, keep, probes_path
from fusionlab.refine.learned import enhance_parts, load_repair, load_repairs, repair_by
from fusionlab.refine.measures import finer, limits_of
from fusionlab.refine.parts import take_apart
from fusionlab.refine.probes import Probes, boost
from fusionlab.refine.teaching import Settings, teach
from fusionlab.refine.ways import get_way

SIZE = (72, 88)
DAMAGED = np.s_[20:52, 30:62]


def scene(seed):
    """A label with a darker first source, and the same with less contrast as the second."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    waves = np.sin(x / rng.uniform(1, 1.6)) * np.cos(y / rng.uniform(1, 1.6))
    label = 120 + 40 * np.sin(x / 17 + seed) + 40 * waves
    return [plane.astype(np.float32) for plane in (label, 0.7 * label + 5, 0.5 * label + 60)]


@pytest.fixture(scope="module")
def trained():
    torch.set_num_threads(1)
    planes = [np.stack(scene(seed)) / np.float32(255) for seed in range(3)]
    scenes = [Example(f"ivf/toy/s{i}", p, "") for i, p in enumerate(planes)]
    settings = Settings(steps=150, batch=3, patch=16, every=150, rate=5e-3)
    net = teach(scenes, [], settings, torch.device("cpu"))
    sound = [take_apart(net, label, others) for label, *others in map(scene, range(3))]
    return net, limits_of(sound)


@pytest.fixture
def net():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Probes().requires_grad_(False)


ANY = dict.fromkeys(("detail", "target", "noise", "halo"), (0.1, 0.5))


def test_parts_are_what_the_networks_say(net):
    label, *sources = scene(0)
    found = take_apart(net, label, sources)
    given = torch.from_numpy(np.stack([label, *sources])[None] / np.float32(255))
    told = net.explain(given[:, :1])
    expected = {
        "rebuilt": net.assemble(told),
        "boosted": net.assemble(boost(told, given[:, 1:])),
    }
    for name, plane in expected.items():
        np.testing.assert_allclose(getattr(found, name), 255 * plane[0, 0].numpy(), atol=1e-2)
    np.testing.assert_allclose(found.told, 255 * told[0].numpy(), atol=1e-2)


def test_strips_give_the_pixels_of_the_whole_image(net, monkeypatch):
    label, *sources = scene(0)
    whole = take_apart(net, label, sources)
    monkeypatch.setattr(parts, "_AT_ONCE", SIZE[1] * 13)
    strips = take_apart(net, label, sources)
    for name in ("told", "rebuilt", "boosted"):
        np.testing.assert_allclose(getattr(strips, name), getattr(whole, name), atol=1e-2)


@pytest.mark.parametrize("task", ["ivf", "mff"])
def test_enhancing_is_its_formulas(net, task):
    label, *sources = scene(0)
    found = take_apart(net, label, sources)
    rng = np.random.default_rng(0)
    damage = Damage({kind: rng.random(SIZE) for kind in KINDS})
    change = found.boosted - found.rebuilt
    wide = change if task == "mff" else finer(change, 6)
    coarse = np.maximum(damage.maps["target"], damage.maps["clipping"])
    kinds = np.maximum(damage.maps["detail"], coarse) * finer(change, 2)
    kinds += coarse * (wide - finer(change, 2))
    kinds += damage.maps["noise"] * (found.rebuilt - label)
    by_hand = {
        "everywhere": found.boosted,
        "masked": label + damage.anywhere * change,
        "by_kind": label + kinds,
    }
    for enhancement, plane in by_hand.items():
        made = enhance_parts(label.astype(float), found, damage, task, enhancement)
        np.testing.assert_allclose(made, np.clip(plane, 0, 255), atol=1e-3)


@pytest.mark.parametrize("enhancement", ["masked", "by_kind"])
def test_a_label_without_damage_is_left_alone(net, enhancement):
    label, *sources = scene(0)
    never = dict.fromkeys(ANY, (2.0, 3.0))
    repaired = repair_by(net, never, label.astype(float), sources, "ivf", enhancement)
    assert not repaired.damage.anywhere.any()
    assert np.array_equal(repaired.plane, label.astype(float))


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (3, 3), (5, 40), (31, 33)])
@pytest.mark.parametrize("levels", [(0, 0), (0, 255), (255, 255), (40, 40)])
def test_tiny_flat_and_black_images_come_back_as_planes_in_range(net, size, levels):
    label, first, second = (np.full(size, float(v)) for v in (levels[0], *levels))
    repaired = repair_by(net, ANY, label, [first, second], "ivf")
    assert repaired.plane.shape == size
    assert set(repaired.damage.maps) == set(KINDS)
    for plane in (repaired.plane / 255, *repaired.damage.maps.values()):
        assert plane.shape == size
        assert np.isfinite(plane).all()
        assert plane.min() >= 0
        assert plane.max() <= 1


def test_levels_between_the_whole_ones_are_kept_as_16_bit_images_have_them(net):
    label, *sources = (plane.astype(float) + 1 / 257 for plane in scene(0))
    never = dict.fromkeys(ANY, (2.0, 3.0))
    assert np.array_equal(repair_by(net, never, label, sources, "mef").plane, label)


def test_a_third_shot_is_not_taken_for_a_halo(net):
    label, *sources = scene(0)
    both = repair_by(net, dict.fromkeys(ANY, (0.0, 0.01)), label, sources, "mef")
    third = repair_by(net, dict.fromkeys(ANY, (0.0, 0.01)), label, [*sources, label], "mef")
    assert both.damage.maps["halo"].any()
    assert not third.damage.maps["halo"].any()
    for kind in ("detail", "target", "noise"):
        assert np.array_equal(both.damage.maps[kind], third.damage.maps[kind])


def test_one_source_and_other_sizes_are_refused(net):
    label, *sources = (plane.astype(float) for plane in scene(0))
    with pytest.raises(ImageError, match=r"got 1 source"):
        repair_by(net, ANY, label, sources[:1], "ivf")
    with pytest.raises(ImageError, match=r"got size \(70, 88\)"):
        repair_by(net, ANY, label, [sources[0], sources[1][2:]], "ivf")


def test_planted_damage_is_found_where_it_is(trained):
    net, limits = trained
    label, *sources = scene(1)
    blurred, noisy = label.copy(), label.copy()
    blurred[DAMAGED] = label[DAMAGED].mean()
    noise = np.random.default_rng(0).normal(0, 60, noisy[DAMAGED].shape)
    noisy[DAMAGED] = np.clip(noisy[DAMAGED] + noise, 0, 255)
    inside = np.zeros(SIZE, bool)
    inside[26:46, 36:56] = True
    outside = np.ones(SIZE, bool)
    outside[8:64, 18:74] = False
    for plane, kind in ((blurred, "detail"), (noisy, "noise")):
        found = repair_by(net, limits, plane, sources, "ivf").damage.maps[kind]
        assert found[inside].mean() > 0.5, kind
        assert found[outside].mean() < 0.05, kind


def test_a_blurred_label_comes_nearer_to_what_it_was(trained):
    net, limits = trained
    label, *sources = scene(1)
    blurred = label.copy()
    blurred[DAMAGED] = label[DAMAGED].mean()
    made = repair_by(net, limits, blurred, sources, "ivf").plane
    assert np.mean((made - label) ** 2) < 0.9 * np.mean((blurred - label) ** 2)


@pytest.fixture
def lab(tmp_path, net):
    lab = Lab.create(tmp_path / "lab")
    for task in ("ivf", "mff"):
        origin = Origin(
            name="probes",
            task=task,
            labels="l",
            policy_digest="",
            scenes=1,
            held_out=(),
            examples_digest="",
            settings=Settings(),
            losses=Losses(probes=1, assembler=1, held_out=False),
            limits=ANY,
            software_version="0",
        )
        keep(probes_path(lab, "probes", task), net, origin)
    return lab


def test_what_was_kept_repairs_the_same_and_from_many_threads(lab, net):
    label, *sources = (plane.astype(float) for plane in scene(0))
    repair = load_repair(lab, "probes", "ivf")
    expected = repair_by(net, ANY, label, sources, "ivf")
    with ThreadPoolExecutor(3) as threads:
        for found in threads.map(lambda _: repair(label, sources, "ivf"), range(4)):
            assert np.array_equal(found.plane, expected.plane)
            assert found.damage.maps.keys() == expected.damage.maps.keys()


def test_a_label_of_another_task_is_refused(lab):
    label, *sources = (plane.astype(float) for plane in scene(0))
    with pytest.raises(UsageError, match="got a label of mff, expected one of ivf"):
        load_repair(lab, "probes", "ivf")(label, sources, "mff")
    repair, _ = load_repairs(lab, "probes", ["ivf"])
    with pytest.raises(UsageError, match="got a label of mff, loaded are those of ivf"):
        repair(label, sources, "mff")


def test_several_tasks_are_repaired_by_their_own_probes_and_have_one_version(lab):
    label, *sources = (plane.astype(float) for plane in scene(0))
    repair, version = load_repairs(lab, "probes", ["ivf", "mff"])
    for task in ("ivf", "mff"):
        alone = load_repair(lab, "probes", task)(label, sources, task)
        assert np.array_equal(repair(label, sources, task).plane, alone.plane)
    assert load_repairs(lab, "probes", ["ivf", "mff"])[1] == version
    assert load_repairs(lab, "probes", ["ivf"])[1] != version
    with pytest.raises(LabError, match="no such probes"):
        load_repairs(lab, "probes", ["mef"])


def test_ways_of_the_stage_name_their_probes_and_change_with_them(lab):
    label, *sources = (plane.astype(float) for plane in scene(0))
    way = get_way("probes:probes", lab, {"ivf", "mff"})
    alone = load_repair(lab, "probes", "ivf")(label, sources, "ivf")
    assert np.array_equal(way.repair(label, sources, "ivf").plane, alone.plane)
    assert way.label == f"probes:probes v{load_repairs(lab, 'probes', ['ivf', 'mff'])[1]}"
    assert get_way("probes", lab, {"ivf", "mff"}).label == way.label
    assert get_way("statistics", lab, {"ivf"}).label.startswith("statistics v")
    with pytest.raises(LabError, match="no such probes"):
        get_way("probes:other", lab, {"ivf"})
    with pytest.raises(UnknownNameError, match="unknown way to refine 'probe'"):
        get_way("probe", lab, {"ivf"})


def test_a_device_that_is_not_there_is_refused(lab):
    with pytest.raises(UsageError, match="device 'abacus'"):
        load_repair(lab, "probes", "ivf", "abacus")
