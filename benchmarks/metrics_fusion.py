"""Time Nabf, Qcb, Qcv, FMI and Liu's metrics against separable and FFT forms in SciPy.

    python benchmarks/metrics_fusion.py [--size 640x480] [--candidates 25] [--repeats 5]

The baselines are the best that NumPy and SciPy give without compiled code: real transforms,
separable filters, whole-array arithmetic. They see one triple at a time. FMI has none, as its 81
cells a window make no array of reasonable size; nor has QP, most of which is FFT on both sides.
Figures are minima over repeats; see metrics.py.
"""

from __future__ import annotations

import argparse

import numpy as np
from metrics import TOLERANCE, best, cell, row, scene, shared_ms
from scipy import fft
from scipy.ndimage import correlate1d, gaussian_filter, sobel

from fusionlab.metrics import prepare

OTHERS = ("FMI_pixel", "FMI_gradient", "FMI_dct", "FMI_w", "QP")


def edges(x, mode):
    """Gradient strength and its two parts."""
    sx, sy = sobel(x, axis=1, mode=mode), sobel(x, axis=0, mode=mode)
    return np.sqrt(sx * sx + sy * sy), sx, sy


def sigmoid(k, sigma, x):
    """Return 1 / (1 + exp(k (x - sigma)))."""
    return 1 / (1 + np.exp(k * (x - sigma)))


def wrapped(alpha_x, alpha_f):
    """Return the agreement of two orientations, 0..1."""
    return np.abs(np.abs(alpha_x - alpha_f) - np.pi / 2) * 2 / np.pi


def baseline_nabf(a, b, f):
    """Fusion artifacts."""
    maps = []
    for x in (f, a, b):
        g, sx, sy = edges(x, "mirror")
        alpha = np.arctan(np.divide(sx, sy, out=np.full(x.shape, np.inf), where=sy != 0))
        maps.append((g / 8, np.where(g > 0, alpha, 0)))
    (gf, af), *sources = maps
    added = (gf > sources[0][0]) & (gf > sources[1][0])
    top = bottom = 0.0
    for g, alpha in sources:
        w = np.where(g >= 2, g**1.5, 0.001)
        strength = np.minimum(g, gf) / np.maximum(np.maximum(g, gf), 1e-300)
        q = 0.9999 * 0.9995 * sigmoid(-19, 0.5, strength) * sigmoid(-22, 0.5, wrapped(alpha, af))
        top += ((1 - np.sqrt(q)) * w)[added].sum()
        bottom += w.sum()
    return top / bottom


def baseline_qg(a, b, f):
    """Edge transfer as in Liu's comparison."""
    maps = []
    for x in (f, a, b):
        g, sx, sy = edges(x, "constant")
        maps.append((g, np.arctan(sy / np.where(sx == 0, 1e-5, sx))))
    (gf, af), *sources = maps
    top = bottom = 0.0
    for g, alpha in sources:
        w = np.where(g == 0, 1e-5, g)
        strength = np.where(g > gf, gf / w, w / np.where(gf == 0, 1e-5, gf))
        gf = np.where(gf == 0, 1e-5, gf)
        top = top + w * sigmoid(-10, 0.5, strength) * sigmoid(-20, 0.75, wrapped(alpha, af))
        bottom = bottom + w
    return (top / bottom).mean()


def stretched(x):
    """Stretch to 0..255 and round."""
    return np.floor((x - x.min()) / (x.max() - x.min()) * 255 + 0.5)


def radius(shape, scale):
    """Return the frequencies of `rfft2`."""
    u, v = fft.rfftfreq(shape[1], 0.5 / shape[1]), fft.fftfreq(shape[0], 0.5 / shape[0])
    return np.hypot(u, v[:, None]) / scale


def baseline_qcb(a, b, f):
    """Contrast kept."""
    r = radius(f.shape, 30)
    response = np.exp(-((r / 15.387) ** 2)) - 0.7622 * np.exp(-((r / 1.3456) ** 2))
    k = np.arange(-15, 16)

    def contrast(x):
        y = fft.irfft2(fft.rfft2(stretched(x)) * response, s=x.shape)
        blurred = []
        for s in (2.0, 4.0):
            taps = np.exp(-(k**2) / (2 * s * s)) / (np.sqrt(2 * np.pi) * s)
            rows = correlate1d(y, taps, axis=0, mode="constant")
            blurred.append(correlate1d(rows, taps, axis=1, mode="constant"))
        c = np.abs(blurred[0] / blurred[1] - 1)
        return c**3 / (c**2 + 1e-4)

    ca, cb, cf = map(contrast, (a, b, f))
    q_a, q_b = (np.minimum(c, cf) / np.maximum(c, cf) for c in (ca, cb))
    return ((ca**2 * q_a + cb**2 * q_b) / (ca**2 + cb**2)).mean()


