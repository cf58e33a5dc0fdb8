"""Time the windowed metrics against their best separable SciPy forms, and check that both agree.

    python benchmarks/metrics_windowed.py [--size 640x480] [--candidates 25] [--repeats 5]

Unlike the plain baseline of metrics.py, the forms here are what one would write with care:
separable filters, moments of the fused image shared by both sources, no loop over pixels. They see
one triple at a time; ours prepares the sources once a scene, which is timed. One thread; minima
over repeats.
"""

from __future__ import annotations

import argparse

import numpy as np
from metrics import best, scene, shared_ms
from scipy.ndimage import convolve1d, gaussian_filter, sobel, uniform_filter

from fusionlab.metrics import prepare

TOLERANCE = 1e-6


def gaussian(x, crop=5):
    """Filter by the 11 x 11 Gaussian; `valid` when cropped."""
    y = gaussian_filter(x, 1.5, radius=5, mode="nearest")
    return y[crop:-crop, crop:-crop] if crop else y


def similarity_maps(a, b, f, white, crop):
    """Return, for a and for b, maps of ssim, its contrast-structure factor, and the variance."""
    c1, c2 = (0.01 * white) ** 2, (0.03 * white) ** 2
    uf = gaussian(f, crop)
    vf = gaussian(f * f, crop) - uf * uf
    maps = []
    for x in (a, b):
        ux = gaussian(x, crop)
        vx = gaussian(x * x, crop) - ux * ux
        structure = (2 * (gaussian(x * f, crop) - ux * uf) + c2) / (vx + vf + c2)
        whole = structure * (2 * ux * uf + c1) / (ux * ux + uf * uf + c1)
        maps.append((whole, structure, vx))
    return maps


def padded(white):
    """Return SSIM with replicated borders for a range."""

    def mean(a, b, f):
        return np.mean([whole for whole, _, _ in similarity_maps(a, b, f, white, 0)])

    return mean


def halved(x):
    """Average 2 x 2 pixels."""
    x = np.pad(x, [(0, side % 2) for side in x.shape], mode="edge")
    return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4


def ms_ssim(a, b, f):
    """Multi-scale SSIM."""
    values = np.ones(2)
    for level, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        if level:
            a, b, f = halved(a), halved(b), halved(f)
        for i, (whole, structure, _) in enumerate(similarity_maps(a, b, f, 255, 5)):
            values[i] *= max((whole if level == 4 else structure).mean(), 0) ** weight
    return values.mean()


def separable(taps, margin):
    """Return a `valid` separable filter."""

    def apply(x):
        y = convolve1d(convolve1d(x, taps, axis=0), taps, axis=1)
        return y[margin:-margin, margin:-margin]

    return apply


