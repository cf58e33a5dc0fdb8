"""The usual folder layouts of public benchmarks in miniature: which files a copy has."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from fusionlab.images import encode_png

SIDE = 64


@dataclass(frozen=True)
class Layout:
    """One layout: its manifest, its folder's name, and what each file is.

    `files` maps a path to (scene, what), where what is a modality, ``truth``, or ``method:NAME``;
    files of `others` belong to nothing, and those of `left_over` lack a partner.
    """

    manifest: str
    task: str
    folder: str
    files: dict[str, tuple[str, str]]
    others: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()

    def write(self, below: Path) -> Path:
        root = below / self.folder
        for path, (scene, what) in self.files.items():
            put(root / path, shown(self.task, scene, what))
        for path in (*self.others, *self.left_over):
            content = shown(self.task, path, "truth")
            put(root / path, content if is_image(path) else b"words")
        return root


def is_image(path: str) -> bool:
    return path.lower().endswith((".png", ".jpg", ".tif", ".bmp"))


def put(path: Path, content: np.ndarray | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_bytes(encode_png(content))  # whatever its ending says: readers look inside


def shown(task: str, scene: str, what: str) -> np.ndarray:
    """Return what one image of a scene shows; ``what`` as in `Layout`."""
    rng = np.random.default_rng(list(scene.encode()))
    base = cv2.resize(rng.uniform(40, 215, (9, 9)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    base += rng.normal(0, 9, base.shape)
    if what.startswith("method:"):
        first, second = PAIRS[task]
        a, b = (shown(task, scene, source).astype(float) for source in (first, second))
        a, b = (x if x.ndim == 2 else x.mean(axis=2) for x in (a, b))
        fused = 0.5 * (a + b) + len(what) % 5
        return _bytes(fused if a.shape == b.shape else b)
    return _bytes(VIEWS[what](base, np.random.default_rng(list(f"{scene} {what}".encode()))))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _colour(base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    del rng
    return np.stack([base, base * 0.9 + 8, 0.6 * base + 60], axis=2)


def _infrared(base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    heat = cv2.resize(rng.uniform(0, 1, (6, 6)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return 0.35 * base + 190 * heat * heat


def _head(values: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    return np.where((x / 0.6) ** 2 + (y / 0.75) ** 2 < 1, values, 0)


def _ct(base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    del base, rng
    inner = _head(np.full((SIDE, SIDE), 255.0))
    return inner - 0.8 * cv2.erode(inner, np.ones((7, 7)))


def _functional(base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    heat = _head(_infrared(base, rng))
    return np.stack([heat, 0.4 * heat, np.where(heat > 0, 255 - heat, 0)], axis=2)


def _focused(half: slice):
    def view(base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        del rng
        image = base.copy()
        image[:, half] = cv2.GaussianBlur(base, (0, 0), 1.5)[:, half]
        return image

    return view


VIEWS = {
    "ir": _infrared,
    "vis": _colour,
    "ct": _ct,
    "mri": lambda base, rng: _head(base),
    "pet": _functional,
    "spect": _functional,
    "under": lambda base, rng: 0.22 * base,
    "mid": lambda base, rng: base,
    "over": lambda base, rng: 2.1 * base + 20,
    "A": _focused(slice(SIDE // 2, None)),
    "B": _focused(slice(0, SIDE // 2)),
    "truth": lambda base, rng: base,
}
PAIRS = {"ivf": ("ir", "vis"), "mif": ("ct", "mri"), "mef": ("under", "over"), "mff": ("A", "B")}


def each(scenes, **patterns: str) -> dict[str, tuple[str, str]]:
    """Fill ``{s}`` of the pattern of each modality with each scene."""
    return {p.format(s=s): (s, what) for what, p in patterns.items() for s in scenes}


def outputs(pattern: str, scenes, methods) -> dict[str, tuple[str, str]]:
    """Fill ``{s}`` and ``{m}``."""
    return {pattern.format(s=s, m=m): (s, f"method:{m}") for s, m in product(scenes, methods)}


ROAD = [f"FLIR_{n:05d}" for n in (6, 60, 211)]
HARVARD = ["2004", "2005", "16003", "20006"]
VIFB = ["carLight", "fight", "man", "manCall"]
VIFB_METHODS = ["ADF", "HMSD_GF", "Hybrid_MSD", "MST_SR"]
FOCUS = ["aymaz_01", "aymaz_02", "books", "savic_01"]
EXPOSED = ["507", "ICCV_01", "Lamp", "Mask"]


def _harvard(kind: str, above: str, parts: tuple[str, ...] = ("",)) -> Layout:
    files = {}
    for number, part in enumerate(parts):
        scenes = HARVARD[number :: len(parts)]
        patterns = {kind: f"{part}{kind.upper()}/{{s}}.png", "mri": f"{part}MRI/{{s}}.png"}
        files |= each(scenes, **patterns)
    return Layout(f"harvard_{kind}_mri", "mif", above, files)


def _mefdb() -> dict[str, tuple[str, str]]:
    shots = {
        "Balloons": ("Erik Reinhard", "DSC_0164", "DSC_0171"),
        "Cave": ("Bartlomiej Okonek", "cave4", "cave1"),
        "Tower": ("Jacques Joffre06", "under530", "over530"),
    }
    folder = "source image sequences"
    files = {}
    for scene, (author, dark, bright) in shots.items():
        files[f"{folder}/{scene}_{author}/{dark}.png"] = (scene, "under")
        files[f"{folder}/{scene}_{author}/{bright}.png"] = (scene, "over")
    return files | outputs("fused images/{s}_{m}.png", shots, ["Gu12", "Li13"])


LAYOUTS = [
    Layout("tno", "ivf", "TNO", each(["01", "02", "06"], ir="ir/{s}.png", vis="vi/{s}.png")),
    Layout("tno", "ivf", "tno-124", each(["1", "2"], ir="ir/{s}.bmp", vis="vis/{s}.bmp")),
    Layout(
        "roadscene",
        "ivf",
        "RoadScene-master",
        each(ROAD, ir="cropinfrared/{s}.jpg", vis="crop_LR_visible/{s}.jpg"),
        others=("crop_HR_visible/FLIR_00006.jpg", "README.md"),
    ),
    Layout(
        "msrs",
        "ivf",
        "MSRS",
        each(["00001D", "00002D"], ir="train/ir/{s}.png", vis="train/vi/{s}.png")
        | each(["00004N", "00008N"], ir="test/ir/{s}.png", vis="test/vi/{s}.png"),
        others=("README.md", "detection/ir/1.png", "detection/vi/1.png", "detection/labels/1.txt"),
    ),
    Layout(
        "m3fd",
        "ivf",
        "M3FD_Fusion",
        each(["00000", "00001", "00471"], ir="Ir/{s}.png", vis="Vis/{s}.png"),
    ),
    Layout(
        "m3fd",
        "ivf",
        "M3FD",
        each(["00000", "00001"], ir="ir/{s}.png", vis="vi/{s}.png"),
        others=("labels/00000.txt", "meta/train.txt"),
    ),
    Layout(
        "llvip",
        "ivf",
        "LLVIP",
        each(["010001", "010002"], ir="infrared/train/{s}.jpg", vis="visible/train/{s}.jpg")
        | each(["190001", "190002"], ir="infrared/test/{s}.jpg", vis="visible/test/{s}.jpg"),
        others=("Annotations/010001.xml",),
    ),
    _harvard("ct", "CT-MRI"),
    _harvard("ct", "MRI_CT"),
    _harvard("pet", "PET-MRI"),
    _harvard("spect", "SPECT-MRI", ("train/", "test/")),
    Layout(
        "lytro",
        "mff",
        "Lytro",
        each(["lytro-01", "lytro-02", "lytro-20"], A="{s}-A.jpg", B="{s}-B.jpg"),
        others=("Triple Series/lytro-01-A.jpg", "Triple Series/lytro-01-C.jpg"),
    ),
    Layout(
        "lytro",
        "mff",
        "Lytro",
        each(["lytro-01", "lytro-02"], A="sourceA/{s}-A.jpg", B="sourceB/{s}-B.jpg"),
    ),
    Layout(
        "mffw",
        "mff",
        "MFFW",
        each(["MFFW2_01", "MFFW2_02"], A="MFFW2/{s}_A.jpg", B="MFFW2/{s}_B.jpg"),
        others=("MFFW3/MFFW3_01_A.jpg", "MFFW3/MFFW3_01_B.jpg", "MFFW3/MFFW3_01_C.jpg"),
    ),
    Layout(
        "mfi_whu",
        "mff",
        "MFI-WHU",
        each(
            ["1", "2", "10"], A="source_1/{s}.jpg", B="source_2/{s}.jpg", truth="full_clear/{s}.jpg"
        ),
    ),
    Layout(
        "realmff",
        "mff",
        "RealMFF",
        each(["001", "002"], A="imageA/{s}_A.png", B="imageB/{s}_B.png", truth="Fusion/{s}_F.png"),
    ),
    Layout(
        "sice",
        "mef",
        "SICE/Dataset_Part1",
        each(["1", "2", "30"], under="{s}/1.JPG", mid="{s}/4.JPG", over="{s}/7.JPG")
        | each(["1", "2", "30"], truth="Label/{s}.JPG"),
        others=("1/2.JPG", "1/3.JPG", "1/5.JPG", "2/6.JPG", "30/8.JPG", "30/11.JPG"),
    ),
    Layout(
        "mefb",
        "mef",
        "MEFB",
        each(EXPOSED[:3], under="input/{s}/{s}_A.tif", over="input/{s}/{s}_B.tif")
        | each(EXPOSED[3:], under="input/{s}/{s}_a.png", over="input/{s}/{s}_b.png")
        | outputs("output/fused_images/{s}_{m}.tif", EXPOSED, ["DEM", "DSIFT_EF", "SPD_MEF"]),
        others=("compute_metrics.m", "README.md", "output/evaluation_metrics/a.mat"),
        left_over=("input/507/_MDF0003.tif",),
    ),
    Layout("mefdb", "mef", "MEFDatabase", _mefdb(), others=("MOS.mat", "Readme.txt")),
    Layout(
        "vifb",
        "ivf",
        "VIFB",
        each(VIFB, ir="input/IR/{s}.jpg", vis="input/VI/{s}.jpg")
        | outputs("output/fused_images/{s}_{m}.jpg", VIFB, VIFB_METHODS),
        others=(
            "README.md",
            "compute_metrics.m",
            "input/VI/manCall - 副本.jpg",
            "methods/MSVD/x.jpg",
        ),
        left_over=("input/IR/peopleShadow.jpg", "input/VI/peopleshadow.jpg"),
    ),
    Layout(
        "mfifb",
        "mff",
        "MFIFB",
        each(FOCUS, A="input/{s}/{s}_A.bmp", B="input/{s}/{s}_B.bmp")
        | outputs("fused_images/{s}_{m}.bmp", FOCUS, ["ASR", "DCT_Corr", "RP_SR"]),
        others=("README.md",),
    ),
]
NAMES = [f"{layout.manifest}-{layout.folder.replace('/', '-')}" for layout in LAYOUTS]
