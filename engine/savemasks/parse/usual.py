"""Usual annotations, from text to `Shapes` by one kernel; the others are left to the slow way.

orjson makes an object of Python for every number; here a kernel reads the text. It takes a third of
the time for small annotations, and a tenth for those of many vertices.
"""

from collections.abc import Callable, Iterable, Mapping
from mmap import mmap

import numpy as np
from numpy.typing import NDArray

from ..jsontext import Text
from ..kernels.parse.automaton import NOT_PAINTED, read_usual
from ..kernels.parse.grammar import (
    FIELDS,
    FIRST,
    GEOMETRIES,
    KIND,
    N_BITMAPS,
    N_GEOMETRIES,
    N_HEIGHT,
    N_POINTS,
    N_RINGS,
    N_SHAPES,
    N_VERTEX,
    N_WIDTH,
    PAYLOAD,
    RING,
    SHAPES,
    THRESHOLD,
    sizes_of,
)
from ..kernels.parse.lookup_names import name_table
from ..scratch import Buffer, own_scratch
from ..shapes import Shapes
from .payload import NO_MASKS, Payloads, decode_masks

_NUMBERS, _XY = Buffer("what an annotation has"), Buffer("vertices of an annotation")
MAX_PIXELS = 1 << 40
"""Largest canvas, in pixels. A larger size is taken for a mistake."""

_LARGE = 1 << 20  # bytes; for more, memory is not kept from call to call
_INT64, _INT32, _UINT8 = np.dtype(np.int64), np.dtype(np.int32), np.dtype(np.uint8)


def class_names(classes: Mapping[str, int], others: Iterable[str]) -> NDArray[np.int64]:
    """What `read_usual` needs: numbers of the classes to paint, and names of others."""
    return name_table({**dict.fromkeys(others, NOT_PAINTED), **classes})


def read(
    annotation: Text,
    names: NDArray[np.int64],
    classes: Mapping[str, int],
    on_size: Callable[[int, int], None],
    max_pixels: int | None,
) -> Shapes | None:
    """Read an annotation, or return None if it is not as usual.

    Parameters
    ----------
    annotation
        Its JSON.
    names
        `class_names` of the classes.
    classes
        Number of every class, for the result.
    on_size
        Called with height and width of an annotation that is without error up to its bitmaps.
    max_pixels
        Most pixels of the canvas, and of a mask.

    Raises
    ------
    AnnotationError
        Naming the object whose bitmap is damaged or promises too many pixels.
    """
    text = _utf8(annotation)
    if text is None:
        return None
    out, xy = _memory(len(text))
    most = MAX_PIXELS if max_pixels is None else min(max_pixels, MAX_PIXELS)
    if not read_usual(np.frombuffer(text, _UINT8), names, most, out, xy):
        return None
    count = out[:SHAPES].tolist()
    height, width, shapes = count[N_HEIGHT], count[N_WIDTH], count[N_SHAPES]
    vertex, rings = count[N_VERTEX], count[N_RINGS]
    fields = out[SHAPES : SHAPES + FIELDS * shapes].reshape(shapes, FIELDS)
    small = fields[:, KIND : PAYLOAD + 1].T.astype(_INT32, order="C")
    ring = np.zeros(shapes + 1, _INT64)
    ring[1:] = fields[:, RING]
    area = np.empty(shapes)
    area.fill(np.nan)
    kind, class_id, object_index, payload = small
    if count[N_BITMAPS]:
        is_bitmap = payload >= 0
        spans, objects = fields[is_bitmap, FIRST : THRESHOLD + 1], object_index[is_bitmap]
    found = Shapes(
        height=height,
        width=width,
        kind=kind.astype(_UINT8),
        class_id=class_id,
        object_index=object_index,
        area=area,
        ring=ring,
        vertex=out[vertex : vertex + rings + 1].copy(),
        xy=xy[: count[N_POINTS]].copy(),
        payload=payload,
        masks=NO_MASKS,
        geometries=_geometries(count[N_GEOMETRIES:]),
        unsupported={},
        classes=classes,
    )
    on_size(height, width)
    if count[N_BITMAPS]:
        payloads = Payloads(text, spans, objects)
        found.masks = decode_masks(payloads, (height, width), max_pixels)
    return found


def _utf8(annotation: Text) -> bytes | None:
    """The bytes of a text, or None if they are not UTF-8."""
    try:
        if isinstance(annotation, str):
            return annotation.encode()
        text = bytes(annotation)
        if not text.isascii():
            text.decode()
    except (UnicodeError, BufferError):
        return None
    return text


def _memory(size: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Memory for what a text of so many bytes can hold."""
    _, numbers, points = sizes_of(size)
    if size <= _LARGE:
        scratch = own_scratch()
        return scratch.take(_NUMBERS, (numbers,), _INT64), scratch.take(_XY, (points, 2), _INT32)
    # Pages that are not used take no memory.
    of_numbers, of_xy = mmap(-1, 8 * numbers), mmap(-1, 8 * points)
    return np.frombuffer(of_numbers, _INT64), np.frombuffer(of_xy, _INT32).reshape(points, 2)


def _geometries(counts: list[int]) -> dict[str, int]:
    """How many objects there are of each geometry, in the order of the first ones."""
    each = zip(counts[1::2], GEOMETRIES, counts[::2], strict=True)
    return {name: count for _, name, count in sorted(each) if count}
