import gzip
import io
import os
import struct
import sys
import tarfile
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from fuzz.seeds import nifti, tarred, zipped

from fusionlab.errors import ImageError
from fusionlab.images import decode
from fusionlab.ingest import ingest, load_manifest, members, preview
from fusionlab.ingest import tree as trees
from fusionlab.ingest.tree import FileTree
from fusionlab.lab import Lab

MEMBERS = {"b.png": b"bee" * 50, "deep/er/a b.png": b"ay", "é.png": b"", ".hidden": b"no"}
TARS = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}
PACKED = {".zip": zipped(MEMBERS), **{e: tarred(MEMBERS, mode) for e, mode in TARS.items()}}
ENDINGS = [*PACKED, ".ZIP", ".Tar.Gz"]


def packed(ending):
    return PACKED[ending.lower()]


def walked(root, enters=lambda _: True):
    """Return the files with their bytes, and {file: reason} of the rejects."""
    with FileTree(root, enters) as tree:
        files = {path: tree.read(path) for path in tree.walk()}
        assert all(tree.size(path) == len(data) for path, data in files.items())
    assert len({r.file for r in tree.rejects}) == len(tree.rejects)
    assert all(reject.detail for reject in tree.rejects)
    return files, {reject.file: reject.reason for reject in tree.rejects}


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def put(root, name, data):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_archive_is_walked_like_a_folder(tmp_path, ending):
    put(tmp_path, f"m/GTF{ending}", packed(ending))
    put(tmp_path, "m/x.png", b"plain")
    files, rejects = walked(tmp_path)
    within = {f"m/GTF{ending}/{n}": d for n, d in MEMBERS.items() if n != ".hidden"}
    assert files == {**within, "m/x.png": b"plain"}
    assert rejects == {}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_root_itself_may_be_an_archive(tmp_path, ending):
    files, rejects = walked(put(tmp_path, f"all{ending}", packed(ending)))
    assert files == {n: d for n, d in MEMBERS.items() if n != ".hidden"}
    assert rejects == {}


def test_an_archive_that_no_pattern_enters_is_a_file(tmp_path):
    put(tmp_path, "a.zip", b"no archive at all")
    files, rejects = walked(tmp_path, lambda _: False)
    assert (files, rejects) == ({"a.zip": b"no archive at all"}, {})


@pytest.mark.parametrize("ending", PACKED)
def test_many_threads_read_one_archive(tmp_path, ending):
    members = {f"{i}.bin": os.urandom(3000) + bytes(3000) for i in range(40)}
    data = zipped(members) if ending == ".zip" else tarred(members, TARS[ending])
    put(tmp_path, f"a{ending}", data)
    with FileTree(tmp_path) as tree, ThreadPoolExecutor(8) as pool:
        names = list(tree.walk()) * 5
        for name, got in zip(names, pool.map(tree.read, names), strict=True):
            assert got == members[name.partition("/")[2]]


def test_of_many_archives_few_are_open_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "MAX_OPEN", 3)
    for i in range(10):
        put(tmp_path, f"{i}.zip", zipped({"x": bytes([i])}))
    with FileTree(tmp_path) as tree:
        names = list(tree.walk())
        before = open_files()
        assert [tree.read(name) for name in names] == [bytes([i]) for i in range(10)]
        assert open_files() <= before
    assert open_files() == before - 3


def test_nothing_is_left_of_a_temporary_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    put(tmp_path, "in/a.tar.gz", PACKED[".tar.gz"])
    put(tmp_path, "in/v.nii", nifti(np.zeros((3, 4, 5), np.int16)))
    with FileTree(tmp_path / "in") as tree:
        assert len(list(tree.walk())) == 8
        assert list((tmp_path / "t").iterdir()) == []


