"""Slow references, window by window, of MS-SSIM, VIFF, MEF-SSIM and the local criteria."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import correlate
from scipy.signal import convolve2d


def window(n, sigma):
    k = np.arange(n) - n // 2
    g = np.exp(-(k**2) / (2 * sigma**2))
    return np.outer(g, g) / g.sum() ** 2


GAUSSIAN = window(11, 1.5)


def moments(x, y):
    """Two-pass moments under the Gaussian: means, variances, covariance of every window."""
    u, v = (sliding_window_view(z, (11, 11)) for z in (x, y))
    mu, mv = (u * GAUSSIAN).sum((2, 3)), (v * GAUSSIAN).sum((2, 3))
    du, dv = u - mu[..., None, None], v - mv[..., None, None]
    return mu, mv, *((p * GAUSSIAN).sum((2, 3)) for p in (du * du, dv * dv, du * dv))


def ssim_maps(x, y, white=255):
    """Maps of ssim and of its contrast-structure factor."""
    c1, c2 = (0.01 * white) ** 2, (0.03 * white) ** 2
    mu, mv, suu, svv, suv = moments(x, y)
    structure = (2 * suv + c2) / (suu + svv + c2)
    return structure * (2 * mu * mv + c1) / (mu**2 + mv**2 + c1), structure


def padded_ssim(x, y, white):
    return ssim_maps(np.pad(x, 5, mode="edge"), np.pad(y, 5, mode="edge"), white)[0].mean()


def halved(x):
    """Every pixel's mean with its right, lower and lower right neighbour; then every second."""
    x = np.pad(x, ((0, 1), (0, 1)), mode="symmetric")
    mean = (x[:-1, :-1] + x[1:, :-1] + x[:-1, 1:] + x[1:, 1:]) / 4
    return mean[::2, ::2]


def ms_ssim(x, y):
    value = 1.0
    for level, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        if level:
            x, y = halved(x), halved(y)
        whole, structure = ssim_maps(x, y)
        value *= max((whole if level == 4 else structure).mean(), 0.0) ** weight
    return value


def gains(x, f, h, noise):
    """Maps g, log10(1 + g^2 s11 / (sv + noise)) and log10(1 + s11 / noise)."""
    eps = 1e-10
    m1, m2, xx, ff, xf = (convolve2d(z, h, "valid") for z in (x, f, x * x, f * f, x * f))
    s11, s22 = np.maximum(xx - m1 * m1, 0), np.maximum(ff - m2 * m2, 0)
    s12 = xf - m1 * m2
    g = s12 / (s11 + eps)
    sv = s22 - g * s12
    flat = s11 < eps
    g[flat], sv[flat], s11[flat] = 0, s22[flat], 0
    flat = s22 < eps
    g[flat], sv[flat] = 0, 0
    against = g < 0
    sv[against], g[against] = s22[against], 0
    sv = np.maximum(sv, eps)
    return g, np.log10(1 + g * g * s11 / (sv + noise)), np.log10(1 + s11 / noise)


def viff(a, b, f):
    noise, c, value = 0.005 * 255**2, 1e-7, 0.0
    a, b, f = a - 100.0, b - 100.0, f - 100.0
    for n, share in zip((17, 9, 5, 3), (1, 0, 0.15, 1), strict=True):
        h = window(n, n / 5)
        if n < 17:
            a, b, f = (convolve2d(z, h, "valid")[::2, ::2] for z in (a, b, f))
        ga, top_a, bottom_a = gains(a, f, h, noise)
        gb, top_b, bottom_b = gains(b, f, h, noise)
        top, bottom = np.where(ga < gb, top_a, top_b), np.where(ga < gb, bottom_a, bottom_b)
        value += share / 2.15 * (top + c).sum() / (bottom + c).sum()
    return value


