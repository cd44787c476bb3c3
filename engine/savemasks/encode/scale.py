"""Smaller copies of pictures, by averaging areas."""

import numpy as np
from numpy.typing import NDArray

_ROWS = 256  # of the result whose columns are averaged at once


def scaled_side(side: int, scale: float) -> int:
    """Pixels of a side after scaling: rounded, but at least one."""
    return max(1, round(side * scale))


class AreaScaler:
    """Scales a picture down whose rows come in order, in however many pieces.

    A pixel of the result is the mean of the area that it covers, in which pixels at the edges count
    by their covered parts; halves are rounded up. That is OpenCV's INTER_AREA, but for its errors
    of rounding: all sums are whole numbers here, so pieces make no difference.

    Lengths are counted in fractions of a pixel, of which a pixel of the original has as many as the
    result has pixels, and a pixel of the result as many as the original has.
    """

    def __init__(self, height: int, width: int, scale: float) -> None:
        self._height, self._width = scaled_side(height, scale), scaled_side(width, scale)
        self._sides = height, width
        self._top = 0  # rows that have been added
        self._sum = np.zeros(3 * width, np.int64)  # of the row of the result that is begun

    def add(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Add rows (n, width, 3); return the rows of the result that are done by them."""
        height, width = self._sides
        if (self._height, self._width) == (height, width):
            return pixels
        sums: list[NDArray[np.int64]] = []
        found = [np.zeros((0, self._width, 3), np.uint8)]
        for row in pixels.reshape(len(pixels), 3 * width):
            begin = self._top * self._height
            border = (begin // height + 1) * height
            beyond = begin + self._height - border
            self._top += 1
            if beyond < 0:
                self._sum += np.multiply(row, self._height, dtype=np.int64)
                continue
            sums.append(self._sum + np.multiply(row, self._height - beyond, dtype=np.int64))
            self._sum = np.multiply(row, beyond, dtype=np.int64)
            if len(sums) == _ROWS:
                found.append(self._averaged(sums))
                sums = []
        if sums:
            found.append(self._averaged(sums))
        return np.concatenate(found)

    def _averaged(self, sums: list[NDArray[np.int64]]) -> NDArray[np.uint8]:
        """Rows of the result from the sums of rows of the original."""
        height, width = self._sides
        rows = np.stack(sums).reshape(len(sums), width, 3).transpose(0, 2, 1)
        totals = np.zeros((*rows.shape[:2], width + 1), np.int64)
        np.cumsum(rows, axis=2, out=totals[..., 1:])
        whole, part = np.divmod(np.arange(self._width + 1) * width, self._width)
        inside = part > 0
        beyond = np.zeros((*rows.shape[:2], self._width + 1), np.int64)
        beyond[..., inside] = rows[..., whole[inside]] * part[inside]
        found = np.diff(totals[..., whole], axis=2) * self._width + np.diff(beyond, axis=2)
        area = height * width
        means = (2 * found + area) // (2 * area)
        return np.ascontiguousarray(means.transpose(0, 2, 1).astype(np.uint8))
