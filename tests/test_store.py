import json
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import fusionlab
from fusionlab.errors import LabError
from fusionlab.store import Address, ImageStore, bucket_name, is_safe_name


def picture(seed, shape=(6, 8), dtype=np.uint8):
    rng = np.random.default_rng(list(repr(seed).encode()))
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


FOLDER = "ivf/tiny/6x8x1-uint8"


@pytest.fixture
def store(tmp_path):
    return ImageStore(tmp_path / "images.zarr")


def filled(store, scenes=("s1", "s2"), shape=(6, 8), dtype=np.uint8, array="source/ir"):
    folder = f"ivf/tiny/{bucket_name(picture(0, shape, dtype))}"
    store.grow(folder, list(scenes), [array], shape, np.dtype(dtype).name)
    for row, scene in enumerate(scenes):
        store.write(Address(folder, array, row), picture(scene, shape, dtype))
    store.flush()
    return folder


def test_a_folder_without_a_description_is_no_array_yet(store):
    (store.path / FOLDER / "source/ir").mkdir(parents=True)  # as a kill may leave it
    assert filled(store) == FOLDER
    stored = ImageStore(store.path).read(Address(FOLDER, "source/ir", 1))
    np.testing.assert_array_equal(stored, picture("s2"))


@pytest.mark.parametrize(
    ("shape", "dtype", "name"),
    [
        ((460, 630), np.uint8, "460x630x1-uint8"),
        ((460, 630, 3), np.uint8, "460x630x3-uint8"),
        ((1, 2), np.uint16, "1x2x1-uint16"),
    ],
)
def test_a_bucket_is_named_by_what_its_images_have_in_common(shape, dtype, name):
    assert bucket_name(np.zeros(shape, dtype)) == name


def test_an_address_follows_from_a_row_of_the_index():
    entry = {"task": "ivf", "dataset": "d", "bucket": "b", "role": "method", "name": "M", "row": 3}
    assert Address.of(entry) == Address("ivf/d/b", "method/M", 3)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden",
        "__x",
        "a/b",
        "a\\b",
        "a:b",
        " a",
        "a ",
        "zarr.json",
        "a\nb",
        "\x00",
        "a\x7f",
        "\ud800",
        "x" * 151,
        "ä" * 76,
    ],
)
def test_unsafe_names(name):
    assert not is_safe_name(name)


@pytest.mark.parametrize(
    "name", ["GFF", "MFF-GAN", "DCT_EOL", "v1.0", "Ma fail", "方法", "c", "scene", "x" * 150]
)
def test_safe_names(name):
    assert is_safe_name(name)


@given(st.text(max_size=12) | st.text(alphabet="./\\c_a:~", max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_safe_name_stays_in_its_folder_and_comes_back(name):
    if not is_safe_name(name):
        return
    with tempfile.TemporaryDirectory() as folder:
        store = ImageStore(Path(folder) / "a" / "images.zarr")
        array = f"method/{name}"
        store.grow("ivf/d/b", ["s"], [array], (2, 2), "uint8")
        store.write(Address("ivf/d/b", array, 0), picture(name, (2, 2)))
        got = ImageStore(store.path).read(Address("ivf/d/b", array, 0))
        np.testing.assert_array_equal(got, picture(name, (2, 2)))
        inside = store.path / "ivf" / "d" / "b" / "method" / name
        written = [p for p in Path(folder).rglob("*") if p.is_file() and p.name != "zarr.json"]
        assert written
        assert all(p.is_relative_to(inside) or "scene" in p.parts for p in written)


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 3), (1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_written_is_read_also_after_growing(store, shape, dtype):
    folder = filled(store, shape=shape, dtype=dtype)
    store.grow(folder, ["s1", "s2", "s3"], ["method/M"], shape, np.dtype(dtype).name)
    store.write(Address(folder, "method/M", 2), picture("new", shape, dtype))
    for row, scene in enumerate(["s1", "s2"]):
        got = store.read(Address(folder, "source/ir", row))
        np.testing.assert_array_equal(got, picture(scene, shape, dtype))
        assert got.dtype == dtype
    got = ImageStore(store.path).read(Address(folder, "method/M", 2))
    np.testing.assert_array_equal(got, picture("new", shape, dtype))
    assert store.scenes(folder) == ["s1", "s2", "s3"]


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 3)])
def test_a_chunk_is_one_image_so_that_writers_never_share_one(store, shape):
    folder = filled(store, shape=shape)
    array = zarr.open_array(store.path / folder / "source" / "ir", mode="r")
    assert array.chunks == (1, *shape)
    assert array.shards is None

    def chunks():
        root = store.path / folder / "source" / "ir"
        return {p.name: p.read_bytes() for p in root.iterdir() if p.name != "zarr.json"}

    before = chunks()
    store.write(Address(folder, "source/ir", 1), picture("other", shape))
    after = chunks()
    changed = [key for key in after if before.get(key) != after[key]]
    assert len(before) == len(after) == 2
    assert len(changed) == 1