def wanted_patch(patches):
    """The patch that Ma's index wants, of (K, 11, 11) patches of the exposures."""
    apart = patches - patches.mean((1, 2), keepdims=True)
    norms = np.array([np.linalg.norm(p) for p in apart])
    energies = norms + 0.001
    ratio = np.linalg.norm(apart.sum(0)) / norms.sum() if norms.sum() > 0 else 1.0
    p = min(np.tan(np.pi / 2 * ratio), 10) if ratio < 1 - 1e-15 else 10
    weights = (energies / 11) ** p + np.finfo(float).eps
    weights /= weights.sum()
    r = (weights / energies) @ apart.reshape(len(patches), -1)
    norm = np.linalg.norm(r)
    return (r * energies.max() / norm if norm > 0 else r).reshape(11, 11)


def patch_quality(shots, f):
    """Window by window, from the patch itself."""
    c, total = (0.03 * 255) ** 2, []
    views = [sliding_window_view(x, (11, 11)) for x in (*shots, f)]
    for i in range(views[0].shape[0]):
        for j in range(views[0].shape[1]):
            *patches, y = (v[i, j] for v in views)
            r = wanted_patch(np.array(patches))
            r, y = r - (GAUSSIAN * r).sum(), y - (GAUSSIAN * y).sum()
            s11, s22, s12 = ((GAUSSIAN * p).sum() for p in (r * r, y * y, r * y))
            total.append((2 * s12 + c) / (s11 + s22 + c))
    return np.mean(total)


def mef_ssim(shots, f):
    value, exponents = 1.0, (0.0448, 0.2856, 0.3001)
    for level, exponent in enumerate(exponents):
        if level:
            shots, f = [halved(x) for x in shots], halved(f)
        value *= max(patch_quality(shots, f), 0.0) ** (exponent / sum(exponents))
    return value


def sels(a, b, f):
    var_a, var_b = moments(a, a)[2], moments(b, b)[2]
    with_a, with_b = ssim_maps(f, a)[0], ssim_maps(f, b)[0]
    chosen = np.where(var_a > var_b, with_a, with_b)
    return np.where(
        np.isclose(var_a, var_b, rtol=0, atol=1e-8), (with_a + with_b) / 2, chosen
    ).mean()


def gerr(a, b, f):
    """Pixel by pixel."""
    k = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    gradients = [
        list(
            zip(
                correlate(x, k, mode="nearest").flat,
                correlate(x, k.T, mode="nearest").flat,
                strict=True,
            )
        )
        for x in (a, b, f)
    ]
    error = whole = 0.0
    for of_a, of_b, (x, y) in zip(*gradients, strict=True):
        gx, gy = max(of_a, of_b, key=lambda g: (g[0] ** 2 + g[1] ** 2, *g))
        error += np.hypot(x - gx, y - gy)
        whole += np.hypot(gx, gy)
    return error / whole


def ms_gerr(a, b, f):
    errors = []
    for _ in range(4):
        errors.append(gerr(a, b, f))
        a, b, f = (halved_by_hand(x) for x in (a, b, f))
    return np.mean(errors)


def halved_by_hand(x):
    padded = np.pad(x, [(0, n % 2) for n in x.shape], mode="edge")
    return padded.reshape(padded.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))


ORACLE = {
    "SSIM_repl_L255": lambda a, b, f: (padded_ssim(f, a, 255) + padded_ssim(f, b, 255)) / 2,
    "SSIM_tang": lambda a, b, f: (padded_ssim(f, a, 1) + padded_ssim(f, b, 1)) / 2,
    "MS_SSIM": lambda a, b, f: (ms_ssim(f, a) + ms_ssim(f, b)) / 2,
    "VIFF": viff,
    "VIFFd": lambda a, b, f: abs(1 - viff(a, b, f)),
    "VIFFcap": lambda a, b, f: min(1, viff(a, b, f)),
    "MEF_SSIM": lambda a, b, f: mef_ssim([a, b], f),
    "MEF_SSIM_1s": lambda a, b, f: patch_quality([a, b], f),
    "SELS": sels,
    "GERR": gerr,
    "MS_GERR": ms_gerr,
}
