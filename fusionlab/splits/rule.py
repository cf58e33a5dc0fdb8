r"""How many scenes each part gets, and which are for test whatever chance says.

.. math:: u(g) = \mathrm{SHA256}(g)_{0..63} / 2^{64}

A group `g` is for validation where `u` is below that share, for test where it is not below one less
that share, else it is learned from. So no draw and no order decides.
"""

from __future__ import annotations

import hashlib
import math

from pydantic import field_validator

from fusionlab.configs import Config, checked
from fusionlab.errors import UsageError

TRAIN, VALIDATION, TEST = "train", "validation", "test"

#: In the order in which a task of few groups is given them.
PARTS = (TRAIN, VALIDATION, TEST)

_KINDS = 3  # task, data set, scene


class SplitRule(Config):
    """What decides about a group that nothing else decides about.

    Attributes
    ----------
    shares : of train, validation and test, on average; they sum to 1.
    test : tasks, data sets and scenes that are for test: ``mff``, ``ivf/vifb``, ``ivf/vifb/01``.
    """

    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    test: tuple[str, ...] = ()

    @field_validator("shares")
    @classmethod
    def _sum_to_one(cls, shares: tuple[float, float, float]) -> tuple[float, float, float]:
        if not (min(shares) >= 0 and shares[0] > 0 and math.isclose(sum(shares), 1)):
            raise ValueError("must sum to 1, and that of train not be 0")
        return shares

    def share(self, part: str) -> float:
        """Return the share of one part."""
        return self.shares[PARTS.index(part)]

    def span(self, part: str) -> tuple[float, float]:
        """Return the least `u` of a part, and the least that is beyond it."""
        low, high = self.shares[1], 1 - self.shares[2]
        return {VALIDATION: (0.0, low), TRAIN: (low, high), TEST: (high, 1.0)}[part]

    def drawn(self, group: str) -> str:
        """Return the part of a group by its name alone."""
        u = position(group)
        spans = {part: self.span(part) for part in (VALIDATION, TEST)}
        return next((part for part, (low, high) in spans.items() if low <= u < high), TRAIN)

    def distance(self, group: str, part: str) -> float:
        """Return how far `u` of a group is from a part's span; 0 inside."""
        u, (low, high) = position(group), self.span(part)
        return max(low - u, u - high, 0.0)

    def is_for_test(self, place: str) -> bool:
        """Tell whether a scene is named as one for test."""
        names = place.split("/", _KINDS - 1)
        return any("/".join(names[: n + 1]) in self.test for n in range(len(names)))


def position(group: str) -> float:
    """Return `u` of a group, evenly spread over 0..1."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64


def parse_shares(text: str, option: str = "--split") -> tuple[float, float, float]:
    """Read ``0.8,0.1,0.1``.

    Raises
    ------
    UsageError
        When these are not three numbers.
    ConfigError
        When they are no shares.
    """
    try:
        numbers = tuple(float(number) for number in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != len(PARTS):
        raise UsageError(
            f"{option} {text}: expected the shares of train, validation and test, e.g. 0.8,0.1,0.1"
        )
    return checked({"shares": numbers}, SplitRule, option).shares
