"""Images made of integer formulas, and slow references written from the definitions."""

import os
from pathlib import Path

import numpy as np
import pytest
from metrics import oracles_guards, oracles_windowed
from metrics import reference_edges as edge
from metrics import reference_windows as window
from metrics.reference_fmi import FMI
from metrics.reference_phase import qp
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import convolve, correlate
from scipy.signal import convolve2d


def pattern(height, width, seed):
    """A textured 8-bit image with edges, ramps and a flat corner, the same on every machine."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    ramp = (3 * x + (2 + seed) * y) % 256
    texture = (x * x * (seed + 1) + 7 * x * y + 13 * y * y * (seed + 2)) % 97
    disc = 90 * ((x - width // 2) ** 2 + (y - height // 3) ** 2 < (5 + 3 * seed) ** 2)
    image = np.clip(ramp // 2 + texture // (1 + seed) + disc, 0, 255)
    image[-(height // 4) :, -(width // 4) :] = 40 * seed
    return image.astype(np.uint8)


def triple(height=61, width=47):
    a, b = pattern(height, width, 0), pattern(height, width, 1)
    c = pattern(height, width, 2)
    fused = (3 * a.astype(np.int64) + 4 * b.astype(np.int64) + c) // 8
    return a, b, fused.astype(np.uint8)


@pytest.fixture
def images():
    return triple()


@pytest.fixture(scope="session")
def make_triple():
    return triple


@pytest.fixture(scope="session")
def shared():
    """The optional folder with golden values and real images."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("FUSIONLAB_SHARED", root.parent / "shared")) / "golden"
    if not (folder / "metrics_golden.csv").is_file():
        pytest.skip(f"golden images are not at {folder} (set FUSIONLAB_SHARED)")
    return folder


def histogram(x, bins=256):
    return np.bincount(x.astype(np.int64).ravel(), minlength=bins) / x.size


def en(a, b, f):
    p = histogram(f)
    return -sum(q * np.log2(q) for q in p if q > 0)


def mi(a, b, f):
    def information(x, y):
        joint = histogram(256 * x.astype(np.int64) + y.astype(np.int64), 65536).reshape(256, 256)
        outer = joint.sum(1)[:, None] * joint.sum(0)[None, :]
        cells = joint > 0
        return (joint[cells] * np.log(joint[cells] / outer[cells])).sum()

    return information(f, a) + information(f, b)


def ce(a, b, f):
    q = histogram(f)
    total = 0.0
    for p in (histogram(a), histogram(b)):
        both = (p > 0) & (q > 0)
        total += (p[both] * np.log2(p[both] / q[both])).sum()
    return total / 2


def mse(a, b, f):
    return (((a - f) ** 2).mean() + ((b - f) ** 2).mean()) / 2


def psnr(peak, error):
    return 10 * np.log10(peak**2 / error)


def r(x, y):
    return np.corrcoef(x.ravel(), y.ravel())[0, 1]


def ag(a, b, f):
    gy, gx = np.gradient(f)
    return np.sqrt((gx**2 + gy**2) / 2).mean()


def ei(a, b, f):
    k = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    return np.hypot(correlate(f, k, mode="nearest"), correlate(f, k.T, mode="nearest")).mean()


def ssim(x, y, window, white, factor):
    """Window by window, with two-pass moments."""
    c1, c2 = (0.01 * white) ** 2, (0.03 * white) ** 2
    u, v = (sliding_window_view(z, window.shape) for z in (x, y))
    mu, mv = (u * window).sum((2, 3)), (v * window).sum((2, 3))
    du, dv = u - mu[..., None, None], v - mv[..., None, None]
    suu, svv, suv = (factor * (p * window).sum((2, 3)) for p in (du * du, dv * dv, du * dv))
    top = (2 * mu * mv + c1) * (2 * suv + c2)
    return (top / ((mu**2 + mv**2 + c1) * (suu + svv + c2))).mean()


def gaussian(n, sigma):
    k = np.arange(n) - n // 2
    g = np.exp(-(k**2) / (2 * sigma**2))
    return np.outer(g, g) / g.sum() ** 2


def wang(x, y):
    return ssim(x, y, gaussian(11, 1.5), 255, 1.0)


def uniform(x, y, white):
    return ssim(x, y, np.full((7, 7), 1 / 49), white, 49 / 48)


