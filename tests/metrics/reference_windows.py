"""Slow references of QS, QW and QY, window by window, with two-pass moments."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def gaussian(n):
    k = np.arange(n) - n // 2
    g = np.exp(-(k**2) / 4.5)
    return np.outer(g, g) / g.sum() ** 2


def moments(x, y, n):
    window = gaussian(n)
    u, v = (sliding_window_view(z, window.shape) for z in (x, y))
    mu, mv = (u * window).sum((2, 3)), (v * window).sum((2, 3))
    du, dv = u - mu[..., None, None], v - mv[..., None, None]
    suu, svv, suv = ((p * window).sum((2, 3)) for p in (du * du, dv * dv, du * dv))
    return mu, mv, suu, svv, suv


def similarity(x, y, n, c1, c2):
    mu, mv, suu, svv, suv = moments(x, y, n)
    return (2 * mu * mv + c1) * (2 * suv + c2) / ((mu**2 + mv**2 + c1) * (suu + svv + c2))


def piella(a, b, f):
    """Local quality and the larger variance."""
    saa, sbb = moments(a, b, 11)[2:4]
    flat = (saa < 1e-9) & (sbb < 1e-9)
    saa, sbb = (np.where(flat, 0.5, s) for s in (saa, sbb))
    share = saa / (saa + sbb)
    ssim_a, ssim_b = (similarity(x, f, 11, 2.55**2, 7.65**2) for x in (a, b))
    return share * ssim_a + (1 - share) * ssim_b, np.maximum(saa, sbb)


def qs(a, b, f):
    return piella(a, b, f)[0].mean()


def qw(a, b, f):
    quality, weight = piella(a, b, f)
    return (quality * weight).sum() / weight.sum()


def yang(x, y):
    return similarity(x, y, 7, 2e-16, 2e-16)


def qy(a, b, f):
    saa, sbb = moments(a, b, 7)[2:4]
    flat = (saa < 1e-9) & (sbb < 1e-9)
    share = saa / np.where(flat, np.nan, saa + sbb)
    ssim_a, ssim_b = yang(a, f), yang(b, f)
    mixed = share * ssim_a + (1 - share) * ssim_b
    return np.nanmean(np.where(yang(a, b) >= 0.75, mixed, np.maximum(ssim_a, ssim_b)))