def test_a_full_disk_says_where_and_what_to_do(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    class Spool(io.BytesIO):
        write = full

    monkeypatch.setattr(tempfile, "TemporaryFile", Spool)
    put(tmp_path, "a.tar.gz", PACKED[".tar.gz"])
    with FileTree(tmp_path) as tree:
        assert list(tree.walk()) == []
    assert tree.rejects[0].reason == "unreadable"
    assert "No space left on device; set TMPDIR" in tree.rejects[0].detail


BAD_NAMES = {
    "../out.png": "unsafe_name",
    "a/../../out.png": "unsafe_name",
    "/abs.png": "unsafe_name",
    "a\\b.png": "unsafe_name",
    "C:/x.png": "unsafe_name",
    "a//b.png": "unsafe_name",
    "line\nfeed.png": "unsafe_name",
    "a.zip": "nested_archive",
    "a.tar.xz": "nested_archive",
    "v.nii.gz": "nested_archive",
}


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_names_that_lead_elsewhere_are_rejected_and_the_rest_is_read(tmp_path, ending):
    members = {**dict.fromkeys(BAD_NAMES, b"x"), "good.png": b"good"}
    put(tmp_path, f"a{ending}", zipped(members) if ending == ".zip" else tarred(members))
    files, rejects = walked(tmp_path)
    assert files == {f"a{ending}/good.png": b"good"}
    assert rejects == {f"a{ending}/{name}": reason for name, reason in BAD_NAMES.items()}


def test_the_usual_dot_of_tar_is_no_fault(tmp_path):
    put(tmp_path, "a.tar", tarred({"./a/x.png": b"x"}))
    assert walked(tmp_path) == ({"a.tar/a/x.png": b"x"}, {})


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_of_two_members_of_one_name_neither_is_guessed(tmp_path, ending):
    buffer = io.BytesIO()
    if ending == ".zip":
        with zipfile.ZipFile(buffer, "w") as file:
            for data in (b"1", b"2"):
                file.writestr("x.png", data)
    else:
        with tarfile.open(fileobj=buffer, mode="w") as file:
            for name in ("x.png", "./x.png"):
                file.addfile(tarfile.TarInfo(name))
    put(tmp_path, f"a{ending}", buffer.getvalue())
    assert walked(tmp_path) == ({}, {f"a{ending}/x.png": "duplicate_file"})


def special(kind, name, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_what_is_no_file_in_a_tar_is_rejected(tmp_path):
    specials = {
        "link": (tarfile.SYMTYPE, "linked_member"),
        "hard": (tarfile.LNKTYPE, "linked_member"),
        "char": (tarfile.CHRTYPE, "unreadable"),
        "block": (tarfile.BLKTYPE, "unreadable"),
        "pipe": (tarfile.FIFOTYPE, "unreadable"),
    }
    members = {n: special(kind, n, "/etc/passwd") for n, (kind, _) in specials.items()}
    put(tmp_path, "a.tar", tarred(members))
    assert walked(tmp_path) == ({}, {f"a.tar/{n}": reason for n, (_, reason) in specials.items()})


def test_a_link_in_a_zip_is_rejected(tmp_path):
    info = zipfile.ZipInfo("link.png")
    info.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(info, "/etc/passwd")
    put(tmp_path, "a.zip", buffer.getvalue())
    assert walked(tmp_path) == ({}, {"a.zip/link.png": "linked_member"})


def flagged(data, flag):
    """Return a zip archive with a flag set in every header of it."""
    data = bytearray(data)
    for magic, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        found = data.find(magic)
        while found >= 0:
            data[found + at] |= flag & 0xFF
            data[found + at + 1] |= flag >> 8
            found = data.find(magic, found + 4)
    return bytes(data)


def test_an_encrypted_member_is_rejected(tmp_path):
    put(tmp_path, "a.zip", flagged(zipped({"x.png": b"x"}), 1))
    assert walked(tmp_path) == ({}, {"a.zip/x.png": "encrypted"})


def test_a_zip_packed_by_a_rare_method_is_rejected(tmp_path):
    put(tmp_path, "a.zip", zipped({"x.png": b"x" * 99}, compression=zipfile.ZIP_LZMA))
    assert walked(tmp_path) == ({}, {"a.zip/x.png": "unsupported_format"})


def test_a_zip_name_without_the_utf8_flag_is_utf8_or_rejected(tmp_path):
    data = zipped({"XX.png": b"x", "YY.png": b"y"})
    put(tmp_path, "a.zip", data.replace(b"XX", "é".encode()).replace(b"YY", b"\xe9\xe9"))
    files, rejects = walked(tmp_path)
    assert files == {"a.zip/é.png": b"x"}
    assert rejects == {"a.zip/\\udce9\\udce9.png": "name_not_utf8"}


def test_a_tar_name_that_is_not_utf8_is_rejected(tmp_path):
    put(tmp_path, "a.tar", tarred({os.fsdecode(b"caf\xe9.png"): b"x", "good.png": b"y"}))
    files, rejects = walked(tmp_path)
    assert files == {"a.tar/good.png": b"y"}
    assert list(rejects.values()) == ["name_not_utf8"]


def test_a_real_zip_bomb_is_rejected_by_its_member_and_by_its_whole(tmp_path):
    bomb = zipped({"x.png": bytes(80 << 20)})
    assert len(bomb) < 100_000
    put(tmp_path, "whole.zip", bomb)
    put(tmp_path, "one.zip", zipped({"x.png": bytes(80 << 20), "pad.bin": os.urandom(1 << 20)}))
    files, rejects = walked(tmp_path)
    assert rejects == {"whole.zip": "archive_bomb", "one.zip/x.png": "archive_bomb"}
    assert list(files) == ["one.zip/pad.bin"]


def test_many_small_members_are_a_bomb_by_their_sum(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "HARMLESS", 1 << 20)
    put(tmp_path, "a.zip", zipped({f"{i}": bytes(100_000) for i in range(2000)}))
    assert walked(tmp_path) == ({}, {"a.zip": "archive_bomb"})


@pytest.mark.parametrize("ending", [".tar.gz", ".tar.bz2", ".tar.xz"])
def test_a_compressed_tar_that_inflates_absurdly_is_rejected(tmp_path, ending):
    put(tmp_path, f"a{ending}", tarred({"x.png": bytes(80 << 20)}, TARS[ending]))
    assert walked(tmp_path) == ({}, {f"a{ending}": "archive_bomb"})


def test_a_member_above_the_limit_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "MAX_BYTES", 100)
    put(tmp_path, "a.zip", zipped({"x.png": os.urandom(101), "y.png": b"y"}))
    assert walked(tmp_path) == ({"a.zip/y.png": b"y"}, {"a.zip/x.png": "too_many_bytes"})


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("junk", [b"", b"text about archives" * 99, b"PK\3\4", b"\x1f\x8b\x08"])
def test_what_is_no_archive_is_a_broken_one(tmp_path, ending, junk):
    put(tmp_path, f"a{ending}", junk)
    assert walked(tmp_path) == ({}, {f"a{ending}": "broken_archive"})


def test_of_a_tar_that_breaks_off_the_whole_members_are_read(tmp_path):
    whole = tarred({"1.png": os.urandom(2000), "2.png": os.urandom(2000)})
    for name, cut in (("a.tar", whole[:3100]), ("b.tar.gz", gzip.compress(whole)[:3800])):
        put(tmp_path, name, cut)
    files, rejects = walked(tmp_path)
    assert {path: data == whole[512:2512] for path, data in files.items()} == {
        "a.tar/1.png": True,
        "b.tar.gz/1.png": True,
    }
    assert rejects == dict.fromkeys(
        ["a.tar", "a.tar/2.png", "b.tar.gz", "b.tar.gz/2.png"], "broken_archive"
    )


def test_a_damaged_header_within_a_tar_is_not_taken_for_its_end(tmp_path):
    data = bytearray(tarred({"1.png": b"1", "2.png": b"2"}))
    data[1024 + 148] ^= 1  # the checksum of the second header
    put(tmp_path, "a.tar", bytes(data))
    files, rejects = walked(tmp_path)
    assert (list(files), rejects) == (["a.tar/1.png"], {"a.tar": "broken_archive"})


def test_a_tar_whose_size_leads_backwards_ends(tmp_path):
    data = bytearray(tarred({"1.png": b"1"}))
    data[124:136] = b"\xff" * 12  # base 256: a negative size
    data[148:156] = b"        "
    data[148:156] = b"%06o\0 " % sum(data[:512])
    put(tmp_path, "a.tar", bytes(data))
    assert walked(tmp_path) == ({}, {"a.tar": "broken_archive"})


def test_a_damaged_member_costs_only_itself(tmp_path):
    data = bytearray(zipped({"1.png": b"1" * 50, "2.png": b"2"}, compression=zipfile.ZIP_STORED))
    data[data.index(b"1111")] = 0
    put(tmp_path, "a.zip", bytes(data))
    with FileTree(tmp_path) as tree:
        assert list(tree.walk()) == ["a.zip/1.png", "a.zip/2.png"]
        assert tree.read("a.zip/2.png") == b"2"
        with pytest.raises(ImageError, match="CRC") as caught:
            tree.read("a.zip/1.png")
    assert caught.value.reason == "broken_archive"


def test_a_member_that_inflates_to_less_than_it_says_is_broken(tmp_path):
    data = bytearray(zipped({"1.png": b"1" * 500}))
    for magic, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.index(magic) + at, 600)
    put(tmp_path, "a.zip", bytes(data))
    with FileTree(tmp_path) as tree:
        (path,) = tree.walk()
        with pytest.raises(ImageError, match="500 bytes of 600 are there"):
            tree.read(path)


