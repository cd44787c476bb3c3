"""`Mask`: one file that is to be made of a label map, and how that is done for a whole picture."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..encode import png, tiff
from ..encode.choice import encode_human, encode_machine
from ..encode.numbers import encode_numbers
from ..encode.pages import MAX_SIDES, PageStyle, compose_page, encode_page
from ..encode.png import Layout, Part
from ..errors import AnnotationError
from ..layers.palette import Palette
from ..scratch import Scratch
from ..shapes import Shapes
from .drawings import MACHINE, SEEN, Motif, drawing
from .mixing import mix_objects

if TYPE_CHECKING:
    from .sinks import Sink

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A mask or a page of an item that is to be made.

    Attributes
    ----------
    sink
        Whose it is.
    name
        Of its file, relative to the sink's store.
    layout
        What it is as a picture.
    palette
        Colours of its labels; None for a map of objects, which is made of numbers.
    motif
        The label map that it shows.
    style
        How it shows the original, too; None if it does not.
    """

    sink: "Sink"
    name: str
    layout: Layout
    palette: Palette | None
    motif: Motif
    style: PageStyle | None = None

    @property
    def drawn(self) -> Motif:
        """The label map that it is made of; one map serves several masks."""
        is_shared = self.motif.kind == "human" and self.sink.plan.is_shared
        return MACHINE if is_shared else self.motif

    @property
    def is_tiff(self) -> bool:
        """Whether its file is a TIFF."""
        return self.name.endswith(".tif")

    @property
    def is_streamed_page(self) -> bool:
        """Whether it is a page whose strips depend on those before them."""
        return self.style is not None and not self.style.is_plain

    def check_limits(self) -> None:
        """Raise `AnnotationError` if its format cannot hold it."""
        height, width = self.layout[:2]
        limit, name = png.MAX_SIDE, "PNG"
        if self.is_tiff:
            limit, name = tiff.MAX_SIDE, "TIFF"
        elif self.style is not None:
            limit, name = MAX_SIDES[self.style.format], self.style.format.upper()
        if max(height, width) > limit:
            raise AnnotationError(
                f"its {self.motif.kind} mask would have {width} x {height} pixels, but the sides of"
                f" a {name} may have {limit} at most"
            )
        if self.layout.row_bytes > png.MOST_ROW_BYTES:
            raise AnnotationError(
                f"its {self.motif.kind} mask would be {width} pixels wide, which are"
                f" {self.layout.row_bytes} bytes a row, but PNGs may have"
                f" {png.MOST_ROW_BYTES} at most"
            )

    def encode(
        self, labels: NDArray[Any], image: Pixels | None, shapes: Shapes, scratch: Scratch
    ) -> list[Part]:
        """Its file, for a picture that fits into memory; maybe in memory of `scratch`."""
        if self.palette is None:
            return encode_numbers(labels, scratch)
        if self.style is None:
            return encode_machine(labels, self.palette, scratch)
        assert image is not None
        if self.style.is_plain:
            return encode_human(image, labels, self.palette, scratch)
        numbers = None
        if self.style.outlines:
            numbers = drawing(self.sink.plan, SEEN, shapes).paint(scratch)
        mixed = self.mixed(image, shapes, scratch)
        page = compose_page(image, labels, self.palette, self.style, numbers=numbers, mixed=mixed)
        return encode_page(page, self.style, scratch)

    def mixed(
        self,
        image: Pixels | None,
        shapes: Shapes,
        scratch: Scratch,
        top: int = 0,
        order: NDArray[np.int64] | None = None,
    ) -> Pixels | None:
        """The painted copy of rows of an original, if labels are not enough to make it.

        `top` is the first of them; other arguments are those of `mix_objects`.
        """
        if self.style is None or not self.style.mixes_objects:
            return None
        assert image is not None
        plan, opacity, corner = self.sink.plan, self.style.opacity, (0, top)
        return mix_objects(plan, shapes, image, opacity, scratch, corner=corner, order=order)
