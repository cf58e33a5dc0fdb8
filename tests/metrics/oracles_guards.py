"""Slow references of the guards, written from the definitions, for any number of sources."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter
from scipy.signal import convolve2d

MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])


def copyd(sources, f):
    first = sources[:2]
    trivial = [*sources, *(g(s, axis=0) for s in (sources, first) for g in (np.mean, np.max))]
    apart = max(np.abs(x - y).mean() for x in sources for y in sources)
    return min(np.maximum(np.abs(f - t) - 0.5, 0).mean() for t in trivial) / apart


def fine(x):
    return np.abs(convolve2d(x, MASK, "valid"))


def blocks(x, side):
    """Every block of side x side pixels, smaller at the right and lower border."""
    height, width = x.shape
    return [
        x[y : y + side, z : z + side] for y in range(0, height, side) for z in range(0, width, side)
    ]


def noisex(sources, f):
    largest = np.max([fine(s) for s in sources], axis=0)
    light = [[b.mean() for b in blocks(s[1:-1, 1:-1], 8)] for s in sources]
    lit = np.max(light, axis=0) > 5
    lit = lit if lit.any() else np.full_like(lit, True)
    activity = np.array([b.mean() for b in blocks(largest, 8)])
    rank = int((lit.sum() - 1) * 0.25)
    calm = lit & (activity <= np.sort(activity[lit])[rank])

    def sigma(x):
        chosen = [b for b, c in zip(blocks(fine(x), 8), calm, strict=True) if c]
        return np.sqrt(np.pi / 2) / 6 * np.concatenate([b.ravel() for b in chosen]).mean()

    return sigma(f) - max(sigma(s) for s in sources)


def sharpx(sources, f):
    whole = np.max([fine(s) for s in sources], axis=0).sum()
    return (fine(f).sum() - whole) / whole


def extremes(images, side):
    padded = [np.pad(x, side // 2, constant_values=np.nan) for x in images]
    windows = [sliding_window_view(x, (side, side)) for x in padded]
    low = np.min([np.nanmin(w, axis=(2, 3)) for w in windows], axis=0)
    return low, np.max([np.nanmax(w, axis=(2, 3)) for w in windows], axis=0)


def outside(f, low, high):
    return np.maximum(f - high, 0) + np.maximum(low - f, 0)


def envx(sources, f):
    return outside(f, *extremes(sources, 7)).mean()


def tonex(sources, f):
    means = np.array([[b.mean() for b in blocks(x, 16)] for x in (*sources, f)])
    return outside(means[-1], means[:-1].min(axis=0), means[:-1].max(axis=0)).mean()


def sdx(sources, f):
    return f.std() / max(s.std() for s in sources)


def clipx(sources, f):
    low, high = np.min(sources, axis=0), np.max(sources, axis=0)
    return (((f == 0) & (low > 4)) | ((f == 255) & (high < 251))).mean()


def halo(sources, f):
    def detail(x):
        return x - uniform_filter(x, 31, mode="nearest")

    low, high = extremes(sources, 15)
    strong = high - low >= 40
    least, most = extremes([detail(s) for s in (*sources, np.zeros_like(f))], 7)
    excess = outside(detail(f), least, most)[strong]
    return (excess / (high - low)[strong]).mean() if strong.any() else 0.0


def half_detail(x):
    x = np.pad(x, [(0, n % 2) for n in x.shape], mode="symmetric")
    half = (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4
    return half - uniform_filter(half, 9, mode="nearest")


def fitted(sources, f):
    detail = half_detail(f)
    columns = np.stack([half_detail(s).ravel() for s in sources], axis=1)
    fit = (columns @ np.linalg.lstsq(columns, detail.ravel())[0]).reshape(detail.shape)
    return detail, fit


def alien(sources, f):
    detail, fit = fitted(sources, f)
    return ((detail - fit) ** 2).sum() / (detail**2).sum()


def ghost(sources, f):
    detail, fit = fitted(sources, f)
    rest, wide = detail - fit, np.pad(fit, 6)
    height, width = rest.shape
    found = [
        (rest * wide[6 + i : 6 + i + height, 6 + j : 6 + j + width]).sum()
        for i in range(-6, 7)
        for j in range(-6, 7)
        if max(abs(i), abs(j)) > 1
    ]
    return max(0, *found) / np.sqrt((fit**2).sum() * (detail**2).sum())


OF_ALL = {
    "COPYD": copyd,
    "NOISEX": noisex,
    "SHARPX": sharpx,
    "ENVX": envx,
    "TONEX": tonex,
    "SDX": sdx,
    "CLIPX": clipx,
    "HALO": halo,
    "ALIEN": alien,
    "GHOST": ghost,
}
"""Guard to a function of all sources and the fused image."""

ORACLE = {name: lambda a, b, f, g=g: g([a, b], f) for name, g in OF_ALL.items()}