def test_an_archive_outside_of_the_root_is_not_entered(tmp_path):
    put(tmp_path, "a.zip", PACKED[".zip"])
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.zip").symlink_to(tmp_path / "a.zip")
    os.mkfifo(root / "b.tar")
    assert walked(root) == ({}, {"a.zip": "outside_root", "b.tar": "unreadable"})


def test_a_vanished_file_is_unreadable_and_has_no_size(tmp_path):
    with FileTree(tmp_path) as tree:
        assert tree.size("none.png") == 0
        with pytest.raises(ImageError, match="No such file") as caught:
            tree.read("none.png")
    assert caught.value.reason == "unreadable"


def volume(shape=(3, 4, 5)):
    return np.random.default_rng(1).normal(100, 20, shape).astype(np.float32)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_volume_is_a_folder_of_axial_slices(tmp_path, ending):
    voxels = volume()
    data = nifti(voxels, np.diag([-1, -1, 1, 1]))
    put(tmp_path, f"p1{ending}", gzip.compress(data) if ending == ".nii.gz" else data)
    with FileTree(tmp_path) as tree:
        paths = list(tree.walk())
        assert paths == [f"p1{ending}/{i:04d}.nii" for i in range(5)]
        low, high = np.percentile(voxels, (0.5, 99.5))
        for i, path in enumerate(paths):
            image = decode(tree.read(path))
            shown = (np.clip(voxels[..., i].T, low, high) - low) / (high - low)  # LPS is as shown
            np.testing.assert_allclose(image.pixels / 65535, shown, atol=1e-4)
            assert image.notes[0].startswith("percentile_window:")
        assert tree.size(paths[0]) == len(tree.read(paths[0]))


