"""Large annotations in pieces, so that what their JSON becomes is never in memory as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from ..kernels.parse.objects import split_objects

LARGE = 1 << 20
"""Bytes from which on an annotation is read in pieces."""

_PIECE = 1 << 16  # what becomes of it is a megabyte


Text = bytes | bytearray | memoryview | str


@dataclass(frozen=True, slots=True)
class Pieces:
    """An annotation whose objects are still text.

    Attributes
    ----------
    head
        Its JSON, in which the list of objects is empty.
    """

    head: bytes
    _texts: list[memoryview]

    def __iter__(self) -> Iterator[list[Any]]:
        """Read the objects, some at a time.

        Raises ValueError, which `orjson.JSONDecodeError` is, unless they are valid JSON. They are
        if `head` is, and every piece is a list when it stands in brackets, one with values if a
        comma was beside it; the places of the cuts need not be believed.
        """
        for text in self._texts:
            # Two brackets: JSON may not be nested too deep, and here stays as deep as it was.
            (objects,) = orjson.loads(b"".join((b"[[", text, b"]]")))
            if not objects and len(self._texts) > 1:
                raise ValueError("there is no value between two commas")
            yield objects


def split(annotation: Text) -> Pieces | None:
    """Cut an annotation into pieces; None if it has no list of objects that is easily found."""
    if isinstance(annotation, str):
        # What is no character is found out when the pieces are read.
        annotation = annotation.encode("utf-8", "surrogatepass")
    text = memoryview(annotation).toreadonly()  # for the kernel, always of one kind
    try:
        text = text.cast("B")
    except (TypeError, ValueError):  # with gaps, or of items that it does not know
        return None
    cuts = np.empty(len(text) // _PIECE + 3, np.int64)
    count = split_objects(np.frombuffer(text, np.uint8), _PIECE, cuts)
    if count == 0:
        return None
    first, *commas, last = cuts[:count].tolist()
    starts = [first, *(comma + 1 for comma in commas)]
    texts = [text[i:j] for i, j in zip(starts, [*commas, last], strict=True)]
    return Pieces(b"".join((text[:first], text[last:])), texts)
