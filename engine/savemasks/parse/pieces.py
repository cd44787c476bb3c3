"""Large annotations in pieces, so that their parsed JSON is never in memory as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import jsontext
from ..jsontext import Text
from ..kernels.parse.objects import split_objects

LARGE = 1 << 20
"""Annotations of at least this many bytes are read in pieces."""

_PIECE = 1 << 16  # bytes; parsed, they take about a megabyte


@dataclass(frozen=True, slots=True)
class Pieces:
    """An annotation whose objects are still text.

    Attributes
    ----------
    before, after
        Its JSON up to the first object, and behind the last one.
    is_wrapped
        Whether the list belongs to the object under "annotation", as Supervisely's API returns it.
    texts
        The objects between, in pieces; a comma separates two pieces.
    """

    before: memoryview
    after: memoryview
    is_wrapped: bool
    texts: list[memoryview]

    @property
    def head(self) -> bytes:
        """The annotation's JSON, in which the list of objects is empty."""
        return b"".join((self.before, self.after))

    def __iter__(self) -> Iterator[list[Any]]:
        """Read the objects, some at a time.

        Raises ValueError (as `jsontext.load` does) unless they are valid JSON. The whole
        annotation is valid if `head` is, if every piece in brackets is a list, and if pieces
        beside a comma have values. So this check does not rely on the cuts being right.
        """
        for text in self.texts:
            # Two brackets keep the nesting as deep as in the whole, where depth is limited.
            (objects,) = jsontext.load(b"".join((b"[[", text, b"]]")))
            if not objects and len(self.texts) > 1:
                raise ValueError("there is no value between two commas")
            yield objects


def split(annotation: Text, size: int | None = None) -> Pieces | None:
    """Cut an annotation into pieces; None if its list of objects is not easily found.

    A piece ends with the first object that makes it `size` bytes long; by default it is one that
    is quickly read.
    """
    size = size or _PIECE
    if isinstance(annotation, str):
        # Invalid characters are found when the pieces are read.
        annotation = annotation.encode("utf-8", "surrogatepass")
    text = memoryview(annotation).toreadonly()  # one type for the kernel
    try:
        text = text.cast("B")
    except (TypeError, ValueError):  # not contiguous, or of an unknown item format
        return None
    cuts = np.empty(len(text) // size + 3, np.int64)
    for level in (1, 2):
        count = split_objects(np.frombuffer(text, np.uint8), level, size, cuts)
        if count:
            break
    else:
        return None
    first, *commas, last = cuts[:count].tolist()
    starts = [first, *(comma + 1 for comma in commas)]
    texts = [text[i:j] for i, j in zip(starts, [*commas, last], strict=True)]
    return Pieces(text[:first], text[last:], level == 2, texts)