def test_an_image_of_another_shape_is_refused(store):
    folder = filled(store)
    with pytest.raises(LabError, match="belongs in 6x9x1-uint8"):
        store.write(Address(folder, "source/ir", 0), picture(0, (6, 9)))
    with pytest.raises(LabError, match="belongs in 6x8x3-uint8"):
        store.write(Address(folder, "source/ir", 0), picture(0, (6, 8, 3)))
    np.testing.assert_array_equal(store.read(Address(folder, "source/ir", 0)), picture("s1"))


def test_an_image_of_another_depth_is_refused_not_cut(store):
    folder = filled(store)
    with pytest.raises(LabError, match="belongs in 6x8x1-uint16"):
        store.write(Address(folder, "source/ir", 0), picture(0, dtype=np.uint16))
    np.testing.assert_array_equal(store.read(Address(folder, "source/ir", 0)), picture("s1"))


def test_rows_can_be_appended_but_not_renamed_or_removed(store):
    folder = filled(store)
    for scenes in (["s1"], ["s2", "s1"], ["s1", "x", "s3"]):
        with pytest.raises(LabError, match="only ever appended"):
            store.grow(folder, scenes, [], (6, 8), "uint8")
    np.testing.assert_array_equal(store.read(Address(folder, "source/ir", 1)), picture("s2"))


@pytest.mark.parametrize(
    "address",
    [
        Address(FOLDER, "source/none", 0),
        Address("ivf/none/6x8x1-uint8", "source/ir", 0),
        Address(FOLDER, "source/ir", 2),
        Address(FOLDER, "source", 0),
    ],
)
def test_what_is_not_there_is_a_lab_error_with_a_remedy(store, address):
    filled(store)
    with pytest.raises(LabError, match="ingest it again"):
        store.read(address)


@pytest.mark.parametrize("damage", [b"", b"\x02\x01", b"no blosc at all " * 4])
def test_a_damaged_chunk_is_a_lab_error(store, damage):
    folder = filled(store)
    (store.path / folder / "source/ir/c.0.0.0").write_bytes(damage)
    with pytest.raises(LabError, match=r"source/ir\[0\]: cannot be read"):
        store.read(Address(folder, "source/ir", 0))
    np.testing.assert_array_equal(store.read(Address(folder, "source/ir", 1)), picture("s2"))


def test_no_store_and_no_bucket_have_no_scenes(store):
    assert store.scenes(FOLDER) == []
    filled(store)
    assert store.scenes("mff/none/1x1x1-uint8") == []


def test_a_kill_before_rows_are_named_is_repaired(store):
    folder = filled(store)
    zarr.open_array(store.path / folder / "source" / "ir", mode="r+").resize((5, 6, 8))
    zarr.open_array(store.path / folder / "scene", mode="r+").resize((4,))
    assert store.scenes(folder) == ["s1", "s2"]
    store.forget()
    assert store.scenes(folder) == ["s1", "s2"]
    store.grow(folder, ["s1", "s2", "s3"], ["source/ir"], (6, 8), "uint8")
    store.flush()
    assert ImageStore(store.path).scenes(folder) == ["s1", "s2", "s3"]
    assert zarr.open_array(store.path / folder / "source" / "ir", mode="r").shape == (3, 6, 8)
    np.testing.assert_array_equal(store.read(Address(folder, "source/ir", 1)), picture("s2"))


def test_a_kill_between_two_chunks_of_names_is_repaired(store):
    scenes = [f"scene {i}" for i in range(4100)]
    store.grow(FOLDER, scenes, [], (1, 1), "uint8")
    store.flush()
    (store.path / FOLDER / "scene" / "c.0").unlink()
    again = ImageStore(store.path)
    assert again.scenes(FOLDER) == []
    again.grow(FOLDER, scenes, [], (1, 1), "uint8")
    again.flush()
    assert ImageStore(store.path).scenes(FOLDER) == scenes