def baseline_qcv(a, b, f):
    """Visible difference."""
    r = 0.144 * radius(f.shape, 8)
    response = 2.6 * (0.0192 + r) * np.exp(-(r**1.1))
    a, b, f = map(stretched, (a, b, f))
    pad = [(0, -n % 16) for n in f.shape]

    def blocks(x):
        y = np.pad(x, pad)
        return y.reshape(y.shape[0] // 16, 16, y.shape[1] // 16, 16).sum((1, 3))

    top = bottom = 0.0
    for x in (a, b):
        weight = blocks(edges(x, "constant")[0] ** 5)
        seen = fft.irfft2(fft.rfft2(x - f) * response, s=x.shape)
        top += (weight * blocks(seen**2)).sum() / 256
        bottom += weight.sum()
    return top / bottom


def similarity(x, y, radius, c1, c2):
    """Return the map of structural similarity, and the local variance of x."""

    def h(z):
        return gaussian_filter(z, 1.5, radius=radius)[radius:-radius, radius:-radius]

    ux, uy = h(x), h(y)
    vx, vy, vxy = h(x * x) - ux * ux, h(y * y) - uy * uy, h(x * y) - ux * uy
    return (2 * ux * uy + c1) * (2 * vxy + c2) / ((ux**2 + uy**2 + c1) * (vx + vy + c2)), vx


def baseline_qs(a, b, f):
    """Similarity shared out by local variances."""
    (s_a, v_a), (s_b, v_b) = (similarity(x, f, 5, 2.55**2, 7.65**2) for x in (a, b))
    share = v_a / (v_a + v_b)
    return (share * s_a + (1 - share) * s_b).mean()


def baseline_qy(a, b, f):
    """Similarity to both or the better source."""
    (s_a, v_a), (s_b, v_b) = (similarity(x, f, 3, 2e-16, 2e-16) for x in (a, b))
    share = v_a / (v_a + v_b)
    alike = similarity(a, b, 3, 2e-16, 2e-16)[0] >= 0.75
    return np.where(alike, share * s_a + (1 - share) * s_b, np.maximum(s_a, s_b)).mean()


def baseline_qmi(a, b, f):
    """Mutual information normalised by the entropies."""

    def entropy(levels, bins):
        p = np.bincount(levels.ravel(), minlength=bins) / levels.size
        p = p[p > 0]
        return -(p * np.log(p)).sum()

    a, b, f = (x.astype(np.int64) for x in (a, b, f))
    hf, total = entropy(f, 256), 0.0
    for x in (a, b):
        hx = entropy(x, 256)
        total += 2 * (hf + hx - entropy(256 * x + f, 65536)) / (hf + hx)
    return total


BASELINE = {
    "Nabf": baseline_nabf,
    "Qcb": baseline_qcb,
    "Qcv": baseline_qcv,
    "QMI": baseline_qmi,
    "QG": baseline_qg,
    "QS": baseline_qs,
    "QY": baseline_qy,
}


def compare(height, width, count, repeats):
    """Return one row of figures a metric."""
    a, b, candidates = scene(height, width, count)
    triple = [x.astype(float) for x in (a, b, candidates[0])]
    values = prepare((a, b), tuple(BASELINE)).measure(candidates[0])
    rows = []
    for name, plain in BASELINE.items():
        error = abs(plain(*triple) / values[name] - 1)
        if not error <= TOLERANCE:
            raise SystemExit(f"{name}: differs from the baseline by {error:.1e} relative")
        plain_ms = best(lambda plain=plain: plain(*triple), repeats)
        rows.append(row(name, plain_ms, shared_ms(a, b, candidates, (name,), repeats), error))
    alone = [row(name, None, shared_ms(a, b, candidates, (name,), 1), None) for name in OTHERS]
    return rows + alone


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="640x480", help="width x height")
    parser.add_argument("--candidates", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    print(f"{options.size}, {options.candidates} candidates a scene, one thread, ms a triple")
    print(f"{'metric':14}{'SciPy':>10}{'fusionlab':>11}{'ratio':>8}{'difference':>12}")
    for r in compare(height, width, options.candidates, options.repeats):
        print(
            f"{r['metric']:14}{cell(r['baseline_ms'], '.2f'):>10}{cell(r['ms'], '.3f'):>11}"
            f"{cell(r['ratio'], '.1f'):>8}{cell(r['relative_error'], '.0e'):>12}"
        )


if __name__ == "__main__":
    main()