def test_a_volume_with_a_window_of_its_own_keeps_it(tmp_path):
    put(tmp_path, "v.nii", nifti(volume(), window=(50, 150)))
    with FileTree(tmp_path) as tree:
        assert decode(tree.read(next(tree.walk()))).notes == ("own_window:100/100",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "undecodable"),
        (nifti(volume())[:400], "undecodable"),
        (nifti(volume())[:100], "undecodable"),
        (nifti(volume((3, 4, 5, 2))), "unsupported_mode"),
        (nifti(volume((3, 4))), "unsupported_mode"),
        (nifti(volume().astype(np.complex64)), "unsupported_mode"),
    ],
)
def test_a_volume_that_cannot_be_read_has_its_reason(tmp_path, data, reason):
    put(tmp_path, "v.nii", data)
    assert walked(tmp_path) == ({}, {"v.nii": reason})


def test_a_huge_volume_is_refused_by_its_header(tmp_path):
    data = bytearray(nifti(volume()))
    struct.pack_into("<4h", data, 40, 3, 9000, 9000, 9000)
    put(tmp_path, "v.nii", bytes(data))
    assert walked(tmp_path) == ({}, {"v.nii": "too_many_pixels"})


def test_archives_and_folders_give_the_same_lab(make_dataset, tmp_path):
    plain = make_dataset()
    packed = make_dataset(scenes=(), name="packed")
    packed.text = {
        **plain.text,
        "root": "packed",
        "candidates": "methods/{method}.zip/in/{scene}.*",
    }
    for modality, ending in (("ir", ".tar.gz"), ("vis", ".tar")):
        files = {p.name: p.read_bytes() for p in (plain.root / "sources" / modality).iterdir()}
        packed.put(f"{modality}{ending}", tarred(files, TARS[ending]))
        packed.text["sources"] = {
            **packed.text["sources"],
            modality: modality + ending + "/{scene}.*",
        }
    for method in ("M1", "M2"):
        files = {
            f"in/{p.name}": p.read_bytes() for p in (plain.root / "methods" / method).iterdir()
        }
        packed.put(f"methods/{method}.zip", zipped(files))
    digests = []
    for data in (plain, packed):
        lab = Lab.create(tmp_path / f"lab_{data.root.name}")
        manifest, root = load_manifest(data.save_manifest())
        assert ingest(manifest, root, lab).rejected == {}
        assert ingest(manifest, root, lab).unchanged == 8
        index = lab.index(manifest.task, manifest.dataset)
        digests.append(index.sort_values(["scene", "role", "name"])["digest"].tolist())
        assert preview(manifest, root)["rejected_files"] == []
    assert digests[0] == digests[1]


