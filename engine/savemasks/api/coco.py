"""Masks as COCO's compressed run-length code, which pycocotools and its users read.

The pixels are counted column by column: so many of 0, so many of 1, and so on. Every count from the
fourth on is told by what it differs from the last but one. A number is written in digits of five
bits, the lowest first, of which all but the last have a sixth bit, 32; the last one's highest bit
is the sign. As text, a digit is the character 48 above it.
"""

from collections.abc import Iterator, Mapping, Sequence
from operator import index
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

_BITS = 5
_LOW = (1 << _BITS) - 1
_SIGN = 1 << (_BITS - 1)
_MORE = 1 << _BITS
_FIRST_CHARACTER = 48


class RunLengthCode(TypedDict):
    """A mask in COCO's form.

    Keys
    ----
    size
        Height and width.
    counts
        The compressed code: a text, as files have it. pycocotools takes it as well as bytes.
    """

    size: list[int]
    counts: str


def rle(
    mask: NDArray[Any],
    *,
    size: Sequence[int] | None = None,
    corner: Sequence[int] = (0, 0),
) -> RunLengthCode:
    """Encode a mask as COCO's compressed run-length code.

    Parameters
    ----------
    mask
        (height, width) bool, or integers: what is not 0 is set.
    size
        Height and width of the picture that the mask is a part of; all else of it is 0. By
        default the mask's own. So the masks of `Painter.objects` need no canvas of zeros.
    corner
        x and y of the mask's first pixel in the picture, in which it must lie.

    Returns
    -------
    dict
        "size", [height, width], and "counts", a text: ready for JSON, and for pycocotools.

    Raises
    ------
    TypeError
        If the mask is no array of these dtypes, or `size` or `corner` are no two whole numbers.
    ValueError
        If the mask has another shape, or does not lie in the picture.

    Examples
    --------
    >>> import numpy as np, savemasks
    >>> savemasks.rle(np.array([[0, 1, 1], [0, 1, 0]], bool))
    {'size': [2, 3], 'counts': '231'}
    >>> for each in painter.objects(annotation):
    ...     print(savemasks.rle(each.mask, size=(4, 6), corner=(each.x, each.y)))
    {'size': [4, 6], 'counts': '5220007'}
    {'size': [4, 6], 'counts': '>2202'}
    """
    if not isinstance(mask, np.ndarray):
        raise TypeError(f"mask must be a NumPy array, not {type(mask).__name__}")
    if mask.dtype.kind not in "bui":
        raise TypeError(f"mask must be of bool or of integers, not of {mask.dtype}")
    if mask.ndim != 2:
        raise ValueError(f"mask must have the shape (height, width), not {mask.shape}")
    height, width = _pair("size", mask.shape if size is None else size)
    x, y = _pair("corner", corner)
    rows, columns = mask.shape
    if x < 0 or y < 0 or x + columns > width or y + rows > height:
        raise ValueError(
            f"a mask of {columns} x {rows} at ({x}, {y}) does not lie in a picture of"
            f" {width} x {height}"
        )
    edges = _edges(mask, height, x, y)
    end = height * width
    counts = np.diff(edges, prepend=0, append=end)
    if edges.size and edges[-1] == end:
        counts = counts[:-1]
    return {"size": [height, width], "counts": _text(counts)}


def rle_decode(code: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Decode COCO's run-length code.

    Parameters
    ----------
    code
        "size", (height, width), and "counts": text or bytes, or a list of counts, as COCO has it
        for crowds.

    Returns
    -------
    (height, width) bool.

    Raises
    ------
    ValueError
        If it is no such code, or its counts are not those of a mask of its size.

    Examples
    --------
    >>> import savemasks
    >>> savemasks.rle_decode({"size": [2, 3], "counts": "231"}).astype(int)
    array([[0, 1, 1],
           [0, 1, 0]])
    """
    try:
        (height, width), counts = _pair("size", code["size"]), code["counts"]
        if isinstance(counts, str | bytes):
            counts = [*_counts(counts.encode() if isinstance(counts, str) else counts)]
        lengths = np.array([index(count) for count in counts], np.int64)
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"this is no run-length code: {error!r}") from error
    if height < 0 or width < 0 or lengths.min(initial=0) < 0 or sum(lengths.tolist()) != (
        height * width
    ):  # fmt: skip
        raise ValueError(f"the counts are not those of a mask of {width} x {height}")
    pixels = np.repeat(np.arange(lengths.size) % 2 == 1, lengths)
    return np.ascontiguousarray(pixels.reshape(width, height).T)


def _pair(name: str, given: Sequence[int]) -> tuple[int, int]:
    try:
        first, second = map(index, given)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be two whole numbers, not {given!r}") from None
    return first, second


def _edges(mask: NDArray[Any], height: int, x: int, y: int) -> NDArray[np.int64]:
    """Where runs of 1 begin and end in the picture, column by column; two never touch."""
    rows, columns = mask.shape
    framed = np.zeros((columns, rows + 2), np.bool_)
    framed[:, 1:-1] = mask.T
    changes = np.flatnonzero(framed[:, 1:] != framed[:, :-1])
    column, row = np.divmod(changes, rows + 1)
    edges: NDArray[np.int64] = (x + column) * height + (y + row)
    if rows < height:
        return edges
    # One run may go on at the top of the next column.
    is_seam = edges[1:-1:2] == edges[2::2]
    keep = np.ones(edges.size, np.bool_)
    keep[1:-1:2] = keep[2::2] = ~is_seam
    return edges[keep]


def _text(counts: NDArray[np.int64]) -> str:
    """The compressed code of counts, all of them digit by digit."""
    numbers = counts.copy()
    numbers[3:] -= counts[1:-2]
    digits = []
    is_open = np.ones(numbers.size, np.bool_)
    while is_open.any():
        digit = numbers & _LOW
        numbers >>= _BITS
        rest = np.where(digit & _SIGN, -1, 0)
        goes_on = is_open & (numbers != rest)
        digits.append(np.where(is_open, digit + goes_on * _MORE + _FIRST_CHARACTER, 0))
        is_open = goes_on
    text = np.stack(digits, axis=1).astype(np.uint8).ravel()
    return str(text[text != 0].tobytes(), "ascii")


def _counts(text: bytes) -> Iterator[int]:
    """The counts of a compressed code."""
    before = [0, 0, 0]
    number = shift = 0
    position = 0
    for character in text:
        digit = character - _FIRST_CHARACTER
        if not 0 <= digit < 2 * _MORE:
            raise ValueError(f"the code has the character {character}, which has no meaning")
        number |= (digit & _LOW) << shift
        shift += _BITS
        if digit & _MORE:
            continue
        if digit & _SIGN:
            number -= 1 << shift
        if position > 2:
            number += before[-2]
        before = [*before[-1:], number]
        position += 1
        yield number
        number = shift = 0
    if shift:
        raise ValueError("the code ends in the middle of a number")