def qabf(a, b, f):
    """Pixel by pixel."""
    k = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])

    def edges(x):
        sx = convolve(x, k, mode="constant")
        sy = convolve(x, np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]]), mode="constant")
        alpha = [
            np.arctan(v / u) if u else np.pi / 2 for u, v in zip(sx.flat, sy.flat, strict=True)
        ]
        return np.hypot(sx, sy).ravel(), np.array(alpha)

    def kept(gx, ax, gf, af):
        strength = gf if gx == gf else min(gx, gf) / max(gx, gf)
        orientation = 1 - abs(ax - af) / (np.pi / 2)
        q = 0.9994 / (1 + np.exp(-15 * (strength - 0.5)))
        return q * 0.9879 / (1 + np.exp(-22 * (orientation - 0.8)))

    gf, af = edges(f)
    top = bottom = 0.0
    for x in (a, b):
        gx, ax = edges(x)
        for values in zip(gx, ax, gf, af, strict=True):
            top += values[0] * kept(*values)
        bottom += gx.sum()
    return top / bottom


def vifp(x, f):
    eps, top, bottom = 1e-10, 0.0, 0.0
    x, f = x - 100.0, f - 100.0
    for n in (17, 9, 5, 3):
        h = gaussian(n, n / 5)
        if n < 17:
            x, f = (convolve2d(z, h, "valid")[::2, ::2] for z in (x, f))
        m1, m2, xx, ff, xf = (convolve2d(z, h, "valid") for z in (x, f, x * x, f * f, x * f))
        for s11, s22, s12 in zip(
            (xx - m1 * m1).flat, (ff - m2 * m2).flat, (xf - m1 * m2).flat, strict=True
        ):
            s11, s22 = max(s11, 0.0), max(s22, 0.0)  # noqa: PLW2901
            g = s12 / (s11 + eps)
            sv = s22 - g * s12
            if s11 < eps:
                g, sv, s11 = 0.0, s22, 0.0  # noqa: PLW2901
            if s22 < eps:
                g, sv = 0.0, 0.0
            if g < 0:
                g, sv = 0.0, s22
            top += np.log(1 + g * g * s11 / (max(sv, eps) + 2))
            bottom += np.log(1 + s11 / 2)
    return top / bottom if bottom else 1.0


ORACLE = {
    "EN": en,
    "SD": lambda a, b, f: f.std(),
    "SF": lambda a, b, f: np.sqrt(
        (np.diff(f, axis=1) ** 2).mean() + (np.diff(f, axis=0) ** 2).mean()
    ),
    "AG": ag,
    "AG_rc1": lambda a, b, f: ag(a, b, f) * f.size / ((f.shape[0] - 1) * (f.shape[1] - 1)),
    "EI": ei,
    "MI": mi,
    "MI_log2": lambda a, b, f: mi(a, b, f) / np.log(2),
    "CE": ce,
    "MSE": mse,
    "MSE_01": lambda a, b, f: mse(a, b, f) / 65025,
    "PSNR": lambda a, b, f: psnr(255, mse(a, b, f)),
    "PSNR_maxF": lambda a, b, f: psnr(f.max(), mse(a, b, f)),
    "CC": lambda a, b, f: (r(a, f) + r(b, f)) / 2,
    "SCD": lambda a, b, f: r(f - b, a) + r(f - a, b),
    "SCD_zero": lambda a, b, f: np.nan_to_num(r(f - b, a)) + np.nan_to_num(r(f - a, b)),
    "SSIM": lambda a, b, f: (wang(f, a) + wang(f, b)) / 2,
    "SSIM_sum": lambda a, b, f: wang(f, a) + wang(f, b),
    "SSIM_cddfuse": lambda a, b, f: uniform(f, a, 2) + uniform(f, b, 2),
    "SSIM_u7_L255_sum": lambda a, b, f: uniform(f, a, 255) + uniform(f, b, 255),
    "Qabf": qabf,
    "VIF": lambda a, b, f: vifp(a, f) + vifp(b, f),
    "Nabf": edge.nabf,
    "Qcb": edge.qcb,
    "Qcv": edge.qcv,
    "QMI": edge.qmi,
    "QNCIE": edge.qncie,
    "QG": edge.qg,
    "QS": window.qs,
    "QW": window.qw,
    "QY": window.qy,
    "QP": qp,
    **FMI,
}


@pytest.fixture(scope="session")
def oracle():
    """Metric name to its slow reference, a function of float64 images a, b and fused."""
    return ORACLE | oracles_windowed.ORACLE | oracles_guards.ORACLE
