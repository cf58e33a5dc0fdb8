"""A rectangle of a scene: what a candidate that was cropped by its method still shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


class Region(NamedTuple):
    """Rows y .. y + height and columns x .. x + width of a scene, in pixels.

    In tables it is the text ``"y,x,height,width"``; the empty text is the whole scene.
    """

    y: int
    x: int
    height: int
    width: int

    @classmethod
    def parse(cls, text: str) -> Region | None:
        """Return the region that `text` names; None for the empty text, the whole scene."""
        return cls(*(int(part) for part in text.split(","))) if text else None

    def __str__(self) -> str:
        return ",".join(str(part) for part in self)

    def crop(self, pixels: NDArray[T]) -> NDArray[T]:
        """Return the region of (H, W) or (H, W, 3) `pixels`, C-contiguous."""
        rows, columns = slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)
        return np.ascontiguousarray(pixels[rows, columns])

    def within(self, size: tuple[int, int]) -> bool:
        """Tell whether the region lies in an image of `size` (height, width)."""
        fits = self.y + self.height <= size[0] and self.x + self.width <= size[1]
        return fits and self.y >= 0 and self.x >= 0 and self.height > 0 and self.width > 0

    def holds(self, other: Region) -> bool:
        """Tell whether all of `other` lies in this region."""
        return other.seen_from(self).within((self.height, self.width))

    def seen_from(self, frame: Region) -> Region:
        """Return the region in the coordinates of an image that shows only `frame`."""
        return Region(self.y - frame.y, self.x - frame.x, self.height, self.width)


def crop(pixels: NDArray[Any], region: Region | None) -> NDArray[Any]:
    """Return `region` of `pixels`; all of them where it is None."""
    return pixels if region is None else region.crop(pixels)
