"""Time the metrics against the plain SciPy way of computing them, and check that both agree.

    python benchmarks/metrics.py [--size 640x480] [--candidates 25] [--repeats 5] [--json]

The baseline is written from the definitions in the style of public evaluators: direct 2-D
convolutions for VIF, uniform filters for SSIM, NumPy Sobel edges for Qabf, labels and pairs of
labels for MI. It sees one triple at a time. Both sides run in this process, on one thread (nothing
here uses more); figures are minima over repeats. Compiling is not timed, preparing the sources is.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.signal import convolve2d
from skimage import data, transform

from fusionlab.metrics import prepare

FIVE = ("EN", "SD", "SSIM_cddfuse", "Qabf", "VIF")
EIGHT = (*FIVE, "SF", "MI", "SCD")
OTHERS = ("SSIM", "AG", "EI", "CC", "PSNR", "CE")
TOLERANCE = 1e-6


def baseline_en(_a, _b, f):
    """Entropy in bits."""
    p = np.bincount(f.astype(np.uint8).ravel(), minlength=256) / f.size
    p = p[p > 0]
    return -(p * np.log2(p)).sum()


def baseline_sd(_a, _b, f):
    """Return the population standard deviation."""
    return np.sqrt(np.mean((f - f.mean()) ** 2))


def baseline_sf(_a, _b, f):
    """Spatial frequency."""
    return np.sqrt(np.mean(np.diff(f, axis=1) ** 2) + np.mean(np.diff(f, axis=0) ** 2))


def baseline_mi(a, b, f):
    """Mutual information in nats, both sources."""

    def information(x, y):
        # as scikit-learn does: label both images, count pairs of labels, sum over occupied cells
        xi, yi = (np.unique(z.ravel(), return_inverse=True)[1] for z in (x, y))
        pairs, counts = np.unique(xi.astype(np.int64) * 65536 + yi, return_counts=True)
        p = counts / x.size
        px, py = np.bincount(xi) / x.size, np.bincount(yi) / x.size
        return (p * np.log(p / (px[pairs // 65536] * py[pairs % 65536]))).sum()

    return information(f, a) + information(f, b)


def baseline_scd(a, b, f):
    """Sum of the correlations of differences."""

    def r(x, y):
        x, y = x - x.mean(), y - y.mean()
        return (x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum())

    return r(f - b, a) + r(f - a, b)


def baseline_ssim_cddfuse(a, b, f):
    """SSIM under a uniform window with L = 2, both sources."""

    def ssim(x, y):
        c1, c2, factor = (0.01 * 2) ** 2, (0.03 * 2) ** 2, 49 / 48
        ux, uy = uniform_filter(x, 7), uniform_filter(y, 7)
        vx = factor * (uniform_filter(x * x, 7) - ux * ux)
        vy = factor * (uniform_filter(y * y, 7) - uy * uy)
        vxy = factor * (uniform_filter(x * y, 7) - ux * uy)
        s = (2 * ux * uy + c1) * (2 * vxy + c2) / ((ux**2 + uy**2 + c1) * (vx + vy + c2))
        return s[3:-3, 3:-3].mean()

    return ssim(f, a) + ssim(f, b)


def baseline_ssim(a, b, f):
    """SSIM under a Gaussian window, mean of both sources."""

    def ssim(x, y):
        def h(z):
            return gaussian_filter(z, 1.5, radius=5)[5:-5, 5:-5]

        c1, c2 = 2.55**2, 7.65**2
        ux, uy = h(x), h(y)
        vx, vy, vxy = h(x * x) - ux * ux, h(y * y) - uy * uy, h(x * y) - ux * uy
        return np.mean(
            (2 * ux * uy + c1) * (2 * vxy + c2) / ((ux**2 + uy**2 + c1) * (vx + vy + c2))
        )

    return (ssim(f, a) + ssim(f, b)) / 2


def baseline_qabf(a, b, f):
    """Edge transfer."""
    kernel_y = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]], dtype=float)
    kernel_x = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=float)

    def edges(x):
        sx, sy = convolve2d(x, kernel_x, "same"), convolve2d(x, kernel_y, "same")
        alpha = np.full(x.shape, np.pi / 2)
        np.divide(sy, sx, out=alpha, where=sx != 0)
        return np.hypot(sx, sy), np.where(sx != 0, np.arctan(alpha), np.pi / 2)

    def kept(gx, ax, gf, af):
        lower, upper = np.minimum(gx, gf), np.maximum(gx, gf)
        strength = np.where(gx == gf, gf, lower / np.where(upper > 0, upper, 1))
        orientation = 1 - np.abs(ax - af) / (np.pi / 2)
        q_g = 0.9994 / (1 + np.exp(-15 * (strength - 0.5)))
        return q_g * 0.9879 / (1 + np.exp(-22 * (orientation - 0.8)))

    (ga, aa), (gb, ab), (gf, af) = edges(a), edges(b), edges(f)
    top = kept(ga, aa, gf, af) * ga + kept(gb, ab, gf, af) * gb
    return top.sum() / (ga + gb).sum()


def baseline_vif(a, b, f):
    """Visual information fidelity, both sources."""
    return baseline_vifp(a, f) + baseline_vifp(b, f)


def baseline_vifp(x, f):
    """Visual information fidelity of f against x."""
    eps, top, bottom = 1e-10, 0.0, 0.0
    for n in (17, 9, 5, 3):
        k = np.arange(n) - n // 2
        g = np.exp(-(k**2) / (2 * (n / 5) ** 2))
        window = np.outer(g, g) / g.sum() ** 2
        if n < 17:
            x = convolve2d(x, window, "valid")[::2, ::2]
            f = convolve2d(f, window, "valid")[::2, ::2]
        m1, m2 = convolve2d(x, window, "valid"), convolve2d(f, window, "valid")
        s11 = np.maximum(convolve2d(x * x, window, "valid") - m1 * m1, 0)
        s22 = np.maximum(convolve2d(f * f, window, "valid") - m2 * m2, 0)
        s12 = convolve2d(x * f, window, "valid") - m1 * m2
        g = s12 / (s11 + eps)
        sv = s22 - g * s12
        flat = s11 < eps
        g[flat], sv[flat], s11[flat] = 0, s22[flat], 0
        flat = s22 < eps
        g[flat], sv[flat] = 0, 0
        against = g < 0
        sv[against], g[against] = s22[against], 0
        sv = np.maximum(sv, eps)
        top += np.log(1 + g * g * s11 / (sv + 2)).sum()
        bottom += np.log(1 + s11 / 2).sum()
    return top / bottom if bottom else 1.0


BASELINE = {
    "EN": baseline_en,
    "SD": baseline_sd,
    "SSIM_cddfuse": baseline_ssim_cddfuse,
    "Qabf": baseline_qabf,
    "VIF": baseline_vif,
    "SF": baseline_sf,
    "MI": baseline_mi,
    "SCD": baseline_scd,
    "SSIM": baseline_ssim,
}


def photograph(name, height, width):
    """Return a photograph of scikit-image as a gray float image of the size asked."""
    gray = getattr(data, name)()
    gray = gray.mean(axis=2) if gray.ndim == 3 else gray
    return transform.resize(gray / 255.0, (height, width), anti_aliasing=True) * 255


def scene(height, width, count):
    """Two photographs as sources, and `count` weighted means of them with a little noise."""
    a, b = photograph("camera", height, width), photograph("astronaut", height, width)
    rng = np.random.default_rng(0)
    candidates = []
    for i in range(count):
        w = (i + 1) / (count + 1)
        noisy = w * a + (1 - w) * b + rng.normal(0, 2, a.shape)
        candidates.append(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    return np.rint(a).astype(np.uint8), np.rint(b).astype(np.uint8), candidates


def best(call, repeats):
    """Return the least milliseconds that `call` took."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def shared_ms(a, b, candidates, metrics, repeats):
    """Milliseconds a candidate, the preparation of the scene included."""

    def run():
        prepared = prepare((a, b), metrics)
        for fused in candidates:
            prepared.measure(fused)

    run()
    return best(run, repeats) / len(candidates)


