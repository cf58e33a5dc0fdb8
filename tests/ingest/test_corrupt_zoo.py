"""Every kind of broken file beside one good scene: each is named, none crashes, none is lost."""

import gzip
import os
import socket
import struct
import tarfile
import zlib

import numpy as np
import pandas as pd
import pytest
from conftest import picture
from fuzz.seeds import ARCHIVES, IMAGES, RGB, dicom, nifti, pil, tarred, tiff, zipped
from PIL import Image

from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab

GOOD = {f"{kind}/good.png" for kind in ("sources/ir", "sources/vis", "methods/M1", "methods/M2")}


def png_bomb():
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return IMAGES["png"][:12] + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + IMAGES["png"][33:]


def bmp_bomb():
    data = bytearray(IMAGES["bmp"])
    data[18:26] = struct.pack("<ii", 100_000, 100_000)
    return bytes(data)


def tiff_bomb(image):
    """Return a TIFF whose header says 100,000 x 100,000."""
    data = bytearray(tiff(image, photometric="minisblack", metadata=None))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, at)[0] in (256, 257):  # width and length
            struct.pack_into("<HII", data, at + 2, 4, 1, 100_000)
    return bytes(data)


def chunk_bomb():
    data = bytearray(IMAGES["png"])
    at = data.index(b"IDAT") - 4
    data[at : at + 4] = b"\xff\xff\xff\xf0"
    return bytes(data)


def info(kind, target=""):
    made = tarfile.TarInfo("x")
    made.type, made.linkname = kind, target
    return made


def encrypted():
    data = bytearray(zipped({"good.png": IMAGES["png"]}))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def named(name, made):
    made.name = name
    return made


