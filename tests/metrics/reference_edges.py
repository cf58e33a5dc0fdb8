"""Slow references of Nabf, QG, Qcb, Qcv, QMI and QNCIE, written from their definitions."""

import numpy as np
from scipy.ndimage import correlate
from scipy.signal import convolve2d

SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def sigmoid(gamma, k, sigma, x):
    return gamma / (1 + np.exp(k * (x - sigma)))


def nabf(a, b, f):
    """Pixel by pixel."""

    def edges(x):
        sh = correlate(x, SOBEL, mode="mirror").ravel() / 8
        sv = correlate(x, SOBEL.T, mode="mirror").ravel() / 8
        return np.hypot(sh, sv), np.array(
            [np.arctan2(h, v) if h or v else 0.0 for h, v in zip(sh, sv, strict=True)]
        )

    def kept(gx, ax, gf, af):
        strength = min(gx, gf) / max(gx, gf)
        orientation = abs(abs(np.arctan(np.tan(ax)) - np.arctan(np.tan(af))) - np.pi / 2)
        q = sigmoid(0.9999, -19, 0.5, strength)
        return np.sqrt(q * sigmoid(0.9995, -22, 0.5, orientation * 2 / np.pi))

    gf, af = edges(f)
    (ga, aa), (gb, ab) = edges(a), edges(b)
    top = bottom = 0.0
    for i in range(f.size):
        w_a, w_b = (g**1.5 if g >= 2 else 0.001 for g in (ga[i], gb[i]))
        bottom += w_a + w_b
        if gf[i] > ga[i] and gf[i] > gb[i]:
            top += w_a * (1 - kept(ga[i], aa[i], gf[i], af[i]))
            top += w_b * (1 - kept(gb[i], ab[i], gf[i], af[i]))
    return top / bottom


def qg(a, b, f):
    """Array by array, with the stand-ins for zero of the public code, in their order."""

    def edges(x):
        sx = correlate(x, SOBEL, mode="constant")
        sy = correlate(x, SOBEL.T, mode="constant")
        return np.hypot(sx, sy), np.arctan(sy / np.where(sx == 0, 1e-5, sx))

    def kept(strength, ax):
        orientation = np.abs(np.abs(ax - af) - np.pi / 2) * 2 / np.pi
        return sigmoid(1, -10, 0.5, strength) * sigmoid(1, -20, 0.75, orientation)

    def ratio(x, g):
        # as the public code: the smaller over the larger, zeros of the lower part replaced
        some = np.where(x == 0, 1e-5, x)
        return np.where(x > g, g / some, some / np.where(g == 0, 1e-5, g))

    (ga, aa), (gb, ab), (gf, af) = edges(a), edges(b), edges(f)
    w_a, w_b = (np.where(g == 0, 1e-5, g) for g in (ga, gb))
    q_a = kept(ratio(ga, gf), aa)
    q_b = kept(ratio(gb, np.where(gf == 0, 1e-5, gf)), ab)
    return ((q_a * w_a + q_b * w_b) / (w_a + w_b)).mean()


def stretched(x):
    return np.floor((x - x.min()) / (x.max() - x.min()) * 255 + 0.5)


def spectrum_filter(x, response, scale):
    """Multiply the whole complex spectrum, with frequencies in the order of the definition."""
    h, w = x.shape
    u, v = np.meshgrid((np.arange(w) - w // 2) * 2 / w, (np.arange(h) - h // 2) * 2 / h)
    r = np.sqrt((u * w / scale) ** 2 + (v * h / scale) ** 2)
    return np.fft.ifft2(np.fft.ifftshift(np.fft.fftshift(np.fft.fft2(x)) * response(r))).real


def qcb(a, b, f):
    def contrast(x):
        y = spectrum_filter(
            stretched(x),
            lambda r: np.exp(-((r / 15.387) ** 2)) - 0.7622 * np.exp(-((r / 1.3456) ** 2)),
            30,
        )
        k, m = np.mgrid[-15:16, -15:16]
        fine, coarse = (
            convolve2d(y, np.exp(-(k * k + m * m) / (2 * s * s)) / (2 * np.pi * s * s), "same")
            for s in (2.0, 4.0)
        )
        c = np.abs(fine / coarse - 1)
        return c**3 / (c**2 + 1e-4)

    ca, cb, cf = map(contrast, (a, b, f))
    q_a, q_b = (np.minimum(c, cf) / np.maximum(c, cf) for c in (ca, cb))
    return ((ca**2 * q_a + cb**2 * q_b) / (ca**2 + cb**2)).mean()


def qcv(a, b, f):
    """Block by block."""

    def response(r):
        return 2.6 * (0.0192 + 0.144 * r) * np.exp(-((0.144 * r) ** 1.1))

    a, b, f = map(stretched, (a, b, f))
    top = bottom = 0.0
    for x in (a, b):
        seen = spectrum_filter(x - f, response, 8) ** 2
        edge = np.hypot(*(correlate(x, k, mode="constant") for k in (SOBEL, SOBEL.T))) ** 5
        for i in range(0, x.shape[0], 16):
            for j in range(0, x.shape[1], 16):
                weight = edge[i : i + 16, j : j + 16].sum()
                top += weight * seen[i : i + 16, j : j + 16].sum() / 256
                bottom += weight
    return top / bottom


def information(x, y):
    """Entropies of both and their mutual information, in bits."""
    joint = np.zeros((256, 256))
    np.add.at(joint, (stretched(x).astype(int), stretched(y).astype(int)), 1 / x.size)

    def entropy(p):
        p = p[p > 0]
        return -(p * np.log2(p)).sum()

    hx, hy = entropy(joint.sum(1)), entropy(joint.sum(0))
    return hx, hy, hx + hy - entropy(joint)


def qmi(a, b, f):
    total = 0.0
    for x in (a, b):
        hx, hf, i = information(x, f)
        total += 2 * i / (hx + hf)
    return total


def qncie(a, b, f):
    r = np.eye(3)
    images = (a, b, f)
    for i in range(3):
        for j in range(i):
            r[i, j] = r[j, i] = information(images[i], images[j])[2] / 8
    e = np.linalg.eigvalsh(r) / 3
    return 1 + (e * np.log(e)).sum() / np.log(256)