def test_names_over_several_chunks_grow_by_one(store):
    scenes = [f"scene {i}" for i in range(9000)]
    for many in (4095, 4096, 4097, 8192, 8999, 9000):
        store.grow(FOLDER, scenes[:many], [], (1, 1), "uint8")
        store.flush()
        assert ImageStore(store.path).scenes(FOLDER) == scenes[:many]
        names = zarr.open_array(store.path / FOLDER / "scene", mode="r")
        assert list(names[:]) == scenes[:many]


def test_a_reader_sees_what_another_process_has_added_since(store):
    folder = filled(store)
    store.read(Address(folder, "source/ir", 0))  # this process keeps the array of two rows open
    metadata = store.path / folder / "source/ir/zarr.json"
    content = json.loads(metadata.read_text())
    content["shape"][0] = 3
    metadata.write_text(json.dumps(content))
    chunk = store.path / folder / "source/ir/c.1.0.0"
    shutil.copy(chunk, chunk.with_name("c.2.0.0"))
    np.testing.assert_array_equal(store.read(Address(folder, "source/ir", 2)), picture("s2"))


@pytest.mark.parametrize(("shape", "dims"), [((6, 8), "yx"), ((6, 8, 3), "yxc")])
def test_xarray_opens_a_bucket_and_finds_a_scene_by_name(store, shape, dims):
    xarray = pytest.importorskip("xarray")
    folder = filled(store, shape=shape)
    with xarray.open_datatree(
        store.path, engine="zarr", group=folder, consolidated=False
    ) as bucket:
        image = bucket["source"]["ir"].assign_coords(scene=bucket["scene"]).sel(scene="s2")
        assert image.dims == ("y", "x", "channel")[: len(dims)]
        np.testing.assert_array_equal(image.values, picture("s2", shape))


@pytest.mark.parametrize("shape", [(6, 8), (5, 7, 3), (1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_plain_zarr_reads_what_is_written_here(store, shape, dtype):
    folder = filled(store, ("s1", "s2", "ä 3"), shape, dtype)
    array = zarr.open_array(store.path / folder / "source/ir", mode="r")
    assert (array.dtype, array.shape) == (dtype, (3, *shape))
    for row, scene in enumerate(("s1", "s2", "ä 3")):
        np.testing.assert_array_equal(array[row], picture(scene, shape, dtype))
    assert list(zarr.open_array(store.path / folder / "scene", mode="r")[:]) == ["s1", "s2", "ä 3"]
    members = dict(zarr.open_group(store.path, mode="r").members(max_depth=None))
    assert {f"{folder}/scene", f"{folder}/source/ir", folder} <= set(members)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_arrays_of_format_1_are_read_and_added_to(store, dtype):
    """They were made by the zarr package: folders for chunks, bit shuffle, no chunk for black."""
    folder, name = f"ivf/tiny/6x8x1-{np.dtype(dtype)}", np.dtype(dtype).name
    group = zarr.open_group(store.path, mode="a", zarr_format=3).require_group(folder)
    old = group.create_array(
        "source/ir",
        shape=(2, 6, 8),
        chunks=(1, 6, 8),
        dtype=name,
        fill_value=0,
        compressors=zarr.codecs.BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),
        dimension_names=("scene", "y", "x"),
    )
    names = group.create_array("scene", shape=(2,), chunks=(4096,), dtype=str)
    names[:] = np.array(["s1", "s2"], dtype=object)
    old[0] = picture("s1", dtype=dtype)
    np.testing.assert_array_equal(
        store.read(Address(folder, "source/ir", 0)), picture("s1", dtype=dtype)
    )
    assert not store.read(Address(folder, "source/ir", 1)).any()
    assert store.scenes(folder) == ["s1", "s2"]
    store.grow(folder, ["s1", "s2", "s3"], ["source/ir", "method/M"], (6, 8), name)
    store.write(Address(folder, "source/ir", 2), picture("s3", dtype=dtype))
    store.write(Address(folder, "method/M", 2), picture("m3", dtype=dtype))
    store.flush()
    for array, seed in (("source/ir", "s3"), ("method/M", "m3")):
        plain = zarr.open_array(store.path / folder / array, mode="r")
        np.testing.assert_array_equal(plain[2], picture(seed, dtype=dtype))
    plain = zarr.open_array(store.path / folder / "source/ir", mode="r")
    np.testing.assert_array_equal(plain[0], picture("s1", dtype=dtype))
    assert list(zarr.open_array(store.path / folder / "scene", mode="r")[:]) == ["s1", "s2", "s3"]


@pytest.mark.parametrize(
    "change",
    [
        {"codecs": [{"name": "bytes"}]},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 3, 8]}}},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 6, 8]}}},
        {"shape": 3},
        {"node_type": "group", "shape": None},
    ],
)
def test_arrays_that_others_cut_otherwise_are_refused(store, change):
    folder = filled(store)
    metadata = store.path / folder / "source/ir/zarr.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), **change}))
    store.forget()
    with pytest.raises(LabError, match="cannot be read"):
        store.read(Address(folder, "source/ir", 0))


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)) | st.just((6, 8, 3)) | st.just((1, 6, 8)),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
)
@settings(max_examples=40, deadline=None)
def test_nothing_but_exactly_one_chunk_can_be_written(shape, dtype):
    with tempfile.TemporaryDirectory() as place:
        store = ImageStore(Path(place) / "images.zarr")
        folder = filled(store)
        array = store.path / folder / "source/ir"
        before = {path.name: path.read_bytes() for path in array.iterdir()}
        if (shape, dtype) == ((6, 8), "uint8"):
            return
        with pytest.raises(LabError, match="is not one chunk"):
            store.write(Address(folder, "source/ir", 0), np.ones(shape, dtype))
        assert {path.name: path.read_bytes() for path in array.iterdir()} == before


