"""Slow reference of FMI: every joint distribution with all of its 81 cells."""

import numpy as np
import pywt
from numpy.lib.stride_tricks import sliding_window_view


def windows(x):
    """Every 3 x 3 window, column by column, (N, 9)."""
    return sliding_window_view(x, (3, 3)).swapaxes(2, 3).reshape(-1, 9)


def spread_out(w):
    """Every window stretched to 0..1; ones if constant."""
    low, high = w.min(1, keepdims=True), w.max(1, keepdims=True)
    return np.where(high > low, (w - low) / np.where(high > low, high - low, 1), 1.0)


def entropy(p):
    return -(p * np.log2(np.abs(np.where(p == 0, 1, p)))).reshape(len(p), -1).sum(1)


def coupling(p, q, most):
    """Joint distribution with the margins p and q whose positions agree most, or least."""
    up, uq = np.cumsum(p, 1)[:, :, None], np.cumsum(q, 1)[:, None, :]
    bound = np.where(most[:, None, None], np.minimum(up, uq), np.maximum(up + uq - 1, 0))
    return np.diff(np.diff(np.pad(bound, ((0, 0), (1, 0), (1, 0))), axis=1), axis=2)


def score(u, v):
    p, q = u / u.sum(1, keepdims=True), v / v.sum(1, keepdims=True)
    k = np.arange(9)
    mp, mq = p @ k, q @ k
    sp, sq = (np.sqrt(np.maximum(z @ k**2 - m * m, 0)) for z, m in ((p, mp), (q, mq)))
    dp, dq = p - 1 / 9, q - 1 / 9
    flat_p, flat_q = (z.max(1) == z.min(1) for z in (p, q))
    norm = np.sqrt((dp * dp).sum(1) * (dq * dq).sum(1))
    none = flat_p | flat_q
    r = np.where(none, flat_p & flat_q, (dp * dq).sum(1) / np.where(none, 1, norm))
    bounds = coupling(p, q, r >= 0)
    reach = np.einsum("nij,i,j->n", bounds, k, k) - mp * mq
    some = (r != 0) & (sp > 0) & (sq > 0)
    phi = np.where(some, r * sp * sq / np.where(some, reach, 1), 0)[:, None, None]
    joint = phi * bounds + (1 - phi) * p[:, :, None] * q[:, None, :]
    whole = entropy(p) + entropy(q)
    return np.where(whole > 0, 2 * (whole - entropy(joint)) / np.where(whole > 0, whole, 1), 0)


def fmi(a, b, f):
    a, b, f = map(windows, (a, b, f))
    like_a = (a == f).all(1)
    left = np.where(like_a[:, None], f, spread_out(f))
    like_b = (b == left).all(1)
    a, b, f = map(spread_out, (a, b, f))
    return (np.where(like_a, 1, score(a, f)) + np.where(like_b, 1, score(b, f))).mean() / 2


def gradient(x):
    return np.gradient(x, axis=1)


def cosine(x):
    """DCT-II by its matrices."""

    def matrix(n):
        k = np.arange(n)
        c = np.sqrt(2 / n) * np.cos(np.pi * np.outer(k, 2 * k + 1) / (2 * n))
        c[0] /= np.sqrt(2)
        return c

    return matrix(x.shape[0]) @ x @ matrix(x.shape[1]).T


def wavelet(x):
    """One level, column by column and row by row."""
    low, high = pywt.dwt(x, "dmey", axis=0)
    (aa, ad), (da, dd) = (pywt.dwt(z, "dmey", axis=1) for z in (low, high))
    y = np.vstack([np.hstack([aa, da]), np.hstack([ad, dd])])
    return (y - y.min()) / (y.max() - y.min())


FMI = {
    "FMI_pixel": fmi,
    "FMI_gradient": lambda *x: fmi(*map(gradient, x)),
    "FMI_dct": lambda *x: fmi(*map(cosine, x)),
    "FMI_w": lambda *x: fmi(*map(wavelet, x)),
}
