"""A model as a method: colour, depth, tasks, several sources, memory, and the same bytes again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import picture
from fusing_models import TINY, make_model, save_run

import fusionlab
from fusionlab import colour
from fusionlab.devices import choose_device
from fusionlab.errors import (
    ImageError,
    MethodError,
    ModelError,
    UnknownNameError,
    UsageError,
)
from fusionlab.flow.batch import TASK_IDS
from fusionlab.flow.model import FusionModel, ModelSettings
from fusionlab.images import encode_png
from fusionlab.inference import Fuser, memory
from fusionlab.inference.planes import UNKNOWN, to_image, to_plane
from fusionlab.inference.several import in_pairs
from fusionlab.tasks import TASKS, get_task

A, B = picture("a", (40, 53)), picture("b", (40, 53))
A3, B3 = picture("a3", (40, 53, 3)), picture("b3", (40, 53, 3))


@pytest.fixture
def fuser() -> Fuser:
    return Fuser(make_model(), "tiny")


def mean_fuser() -> Fuser:
    """A model as it starts: it fuses by the mean of the sources."""
    return Fuser(FusionModel(ModelSettings(network=TINY)), "mean")


def luminance_by_hand(fuser: Fuser, a: np.ndarray, b: np.ndarray, task: str) -> np.ndarray:
    planes = [torch.from_numpy((s / 127.5 - 1).astype(np.float32))[None, None] for s in (a, b)]
    with torch.inference_mode():
        fused = fuser.model.fuse(*planes, torch.tensor([TASK_IDS[task]]))
    return (fused[0, 0].numpy().astype(np.float64) + 1) * 127.5


def test_gray_is_the_luminance_of_the_model_rounded(fuser):
    fused = fuser.fuse([A, B], "mff")
    assert (fused.dtype, fused.shape) == (np.uint8, A.shape)
    expected = luminance_by_hand(fuser, A, B, "mff")
    assert np.array_equal(fused, colour.to_uint8(expected))
    assert fused.std() > 1


def test_the_task_steps_and_solver_count(fuser):
    plain = fuser.fuse([A, B], "ivf")
    for other in (
        fuser.fuse([A, B], "mif"),
        fuser.fuse([A, B]),
        fuser.fuse([A, B], "ivf", steps=1),
        fuser.fuse([A, B], "ivf", solver="rk4"),
        fuser.fuse([B, A], "ivf"),
    ):
        assert not np.array_equal(plain, other)
    assert np.array_equal(plain, fuser.fuse([A, B], "ivf", steps=4, solver="euler"))


@pytest.mark.parametrize("task", ["", *TASKS])
@pytest.mark.parametrize("pair", [(A, B3), (A3, B), (A3, B3), (A, B)], ids=["b", "a", "both", "0"])
def test_the_chroma_is_that_of_the_tasks_rule(task, pair):
    fused = mean_fuser().fuse(pair, task)
    y = sum(colour.luminance(source) for source in pair) / 2
    expected = colour.compose(y, colour.merge_chroma(get_task(task) if task else UNKNOWN, pair))
    assert fused.shape == expected.shape
    assert np.abs(fused.astype(int) - expected).max() <= 1  # float32 decides ties


def test_without_a_task_the_only_source_with_hues_gives_them():
    for pair in ((A, B3), (B3, A)):
        planes = colour.merge_chroma(UNKNOWN, pair)
        assert np.allclose(planes, colour.chroma(B3))


def test_the_bands_of_large_images_cannot_be_seen(monkeypatch):
    half = B3.copy()
    half[:20] = half[:20, :, :1]  # gray above, so that some bands have no hue
    whole = mean_fuser().fuse([A, half], "ivf")
    monkeypatch.setattr("fusionlab.inference.planes._BAND", 3 * A.shape[1])
    banded = mean_fuser().fuse([A, half], "ivf")
    assert np.abs(banded.astype(int) - whole).max() <= 1  # half a level is rounded either way
    assert np.array_equal(banded[20:], whole[20:])


def test_16_bit_stays_16_bit_and_mixes_with_8():
    deep_a, deep_b = picture("da", (9, 11), np.uint16), picture("db", (9, 11), np.uint16)
    fused = mean_fuser().fuse([deep_a, deep_b])
    assert fused.dtype == np.uint16
    assert np.abs(fused - (deep_a.astype(float) + deep_b) / 2).max() <= 1
    mixed = mean_fuser().fuse([deep_a, picture("c", (9, 11, 3))], "ivf")
    assert (mixed.dtype, mixed.shape) == (np.uint16, (9, 11, 3))


def test_planes_and_images_are_inverse():
    for image in (A, picture("d", (7, 5), np.uint16)):
        assert np.array_equal(to_image(to_plane(image), UNKNOWN, [image, image]), image)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3), (17, 31)])
def test_small_and_odd_sizes(fuser, shape):
    fused = fuser.fuse([picture("s", shape), picture("t", (*shape, 3))], "ivf")
    assert fused.shape[:2] == shape


def test_a_tile_changes_no_more_than_ties(fuser):
    a, b = picture("big", (60, 250)), picture("big2", (60, 250))
    whole = fuser.fuse([a, b], "mff").astype(int)
    tiled = fuser.fuse([a, b], "mff", tile=memory.smallest(fuser.model.reach, fuser.model.stride))
    assert np.abs(tiled - whole).max() <= 1
    assert (tiled != whole).mean() < 1e-3


def test_noise_depends_on_the_images_alone():
    noisy = Fuser(make_model(objective="noise-flow", steps=2), "noise")
    first = noisy.fuse([A, B], "ivf")
    torch.manual_seed(5)
    assert np.array_equal(noisy.fuse([A, B], "ivf"), first)
    changed = A.copy()
    changed[0, 0] ^= 1
    assert (noisy.fuse([changed, B], "ivf")[20:] != first[20:]).mean() > 0.1


def test_more_than_two_sources_are_fused_in_a_balanced_tree(fuser):
    seen = []
    assert in_pairs("abcde", lambda a, b: seen.append(a + b) or a + b) == "abcde"
    assert seen == ["ab", "cd", "abcd", "abcde"]
    assert in_pairs("ab", lambda a, b: f"({a}{b})") == "(ab)"
    shots = [np.full((8, 8), level, np.uint8) for level in (200, 20, 90, 130)]
    mean = mean_fuser()
    assert np.array_equal(mean.fuse(shots, "mff"), np.full((8, 8), 110))
    assert np.array_equal(mean.fuse(shots[:3], "mff"), np.full((8, 8), 100))  # (110 + 90) / 2
    dark_first = np.full((8, 8), 128)  # ((20 + 90) / 2 + 200) / 2, to even
    assert np.abs(mean.fuse(shots[:3], "mef") - dark_first).max() <= 1
    ordered = [fuser.fuse([shots[i] for i in order], "mef") for order in ((0, 1, 2), (2, 0, 1))]
    assert np.array_equal(*ordered)
    three = [np.full((8, 8, 3), (30, 60, level), np.uint8) for level in (1, 99, 180)]
    assert mean.fuse(three, "mef").shape == (8, 8, 3)


def test_a_pair_of_exposures_keeps_its_order(fuser):
    dark, bright = A // 3, 160 + B // 3
    assert not np.array_equal(fuser.fuse([dark, bright], "mef"), fuser.fuse([bright, dark], "mef"))


@pytest.mark.parametrize(
    ("sources", "reason", "says"),
    [
        ([A], "sources", "two or more"),
        ([A, B[:-1]], "source_sizes_differ", "39x53"),
        ([A, B.astype(np.float32)], "dtype", "uint8 or uint16"),
        ([A, np.zeros((40, 53, 4), np.uint8)], "shape", "alpha"),
        ([A[:0], B[:0]], "empty", "at least one pixel"),
    ],
)
def test_sources_that_cannot_be_fused(fuser, sources, reason, says):
    with pytest.raises(ImageError, match=says) as error:
        fuser.fuse(sources, "ivf")
    assert error.value.reason == reason


def test_wrong_wishes_say_what_is_right(fuser):
    with pytest.raises(UnknownNameError, match="ivf"):
        fuser.fuse([A, B], "ivff")
    with pytest.raises(UsageError, match="expected 1 or more"):
        fuser.fuse([A, B], steps=0)
    with pytest.raises(UnknownNameError, match=r"Did you mean 'euler'"):
        fuser.fuse([A, B], solver="eular")
    with pytest.raises(UsageError, match="expected at least"):
        fuser.fuse([A, B], tile=8)


def test_a_model_that_gives_no_numbers_is_an_error():
    model = make_model()
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    with pytest.raises(MethodError, match="not finite") as error:
        Fuser(model, "broken").fuse([A, B])
    assert error.value.reason == "method_failed"


class Exhausted:
    """A model whose device has memory for tiles of so many pixels."""

    def __init__(self, model: FusionModel, pixels: int, error: Exception) -> None:
        self.model, self.pixels, self.error, self.sizes = model, pixels, error, []
        self.forward = model.forward
        model.forward = self

    def __call__(self, x, *rest):
        self.sizes.append(tuple(x.shape[2:]))
        if x.shape[2] * x.shape[3] > self.pixels:
            raise self.error
        return self.forward(x, *rest)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("MPS backend out of memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["cuda", "cpu", "mps", "numpy"])
def test_where_memory_runs_out_tiles_are_halved(error):
    a, b = picture("m", (90, 220)), picture("n", (90, 220))
    whole = Fuser(make_model(), "tiny").fuse([a, b], "mff", steps=1)
    model = make_model()
    short = Exhausted(model, 90 * 112, error)
    fused = Fuser(model, "tiny").fuse([a, b], "mff", steps=1)
    assert (90, 220) in short.sizes
    assert short.sizes[-1] == (90, 108)
    assert np.abs(fused.astype(int) - whole).max() <= 1


def test_where_memory_is_too_small_for_any_tile_the_error_says_what_to_do():
    model = make_model()
    Exhausted(model, 64 * 64, MemoryError())
    with pytest.raises(MethodError, match=r"200x90 pixels .* fuse on --device cpu") as error:
        Fuser(model, "tiny").fuse([picture("m", (200, 90)), picture("n", (200, 90))])
    assert error.value.reason == "out_of_memory"


def test_other_errors_of_torch_are_not_taken_for_a_lack_of_memory():
    model = make_model()
    Exhausted(model, 0, RuntimeError("an illegal instruction"))
    with pytest.raises(RuntimeError, match="illegal instruction"):
        Fuser(model, "tiny").fuse([A, B])


def test_the_tile_goes_by_the_memory_of_the_machine(monkeypatch):
    model, sides = make_model(), []
    need = memory.bytes_per_pixel(model)
    for pixels in (4096**2, 2048**2, 1500**2, 600**2, 10):
        monkeypatch.setattr(memory, "_memory", lambda _, p=pixels: 4 * p * need)
        sides.append(memory.choose_tile(model, torch.device("cpu")))
    assert sides == [2048, 2048, 1024, 512, 128]
    assert memory.choose_tile(model, torch.device("cpu"), 301) == 304


def test_a_run_is_loaded_by_folder_or_file(tmp_path):
    folder = save_run(tmp_path / "first")
    loaded = Fuser.load(folder, "cpu")
    (folder / "checkpoints").mkdir()
    copy = folder / "checkpoints" / "best.safetensors"
    copy.write_bytes((folder / "model.safetensors").read_bytes())
    best = Fuser.load(str(copy), "cpu")
    assert (loaded.name, best.name) == ("first", "best")
    assert loaded.digest == best.digest
    assert loaded.task == ""
    expected = Fuser(make_model(), "tiny").fuse([A, B], "ivf")
    assert np.array_equal(loaded.fuse([A, B], "ivf"), expected)


def test_a_model_of_one_task_takes_that_task(tmp_path):
    loaded = Fuser.load(save_run(tmp_path / "one", tasks=("ivf",)), "cpu")
    assert np.array_equal(loaded.fuse([A, B3]), loaded.fuse([A, B3], "ivf"))
    assert not np.array_equal(loaded.fuse([A, B3]), loaded.fuse([A, B3], "mif"))


def test_no_run_no_device(tmp_path):
    with pytest.raises(ModelError, match=r"model\.safetensors: there is no such model"):
        Fuser.load(tmp_path / "none", "cpu")
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="truncated"):
        Fuser.load(tmp_path, "cpu")
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(UsageError, match="device"):
        choose_device("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said():
    with pytest.raises(UsageError, match="no CUDA GPU"):
        choose_device("cuda")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is a GPU")
def test_a_missing_apple_gpu_is_said():
    with pytest.raises(UsageError, match="no Apple GPU"):
        choose_device("mps")


def test_fuse_in_one_call_takes_arrays_and_files(tmp_path):
    run = save_run(tmp_path / "first")
    (tmp_path / "b.png").write_bytes(encode_png(B))
    expected = Fuser.load(run, "cpu").fuse([A, B], "ivf", steps=2)
    fused = fusionlab.fuse(A, tmp_path / "b.png", run, task="ivf", steps=2, device="cpu")
    assert np.array_equal(fused, expected)
    assert np.array_equal(
        fusionlab.fuse(A, str(tmp_path / "b.png"), Fuser.load(run, "cpu"), task="ivf", steps=2),
        expected,
    )
    with pytest.raises(ImageError, match="cannot be read"):
        fusionlab.fuse(A, tmp_path / "c.png", run, device="cpu")


def test_a_run_that_was_trained_anew_is_read_anew(tmp_path):
    run = save_run(tmp_path / "first")
    before = fusionlab.fuse(A, B, run, device="cpu")
    save_run(tmp_path / "first", make_model(seed=1))
    assert not np.array_equal(fusionlab.fuse(A, B, run, device="cpu"), before)


@pytest.mark.gpu
def test_the_gpu_gives_what_the_cpu_gives():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    on_cpu = Fuser(make_model(), "tiny").fuse([A, B], "mff")
    on_gpu = Fuser(make_model(), "tiny", device="cuda").fuse([A, B], "mff")
    assert np.abs(on_cpu.astype(int) - on_gpu).max() <= 1