TRUNCATED = {
    name: data[: int(len(data) * 0.7)]
    for name, data in IMAGES.items()
    if name not in ("gif", "dicom", "nifti", "nifti2")
}
#: file of a method's output for the good scene -> (bytes, reason)
FILES = {
    **{f"methods/cut_{name}/good.png": (data, "undecodable") for name, data in TRUNCATED.items()},
    "methods/cut_dicom/good.dcm": (IMAGES["dicom"][:-20], "undecodable"),
    "methods/cut_nifti/good.nii": (IMAGES["nifti"][:-20], "undecodable"),
    "methods/empty/good.png": (b"", "empty_file"),
    "methods/text/good.jpg": (b"404: Not Found", "undecodable"),
    "methods/html/good.png": (b"<!DOCTYPE html><html>" * 30, "undecodable"),
    "methods/gif/good.gif": (IMAGES["gif"], "unsupported_format"),
    "methods/cmyk/good.jpg": (pil(Image.new("CMYK", (8, 6)), "JPEG"), "unsupported_mode"),
    "methods/png_bomb/good.png": (png_bomb(), "too_many_pixels"),
    "methods/bmp_bomb/good.bmp": (bmp_bomb(), "too_many_pixels"),
    "methods/tiff_bomb/good.tif": (tiff_bomb(RGB[..., 0]), "too_many_pixels"),
    "methods/float_bomb/good.tif": (tiff_bomb(RGB[..., 0].astype(float)), "too_many_pixels"),
    "methods/chunk_bomb/good.png": (chunk_bomb(), "undecodable"),
    "methods/dicom_bomb/good.dcm": (
        dicom(np.zeros((2, 2), np.uint16), Rows=65_000, Columns=65_000), "too_many_pixels",
    ),
    "methods/float/good.tif": (tiff(np.zeros((6, 8), np.float32)), "needs_range"),
    "methods/nan/good.tif": (tiff(np.full((6, 8), np.nan, np.float32)), "not_finite"),
    "methods/volume/good.nii": (nifti(np.zeros((6, 8, 3), np.int16)), "unsupported_mode"),
    "methods/size/good.png": (pil(RGB, "PNG"), "size_mismatch"),
    "methods/twice/good.png": (IMAGES["png"], "duplicate_file"),
    "methods/twice/good.PNG": (IMAGES["png"], "duplicate_file"),
    "methods/unknown/bad.png": (IMAGES["png"], "no_sources"),
    "stray.png": (IMAGES["png"], "unmatched_file"),
    "sources/ir/half.png": (IMAGES["png"], "missing_source"),
    "arch/empty.zip": (b"", "broken_archive"),
    "arch/text.zip": (b"404: Not Found", "broken_archive"),
    "arch/cut.zip": (ARCHIVES[".zip"][:-40], "broken_archive"),
    "arch/bomb.zip": (zipped({"good.png": bytes(80 << 20)}), "archive_bomb"),
}  # fmt: skip
#: archive -> (bytes, {member: reason})
MEMBERS = {
    "arch/names.zip": (
        zipped(dict.fromkeys(["../good.png", "/good.png", "C:\\good.png"], IMAGES["png"])),
        dict.fromkeys(["../good.png", "/good.png", "C:\\good.png"], "unsafe_name"),
    ),
    "arch/latin.zip": (
        zipped({"XXXX.png": b""}).replace(b"XXXX", b"caf\xe9"),
        {"caf\\udce9.png": "name_not_utf8"},
    ),
    "arch/nested.zip": (zipped({"good.zip": ARCHIVES[".zip"]}), {"good.zip": "nested_archive"}),
    "arch/locked.zip": (encrypted(), {"good.png": "encrypted"}),
    "arch/inside.zip": (zipped({"good.png": IMAGES["png"][:50]}), {"good.png": "undecodable"}),
    "tars/odd.tar": (
        tarred(
            {
                "../good.png": IMAGES["png"],
                "device": named("good.png", info(tarfile.BLKTYPE)),
                "link": named("link.png", info(tarfile.SYMTYPE, "/etc/passwd")),
                os.fsdecode(b"caf\xe9.png"): b"",
            }
        ),
        {
            "../good.png": "unsafe_name",
            "good.png": "unreadable",
            "link.png": "linked_member",
            "caf\\udce9.png": "name_not_utf8",
        },
    ),
    "tars/cut.tar": (
        tarred({"other.png": bytes(2000), "good.png": bytes(9000)})[:5000],
        {"": "broken_archive", "good.png": "broken_archive", "other.png": "no_sources"},
    ),
}


@pytest.fixture
def zoo(make_dataset):
    """Return a data set with everything in it, and {file: reason} of what must be rejected."""
    data = make_dataset(scenes=("good",))
    data.text["ignore"] = ["tars/names.txt"]
    for name, (content, _) in FILES.items():
        data.put(name, content)
    for name, (content, _) in MEMBERS.items():
        data.put(name, content)
    expected = {name: reason for name, (_, reason) in FILES.items()}
    for name, (_, faults) in MEMBERS.items():
        expected |= {f"{name}/{m}" if m else name: reason for m, reason in faults.items()}
    return data, expected | _put_what_is_no_file(data)


def _put_what_is_no_file(data):
    folder = data.root / "methods"
    secret = data.root.parent / "secret.png"
    secret.write_bytes(IMAGES["png"])
    odd = {}
    for name, reason in (
        ("outside", "outside_root"), ("dangling", "unreadable"), ("pipe", "unreadable"),
        ("socket", "unreadable"), ("loop", "unreadable"),
    ):  # fmt: skip
        (folder / name).mkdir()
        odd[f"methods/{name}/good.png"] = reason
    (folder / "outside/good.png").symlink_to(secret)
    (folder / "dangling/good.png").symlink_to(folder / "nothing")
    (folder / "loop/good.png").symlink_to(folder / "loop/good.png")
    os.mkfifo(folder / "pipe/good.png")
    here = os.open(".", os.O_RDONLY)
    os.chdir(folder / "socket")  # the address of a socket must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("good.png")
    os.fchdir(here)
    os.close(here)
    (folder / "linked").symlink_to(data.root / "sources")
    (folder / "folder/good.png").mkdir(parents=True)
    (folder / "folder/good.png/inner.png").write_bytes(b"")
    odd |= {
        "methods/linked": "linked_folder",
        "methods/folder/good.png/inner.png": "unmatched_file",
    }
    latin = os.fsencode(folder / "M1") + b"/caf\xe9.png"
    with open(latin, "wb"):  # noqa: PTH123  pathlib takes no bytes
        odd["methods/M1/caf\\udce9.png"] = "name_not_utf8"
    return odd


