"""Demo scenes of medical fusion.

The truth is that of `fusionlab.demo.latent` with V the structural source (MRI, phase contrast),
A where the other modality is active (bone, uptake, fluorescence) and h its luminance at full
activity; its chroma is that of the pseudo-colour source. The structural source (``anatomy``)
knows nothing of A; the other one (``overlay``) is blurred, or nearly flat outside A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionlab import colour
from fusionlab.demo import parts
from fusionlab.demo.latent import true_luminance
from fusionlab.demo.parts import DemoScene

if TYPE_CHECKING:
    from fusionlab.colour import Image, Plane
    from fusionlab.demo.parts import Size

CENTRE = (0.5, 0.5)
LESIONS = (((0.36, 0.62), (0.09, 0.08)), ((0.62, 0.36), (0.06, 0.05)), ((0.30, 0.40), (0.04, 0.05)))


def scenes() -> list[DemoScene]:
    """Return a head in CT and MRI, one in PET and MRI, and tissue in GFP and phase contrast."""
    return [_bone(), _uptake(), _fluorescence()]


def _bone() -> DemoScene:
    size = (256, 256)
    mri = head(size, 31)
    outer = parts.ellipse(size, CENTRE, (0.44, 0.36))
    ring = (1.0 - parts.step(outer, 1.0, 0.008)) * parts.step(outer, 0.90, 0.008)
    calcified = 1.0 - parts.step(parts.ellipse(size, (0.56, 0.50), (0.022, 0.016)), 1.0, 0.1)
    bone = np.maximum(ring, calcified)
    soft = 62.0 * (1.0 - parts.step(outer, 0.95, 0.01)) - 0.12 * parts.blur(mri, 3.0)
    ct = parts.mix(bone, np.full(size, 238.0), np.maximum(soft, 0.0))
    # Bone shows no texture in MRI that the truth could keep: V itself takes its smoothed place.
    truth = parts.mix(bone, ct, mri)
    sources = {"overlay": colour.to_uint8(ct), "anatomy": colour.to_uint8(mri)}
    return DemoScene("mif", "bone", sources, colour.to_uint8(truth))


def _uptake() -> DemoScene:
    size = (241, 225)
    mri = head(size, 32)
    brain = 1.0 - parts.step(parts.ellipse(size, CENTRE, (0.385, 0.31)), 1.0, 0.03)
    spots = [1.0 - parts.step(parts.ellipse(size, c, r), 1.0, 0.15) for c, r in LESIONS]
    activity = parts.blur(np.clip(0.13 * brain + 0.75 * np.max(spots, axis=0), 0.0, 1.0), 4.0)
    return _functional("uptake", mri, activity, hot_metal(activity))


def _fluorescence() -> DemoScene:
    size = (256, 304)
    tissue = parts.photo("ihc.png", size, (0, 0, 431, 512)).astype(np.float64)
    y = colour.luminance(colour.to_uint8(tissue))
    contrast = np.clip(90.0 + 0.9 * (y - parts.blur(y, 8.0)), 0.0, 255.0)
    brown = parts.blur(np.clip((tissue[:, :, 0] - tissue[:, :, 2]) / 110.0, 0.0, 1.0), 2.5)
    green = 255.0 * brown[:, :, None] * np.array([0.35, 1.0, 0.40])
    return _functional("fluorescence", contrast, brown, colour.to_uint8(green))


def _functional(name: str, structure: Plane, activity: Plane, pseudo_colour: Image) -> DemoScene:
    y = colour.luminance(pseudo_colour)
    truth = true_luminance(structure, activity, float(y.max()))
    sources = {"overlay": pseudo_colour, "anatomy": colour.to_uint8(structure)}
    return DemoScene("mif", name, sources, colour.compose(truth, colour.chroma(pseudo_colour)))


def hot_metal(activity: Plane) -> Image:
    """Return the black-red-yellow-white colours of an activity (H, W) in 0..1."""
    return colour.to_uint8(255.0 * (3.0 * activity[:, :, None] - np.arange(3.0)))


def head(size: Size, seed: int) -> Plane:
    """Return an MRI-like slice: bright scalp, dark skull, folded cortex, dark ventricles."""
    outer = parts.ellipse(size, CENTRE, (0.44, 0.36))
    inside = 1.0 - parts.step(outer, 0.88, 0.012)
    scalp = (1.0 - parts.step(outer, 1.08, 0.012)) * parts.step(outer, 1.0, 0.008)
    white = 1.0 - parts.step(outer + 0.10 * folds(size, seed, 5.0), 0.62, 0.04)
    sulci = parts.step(folds(size, seed + 100, 2.6), 0.35, 0.2) * (1.0 - 0.8 * white)
    y, x = parts.grid(size)
    cleft = np.exp(-(((x - 0.5) * size[1] / 1.6) ** 2)) * parts.step(np.abs(y - 0.5), 0.16, 0.01)
    tissue = (96.0 + 62.0 * white - 34.0 * sulci) * (1.0 - 0.55 * cleft)
    ventricles = [parts.ellipse(size, (0.47, c), (0.11, 0.035)) for c in (0.44, 0.56)]
    fluid = 1.0 - parts.step(np.min(ventricles, axis=0), 1.0, 0.08)
    brain = parts.mix(fluid, np.full(size, 22.0), tissue)
    noise = np.random.Generator(np.random.PCG64(seed)).normal(0.0, 2.0, size)
    return np.clip(inside * brain + 150.0 * scalp + 8.0 + noise, 0.0, 255.0)


def folds(size: Size, seed: int, scale: float) -> Plane:
    """Return band-passed noise (H, W) of unit deviation: winding lines `scale` pixels wide."""
    noise = np.random.Generator(np.random.PCG64(seed)).normal(0.0, 1.0, size)
    band = parts.blur(noise, scale) - parts.blur(noise, 1.6 * scale)
    return np.asarray(band / band.std())
