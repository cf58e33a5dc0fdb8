"""The natural logarithm as plain arithmetic, which the compiler turns into vector code."""

from __future__ import annotations

import numpy as np

from fusionlab.metrics._jit import inlined

SQRT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)
MANTISSA = np.int64(52)
LN2 = float(np.log(2.0))


@inlined
def log_positive(x: float) -> float:
    """Return ln x of a positive normal number, good to 1e-15 relative to max(|ln x|, 1).

    x = 2^e m with m within sqrt(1/2) .. sqrt(2), and ln m = 2 artanh((m - 1) / (m + 1)).
    """
    bits = np.float64(x).view(np.int64)
    e = np.int64(bits - SQRT_HALF_BITS) >> MANTISSA
    m = np.int64(bits - (e << MANTISSA)).view(np.float64)
    t = (m - 1.0) / (m + 1.0)
    z = t * t
    p = 2.0 / 21.0
    p = p * z + 2.0 / 19.0
    p = p * z + 2.0 / 17.0
    p = p * z + 2.0 / 15.0
    p = p * z + 2.0 / 13.0
    p = p * z + 2.0 / 11.0
    p = p * z + 2.0 / 9.0
    p = p * z + 2.0 / 7.0
    p = p * z + 2.0 / 5.0
    p = p * z + 2.0 / 3.0
    p = p * z + 2.0
    return np.float64(e) * LN2 + t * p
