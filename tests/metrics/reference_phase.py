"""Slow reference of QP: Kovesi's phase congruency with centred spectra and complex phases."""

import numpy as np
from scipy.signal import convolve2d


def filters(h, w, o):
    """The four log-Gabor filters of orientation o, zero frequency in the corner."""

    def centred(n):
        k = np.arange(n) - n // 2
        return k / (n - 1) if n % 2 else k / n

    x, y = np.meshgrid(centred(w), centred(h))
    radius = np.sqrt(x**2 + y**2)
    radius[h // 2, w // 2] = 1
    around = np.exp(1j * (np.arctan2(-y, x) - o * np.pi / 6))
    spread = np.exp(-(np.angle(around) ** 2) / (2 * (np.pi / 6 / 1.2) ** 2))
    x, y = np.meshgrid((np.arange(w) - w // 2) / w, (np.arange(h) - h // 2) / h)
    # shifted the wrong way for odd sides, as the public code does
    low = np.fft.fftshift(1 / (1 + (np.sqrt(x**2 + y**2) / 0.45) ** 30))
    found = []
    for s in range(4):
        band = np.exp(-(np.log(radius * 3 * 2.1**s) ** 2) / (2 * np.log(0.55) ** 2))
        both = np.fft.ifftshift(band * spread) * low
        both[0, 0] = 0
        found.append(both)
    return found


def threshold(found, finest):
    power = np.median(np.abs(finest) ** 2) / np.log(2) / (found[0] ** 2).sum()
    points = [np.fft.ifft2(z).real * np.sqrt(z.size) for z in found]
    energy = 2 * power * sum((p**2).sum() for p in points)
    for i in range(4):
        for j in range(i):
            energy += 4 * power * (points[i] * points[j]).sum()
    tau = np.sqrt(energy / 2)
    return tau * (np.sqrt(np.pi / 2) + 2 * np.sqrt(2 - np.pi / 2)) / 1.7


def congruency(x):
    energy = amplitude = 0.0
    covariance = np.zeros((*x.shape, 2, 2))
    for o in range(6):
        found = filters(*x.shape, o)
        responses = np.array([np.fft.ifft2(np.fft.fft2(x) * z) for z in found])
        total = responses.sum(0)
        along = responses * np.conj(total / (np.abs(total) + 1e-4))
        kept = (along.real - np.abs(along.imag)).sum(0) - threshold(found, responses[0])
        sizes = np.abs(responses)
        width = sizes.sum(0) / (sizes.max(0) + 1e-4) / 4
        kept = np.maximum(kept, 0) / (1 + np.exp(10 * (0.5 - width)))
        energy, amplitude = energy + kept, amplitude + sizes.sum(0)
        n = np.array([np.cos(o * np.pi / 6), np.sin(o * np.pi / 6)])
        covariance += ((kept / sizes.sum(0)) ** 2)[..., None, None] * np.outer(n, n) / 3
    xx, yy, xy = covariance[..., 0, 0], covariance[..., 1, 1], covariance[..., 0, 1]
    # the public code halves the covariance where twice of it belongs
    apart = np.sqrt((xy / 2) ** 2 + (xx - yy) ** 2) + 1e-4
    return energy / (amplitude + 1e-4), (xx + yy + apart) / 2, (xx + yy - apart) / 2


def correlation(x, f, mask):
    k = np.arange(11) - 5
    g = np.exp(-(k**2) / 4.5)
    window = np.outer(g, g) / g.sum() ** 2

    def h(z):
        return convolve2d(z, window, "same")

    x = x * mask
    sxx, sff, sxf = (h(u * v) - h(u) * h(v) for u, v in ((x, x), (f, f), (x, f)))
    return np.where(mask, (sxf + 1e-4) / (np.sqrt(np.abs(sxx * sff)) + 1e-4), 0)


def qp(a, b, f):
    a, b, f = map(congruency, (a, b, f))
    larger = [np.where(a[0] > b[0], x, y) for x, y in zip(a, b, strict=True)]
    result = 1.0
    for i in range(3):
        best = [correlation(z[i], f[i], z[0] > 0.1) for z in (a, b, larger)]
        result *= np.max(best, axis=0).sum() / (larger[0] > 0.1).sum()
    return result