def compare(height, width, count, repeats):
    """Return one row of figures a metric, and one for each group."""
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
    plain_ms = {r["metric"]: r["baseline_ms"] for r in rows}
    for label, group in (("five", FIVE), ("eight", EIGHT)):
        total = sum(plain_ms[name] for name in group)
        rows.append(row(label, total, shared_ms(a, b, candidates, group, repeats), None))
    rows += [
        row(name, None, shared_ms(a, b, candidates, (name,), repeats), None)
        for name in OTHERS
        if name not in BASELINE
    ]
    return rows


def row(name, baseline_ms, ms, error):
    """Return the figures of one metric."""
    ratio = None if baseline_ms is None else baseline_ms / ms
    return {
        "metric": name,
        "baseline_ms": baseline_ms,
        "ms": ms,
        "ratio": ratio,
        "relative_error": error,
    }


def cell(value, form):
    """Format a figure that may be missing."""
    return "-" if value is None else format(value, form)


def main():
    """Print the table or its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="640x480", help="width x height")
    parser.add_argument("--candidates", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    rows = compare(height, width, options.candidates, options.repeats)
    if options.json:
        print(json.dumps({"size": options.size, "candidates": options.candidates, "rows": rows}))
        return
    print(f"{options.size}, {options.candidates} candidates a scene, one thread, ms a triple")
    print(f"{'metric':14}{'plain SciPy':>12}{'fusionlab':>11}{'ratio':>8}{'difference':>12}")
    for r in rows:
        print(
            f"{r['metric']:14}{cell(r['baseline_ms'], '.2f'):>12}{cell(r['ms'], '.3f'):>11}"
            f"{cell(r['ratio'], '.0f'):>8}{cell(r['relative_error'], '.0e'):>12}"
        )


if __name__ == "__main__":
    main()
