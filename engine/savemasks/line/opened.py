"""`OpenedItem`: an item that is read and parsed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..parse.builder import Rules
from ..pictures.original import Original
from ..pictures.streamed import StreamedOriginal
from ..shapes import Shapes

if TYPE_CHECKING:
    from .sinks import Sink


@dataclass(frozen=True, slots=True, eq=False)
class OpenedItem:
    """An item whose annotation is parsed, and of whose picture only the header has been looked at.

    Attributes
    ----------
    annotation
        Its text.
    data
        The picture's file, or None if that is too large or not needed.
    original
        The picture, if it is needed and can be read.
    shapes
        The annotation's, as the first sink wants it to be read.
    by_rules
        The same by the way in which it is read.
    ids
        Ids of the objects by their positions, if somebody wants them.
    """

    annotation: bytes
    data: bytes | None
    original: Original | StreamedOriginal | None
    shapes: Shapes
    by_rules: Mapping[Rules, Shapes]
    ids: Mapping[int, int | str]

    def shapes_of(self, sink: "Sink") -> Shapes:
        """The shapes that a sink makes masks of."""
        return self.by_rules[sink.plan.rules]