def test_no_module_writes_arrays_by_a_way_that_allows_parts_of_chunks():
    """Dask's and zarr's own writing would take any slice; the store's takes one image."""
    package = Path(fusionlab.__file__).parent
    for source in package.rglob("*.py"):
        text = source.read_text()
        assert "to_zarr" not in text, source
        assert not re.search(r"^\s*(import zarr|from zarr)", text, re.M), source


def test_many_threads_write_many_rows_at_once(store):
    scenes = [f"s{i}" for i in range(200)]
    store.grow(FOLDER, scenes, ["source/a", "method/M"], (6, 8), "uint8")
    addresses = [Address(FOLDER, a, r) for r in range(200) for a in ("source/a", "method/M")]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda a: store.write(a, picture(a)), addresses))
        store.flush()
        for address, got in zip(addresses, pool.map(store.read, addresses), strict=True):
            np.testing.assert_array_equal(got, picture(address))
    assert not list(store.path.parent.rglob(".partial-*"))


class StoreAgainstDict(RuleBasedStateMachine):
    """Random growing, writing and reading must agree with a dict."""

    @initialize()
    def start(self):
        self.folder = tempfile.mkdtemp()
        self.store = ImageStore(Path(self.folder) / "images.zarr")
        self.scenes: list[str] = []
        self.pixels: dict[Address, np.ndarray] = {}
        self.arrays: set[str] = set()

    @rule(new=st.integers(0, 3), name=st.sampled_from(["source/a", "source/b", "method/M.x"]))
    def grow(self, new, name):
        self.scenes += [f"scene {len(self.scenes) + i}" for i in range(new)]
        self.arrays.add(name)
        self.store.grow("t/d/b", self.scenes, [name], (2, 3), "uint8")

    @rule(data=st.data(), value=st.integers(0, 255))
    def write(self, data, value):
        if not (self.scenes and self.arrays):
            return
        row = data.draw(st.integers(0, len(self.scenes) - 1))
        address = Address("t/d/b", data.draw(st.sampled_from(sorted(self.arrays))), row)
        self.pixels[address] = np.full((2, 3), value, np.uint8)
        self.store.write(address, self.pixels[address])

    @rule()
    def reopen(self):
        self.store.flush()
        self.store = ImageStore(self.store.path)

    @invariant()
    def agrees(self):
        assert self.store.scenes("t/d/b") == self.scenes
        for address, pixels in self.pixels.items():
            np.testing.assert_array_equal(self.store.read(address), pixels)

    def teardown(self):
        shutil.rmtree(self.folder, ignore_errors=True)


TestStoreAgainstDict = StoreAgainstDict.TestCase
TestStoreAgainstDict.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