def viff(a, b, f):
    """Visual information fidelity for fusion."""
    noise, c, value = 0.005 * 255**2, 1e-7, 0.0
    images = [x - np.rint(x.mean()) for x in (a, b, f)]
    for n, share in ((17, 1 / 2.15), (9, 0), (5, 0.15 / 2.15), (3, 1 / 2.15)):
        k = np.arange(n) - n // 2
        taps = np.exp(-(k**2) / (2 * (n / 5) ** 2))
        h = separable(taps / taps.sum(), n // 2)
        if n < 17:
            images = [h(x)[::2, ::2] for x in images]
        if share:
            top, bottom = smaller_gain(*images, h, noise)
            value += share * (top + c).sum() / (bottom + c).sum()
    return value


def smaller_gain(a, b, f, h, noise):
    """Return numerators and denominators of the source with the smaller gain."""
    mf = h(f)
    s22 = np.maximum(h(f * f) - mf * mf, 0)
    parts = []
    for x in (a, b):
        mx = h(x)
        s11 = np.maximum(h(x * x) - mx * mx, 0)
        s12 = h(x * f) - mx * mf
        used = (s11 >= 1e-10) & (s22 >= 1e-10) & (s12 > 0)
        g = np.where(used, s12 / (s11 + 1e-10), 0)
        sv = np.maximum(np.where(used, s22 - g * s12, s22), 1e-10)
        parts.append((g, np.log10(1 + g * g * s11 / (sv + noise)), np.log10(1 + s11 / noise)))
    first = parts[0][0] < parts[1][0]
    return (np.where(first, parts[0][i], parts[1][i]) for i in (1, 2))


def mef_ssim(a, b, f):
    """MEF-SSIM of two exposures, three scales."""
    value, exponents = 1.0, (0.0448, 0.2856, 0.3001)
    for level, exponent in enumerate(exponents):
        if level:
            a, b, f = halved(a), halved(b), halved(f)
        value *= mef_quality(a, b, f) ** (exponent / sum(exponents))
    return value


def mef_quality(*images):
    """MEF-SSIM of two exposures, one scale."""
    a, b, f = (x - 128.0 for x in images)
    c = (0.03 * 255) ** 2

    def box(x, y):
        total = uniform_filter(x * y, 11) - uniform_filter(x, 11) * uniform_filter(y, 11)
        return 121 * total[5:-5, 5:-5]

    aa, bb, ab = box(a, a), box(b, b), box(a, b)
    na, nb = np.sqrt(np.maximum(aa, 0)), np.sqrt(np.maximum(bb, 0))
    together = np.sqrt(np.maximum(aa + bb + 2 * ab, 0))
    ratio = np.minimum(together / np.maximum(na + nb, 1e-12), 1 - 2e-16)
    p = np.minimum(np.tan(np.pi / 2 * ratio), 10)
    ea, eb = na + 0.001, nb + 0.001
    wa, wb = (ea / 11) ** p + 2e-16, (eb / 11) ** p + 2e-16
    ga, gb = wa / (wa + wb) / ea, wb / (wa + wb) / eb
    norm = np.sqrt(np.maximum(ga * ga * aa + gb * gb * bb + 2 * ga * gb * ab, 1e-300))
    scale = np.maximum(ea, eb) / norm
    ga, gb = ga * scale, gb * scale
    ma, mb, mf = gaussian(a), gaussian(b), gaussian(f)
    power = ga * ga * (gaussian(a * a) - ma * ma) + gb * gb * (gaussian(b * b) - mb * mb)
    power += 2 * ga * gb * (gaussian(a * b) - ma * mb) + gaussian(f * f) - mf * mf
    cross = ga * (gaussian(a * f) - ma * mf) + gb * (gaussian(b * f) - mb * mf)
    return np.mean((2 * cross + c) / (power + c))


def sels(a, b, f):
    """SSIM to the source of larger local variance."""
    (with_a, _, var_a), (with_b, _, var_b) = similarity_maps(a, b, f, 255, 5)
    chosen = np.where(var_a > var_b, with_a, with_b)
    return np.where(np.abs(var_a - var_b) <= 1e-8, (with_a + with_b) / 2, chosen).mean()


def gerr(a, b, f):
    """Error against the larger source gradient."""
    (ax, ay), (bx, by), (fx, fy) = (
        (sobel(x, 1, mode="nearest"), sobel(x, 0, mode="nearest")) for x in (a, b, f)
    )
    aa, bb = ax * ax + ay * ay, bx * bx + by * by
    other = (bb > aa) | ((bb == aa) & ((bx > ax) | ((bx == ax) & (by > ay))))
    gx, gy = np.where(other, bx, ax), np.where(other, by, ay)
    return np.hypot(fx - gx, fy - gy).sum() / np.hypot(gx, gy).sum()


CAREFUL = {
    "SSIM_repl_L255": padded(255),
    "SSIM_tang": padded(1),
    "MS_SSIM": ms_ssim,
    "VIFF": viff,
    "MEF_SSIM_1s": mef_quality,
    "MEF_SSIM": mef_ssim,
    "SELS": sels,
    "GERR": gerr,
}


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="640x480", help="width x height")
    parser.add_argument("--candidates", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    a, b, candidates = scene(height, width, options.candidates)
    triple = [x.astype(float) for x in (a, b, candidates[0])]
    values = prepare((a, b), tuple(CAREFUL)).measure(candidates[0])
    print(f"{options.size}, {options.candidates} candidates a scene, one thread, ms a triple")
    print(f"{'metric':16}{'SciPy':>9}{'fusionlab':>11}{'ratio':>8}{'difference':>12}")
    for name, careful in CAREFUL.items():
        error = abs(careful(*triple) / values[name] - 1)
        if not error <= TOLERANCE:
            raise SystemExit(f"{name}: differs from the baseline by {error:.1e} relative")
        theirs = best(lambda careful=careful: careful(*triple), options.repeats)
        ours = shared_ms(a, b, candidates, (name,), options.repeats)
        print(f"{name:16}{theirs:9.1f}{ours:11.2f}{theirs / ours:8.1f}{error:12.0e}")


if __name__ == "__main__":
    main()