def test_a_method_is_not_named_after_an_archive_by_chance(make_dataset):
    data = make_dataset()
    data.put("methods/M3.zip", zipped({"s1.png": b"x"}))
    assert preview(*load_manifest(data.manifest_file))["rejected_files"] == ["methods/M3.zip"]


def test_an_archive_is_the_root_of_a_manifest(make_dataset, tmp_path):
    data = make_dataset()
    files = {str(p.relative_to(data.root)): p.read_bytes() for p in data.root.rglob("*.png")}
    put(tmp_path, "tiny.zip", zipped(files))
    data.text["root"] = "tiny.zip"
    lab = Lab.create(tmp_path / "lab")
    report = ingest(*load_manifest(data.save_manifest()), lab)
    assert (report.added, report.rejected) == (8, {})


def test_slices_of_volumes_are_scenes(make_dataset, tmp_path):
    data = make_dataset(scenes=(), task="mif")
    data.text["sources"] = {
        "ct": "{scene}/ct.nii.gz/{slice}.nii",
        "mri": "{scene}/mri.nii/{slice}.nii",
    }
    data.text["window"] = {"ct": [100, 50]}
    for patient in ("p1", "p2"):
        data.put(f"{patient}/ct.nii.gz", gzip.compress(nifti(volume())))
        data.put(f"{patient}/mri.nii", nifti(volume()))
    data.put("methods/Mean/p2_0003.png", picture("m", (4, 3)))
    lab = Lab.create(tmp_path / "lab")
    report = ingest(*load_manifest(data.save_manifest()), lab)
    assert (report.scenes, report.added, report.rejected) == (10, 21, {})
    index = lab.index("mif", "tiny").set_index(["scene", "name"])
    assert index.loc[("p2_0003", "ct"), "notes"] == "window:100/50"
    assert index.loc[("p2_0003", "mri"), "notes"].startswith("percentile_window:")
    assert index.loc[("p2_0003", "Mean"), "dtype"] == "uint8"


def test_another_declared_range_reads_the_files_anew(make_dataset, tmp_path):
    data = make_dataset(scenes=("s",), methods=("M",), dtype=np.uint16)
    data.put("methods/Eight/s.png", picture("8"))
    lab = Lab.create(tmp_path / "lab")
    seen, notes = [], []
    for declared in (None, 65535, {"ir": [0, 131070]}, {"ir": [0, 131070]}, None):
        data.text["data_range"] = declared
        report = ingest(*load_manifest(data.save_manifest()), lab)
        seen.append((report.added, report.changed, report.unchanged))
        notes.append(lab.index("ivf", "tiny")["notes"].str.contains("range:").sum())
    # 0..65535 to 0..65535 changes no pixel
    assert seen == [(4, 0, 0), (0, 0, 4), (0, 1, 3), (0, 0, 4), (0, 1, 3)]
    assert notes == [0, 3, 1, 1, 0]


def test_a_volume_without_nibabel_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    put(tmp_path, "v.nii.gz", b"")
    assert walked(tmp_path) == ({}, {"v.nii.gz": "needs_extra"})
