"""atan and exp as polynomials, which the compiler turns into vector code; good to 1e-12."""

from __future__ import annotations

import math

from fusionlab.metrics._jit import inlined

HALF_PI = math.pi / 2
TAN_PI_8 = math.sqrt(2.0) - 1.0


@inlined
def atan_ratio(sy: float, sx: float) -> float:
    """Return atan(sy / sx), pi/2 where sx = 0; good to 1e-14."""
    ax, ay = abs(sx), abs(sy)
    small, large = min(ax, ay), max(ax, ay)
    # atan(u) = pi/4 + atan((u - 1) / (u + 1)) keeps the argument below tan(pi/8)
    far = small > TAN_PI_8 * large
    over = small - large if far else small
    under = small + large if far else large
    r = over / (under if under > 0.0 else 1.0)
    z = r * r
    p = 0.006942225758089888
    p = p * z - 0.03121497559812388
    p = p * z + 0.05235714228376493
    p = p * z - 0.06547173662587907
    p = p * z + 0.0767829262316084
    p = p * z - 0.09089857935461024
    p = p * z + 0.11111061695593893
    p = p * z - 0.14285712905593964
    p = p * z + 0.1999999997945626
    p = p * z - 0.3333333333320382
    p = p * z + 0.9999999999999981
    angle = r * p + (0.25 * math.pi if far else 0.0)
    angle = HALF_PI - angle if ay > ax else angle
    angle = -angle if sx * sy < 0.0 else angle
    return angle if ax > 0.0 else HALF_PI


@inlined
def exp_bounded(x: float) -> float:
    """Return exp(x) for |x| <= 40, good to 1e-12: a Taylor series of x / 64, squared six times."""
    z = x * 0.015625
    p = 1.0 / 6227020800.0
    p = p * z + 1.0 / 479001600.0
    p = p * z + 1.0 / 39916800.0
    p = p * z + 1.0 / 3628800.0
    p = p * z + 1.0 / 362880.0
    p = p * z + 1.0 / 40320.0
    p = p * z + 1.0 / 5040.0
    p = p * z + 1.0 / 720.0
    p = p * z + 1.0 / 120.0
    p = p * z + 1.0 / 24.0
    p = p * z + 1.0 / 6.0
    p = p * z + 0.5
    p = p * z + 1.0
    p = p * z + 1.0
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    return p * p