def everything(folder):
    return {
        p.relative_to(folder): (p.lstat().st_size, p.lstat().st_mtime_ns)
        for p in folder.rglob("*")
        if not p.is_relative_to(folder / "lab")
    }


def reasons(lab):
    rejects = pd.read_parquet(lab.path / "rejects.parquet")
    assert rejects["detail"].str.len().min() > 10
    assert not rejects["file"].duplicated().any()
    return dict(zip(rejects["file"], rejects["reason"], strict=True))


@pytest.mark.parametrize(
    "pattern",
    ["methods/{method}/{scene}.*", "arch/{method}.zip/{scene}.*", "tars/{method}.tar/{scene}.*"],
)
def test_every_animal_of_the_zoo_is_a_named_reject_and_the_good_scene_is_taken(
    zoo, tmp_path, pattern
):
    data, expected = zoo
    data.text["candidates"] = pattern
    data.save_manifest()
    before = everything(tmp_path)
    lab = Lab.create(tmp_path / "lab")
    report = ingest(*load_manifest(data.manifest_file), lab)
    found = reasons(lab)
    index = lab.index("ivf", "tiny")
    part = pattern.partition("/")[0]
    mine = {file: reason for file, reason in expected.items() if file.startswith(part)}
    assert {file: found.get(file) for file in mine} == mine
    others = found.keys() - mine.keys()
    assert {found[file] for file in others} <= {"unmatched_file", *expected.values()}
    good = {f for f in GOOD if f.startswith(("sources", part))}
    assert set(index["file"]) == good
    assert sum(report.rejected.values()) == len(found)
    assert everything(tmp_path) == before, "something was written outside of the lab"
    assert not list(tmp_path.parent.glob("good.png"))


def test_a_second_run_says_the_same_and_reads_nothing_new(zoo, tmp_path):
    data, _ = zoo
    data.save_manifest()
    lab = Lab.create(tmp_path / "lab")
    first = ingest(*load_manifest(data.manifest_file), lab).rejected
    told = reasons(lab)
    second = ingest(*load_manifest(data.manifest_file), lab)
    assert (second.added, second.changed, second.unchanged) == (0, 0, len(GOOD))
    assert second.rejected == first
    assert reasons(lab) == told


def test_a_broken_source_costs_its_scene_and_no_other(make_dataset, tmp_path):
    data = make_dataset(scenes=("bad", "good"))
    data.put("sources/vis/bad.png", chunk_bomb())
    lab = Lab.create(tmp_path / "lab")
    ingest(*load_manifest(data.manifest_file), lab)
    assert reasons(lab) == {
        "sources/vis/bad.png": "undecodable",
        "sources/ir/bad.png": "source_rejected",
        "methods/M1/bad.png": "source_rejected",
        "methods/M2/bad.png": "source_rejected",
    }
    assert set(lab.index("ivf", "tiny")["scene"]) == {"good"}


def test_a_volume_of_a_packed_file_that_breaks_off_is_rejected_whole(make_dataset, tmp_path):
    data = make_dataset(scenes=("good",))
    data.text["candidates"] = "methods/{method}.nii.gz/{scene}_{slice}.nii"
    data.put("methods/V.nii.gz", gzip.compress(nifti(picture("v", (6, 8, 9))))[:-30])
    data.save_manifest()
    lab = Lab.create(tmp_path / "lab")
    ingest(*load_manifest(data.manifest_file), lab)
    assert reasons(lab)["methods/V.nii.gz"] == "undecodable"
