"""The pictures that a layer asks for: machine masks and human pages."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encode.color import color_human, color_machine, label_room
from ..encode.pages import PageStyle, compose_page
from ..kernels.encode import lookup as kernels
from ..shapes import Shapes
from .arguments import Annotation, Window, array_for
from .images import Image, original_pixels
from .instances import paint_numbers
from .names import shown_colors
from .protocols import Coloring, Opening, Styled
from .views import Fill, Pad, Size, View, fill_around, paint_parts, paint_view, view_of


def machine(
    self: Coloring,
    annotation: Annotation | Shapes,
    *,
    window: Window | None = None,
    size: Size | None = None,
    scale: float | None = None,
    fill: Fill | None = None,
    pad: Pad = 0,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Paint the machine mask.

    Parameters
    ----------
    annotation
        What to paint.
    window, size, scale, pad
        As for `labels`.
    fill
        What lies beyond the canvas: a level or, if the mask has colours, also three; a window may
        leave the canvas then.
    out
        Where to write, C-contiguous; nothing of the canvas's size is allocated then.

    Returns
    -------
    (height, width) if every colour is gray, else (height, width, 3) RGB; uint8, or uint16 if
    there are grays above 255.

    Raises
    ------
    AnnotationError
        Naming the object if one is to blame.
    TypeError, ValueError
        If an argument does not fit, or the layer does not request the mask.

    Examples
    --------
    >>> painter.machine(annotation)
    array([[  0,   0,   0,   0,   0,   0],
           [  0, 100, 100, 100,   0,   0],
           [  0, 100, 100, 200, 200,   0],
           [  0,   0,   0, 200, 200,   0]], dtype=uint8)
    """
    plan = self._plan
    palette = plan.palette_of("machine")
    view = view_of(plan, self._open(annotation), window, size=size, scale=scale, fill=fill, pad=pad)
    shape = view.shape if self._is_gray else (*view.shape, 3)
    made = array_for(out, shape, palette.colors.dtype)
    inside = fill_around(view, made, fill)
    if inside.size:
        order = plan.order(view.source)
        paint_parts(partial(_paint_machine, self, view.shapes, order), inside, view.corner)
    return made if out is None else out


def human(
    self: Styled,
    annotation: Annotation | Shapes,
    image: Image,
    *,
    window: Window | None = None,
    size: Size | None = None,
    scale: float | None = None,
    fill: Fill | None = None,
    pad: Pad = 0,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Paint the human picture: the original, a green line, the original under the classes.

    If the layer asks for pages of another style, they have that: `human_opacity`, `human_layout`,
    `human_scale` and `human_outlines`. Objects that a window cuts have an outline there too.

    Parameters
    ----------
    annotation
        What to paint.
    image
        The original: RGB pixels (height, width, 3) uint8, the contents of a file of any format
        that libvips reads, its path, the file open for reading bytes, or an image of Pillow.
        Pixels that are not C-contiguous are copied; what is not pixels is decoded into memory
        of its own.
    window, size, scale, pad
        As for `labels`, for both halves of the page. The original is given whole nevertheless;
        what is shown of it is copied if it is not of full width. At another scale its pixels are
        taken as those of a bitmap, the nearest ones.
    fill
        What lies beyond the original, in both halves: a level, or three as a colour; a window may
        leave the canvas then.
    out
        Where to write, C-contiguous; with pixels for an image nothing of the canvas's size is
        allocated then, unless it is shown at another scale, with what lies around it, or in
        another style.

    Returns
    -------
    (height, 2 * width + 1, 3) uint8 RGB, of what is shown; a painted pixel is
    (original + colour) >> 1. With "overlay" it is (height, width, 3); with a `human_scale`, both
    sides are first multiplied by that and rounded.

    Raises
    ------
    AnnotationError
        Naming the object if one is to blame.
    ImageError
        If the picture cannot be read or decoded, or has another size than the annotation says.
    TypeError, ValueError
        If an argument does not fit, or the layer does not request the mask; also for `size` or
        `scale` if the layer has a `human_scale`.

    Examples
    --------
    >>> image = np.zeros((4, 6, 3), np.uint8)
    >>> page = painter.human(annotation, image)
    >>> page.shape, page[2, 7 + 3].tolist()
    ((4, 13, 3), [13, 0, 127])
    """
    plan, style = self._plan, self._style
    palette = plan.palette_of("human")
    shapes = self._open(annotation)
    if style and style.scale != 1 and (size is not None or scale is not None):
        raise ValueError(
            f"size and scale are for layers without a human_scale, but this one's is {style.scale}"
        )
    view = view_of(plan, shapes, window, size=size, scale=scale, fill=fill, pad=pad)
    height, width = style.size(*view.shape) if style else (view.shape[0], 2 * view.shape[1] + 1)
    made = array_for(out, (height, width, 3), np.uint8)
    whole = original_pixels(image, shapes.height, shapes.width, out)
    pixels = view.taken_from(whole, fill)
    if style:
        made[:] = _styled_page(self, view, pixels, style)
        return made if out is None else out
    labels = label_room(made, view.shape, palette.label_dtype)
    _paint_human(self, view, labels)
    color_human(pixels, labels, palette, made)
    return made if out is None else out


def _paint_human(self: Opening, view: View, labels: NDArray[Any]) -> None:
    """Paint the label map of the human mask."""
    plan = self._plan
    background = plan.background_of("human")
    paint_view(plan, view, plan.table_of("human"), labels, fill=0, background=background)


def _styled_page(
    self: Opening, view: View, pixels: NDArray[np.uint8], style: PageStyle
) -> NDArray[np.uint8]:
    """The page of a style that is not the plain one."""
    palette = self._plan.palette_of("human")
    labels = np.empty(view.shape, palette.label_dtype)
    _paint_human(self, view, labels)
    numbers = None
    if style.outlines:
        numbers = np.empty(view.shape, np.int32)
        paint_numbers(self._plan, view, self._plan.table_of("human"), numbers, fill=0)
    return compose_page(pixels, labels, palette, style, numbers=numbers)


def semantic(
    self: Opening,
    annotation: Annotation | Shapes,
    *,
    window: Window | None = None,
    size: Size | None = None,
    scale: float | None = None,
    fill: Fill | None = None,
    pad: Pad = 0,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Paint the semantic mask: the classes in their colours on black.

    It has the pixels of the files in `masks_semantic_rgb`, as RGB also where these are indexed.
    Objects lie on top as listed, whatever the layer's `paint_order`.

    Parameters
    ----------
    annotation
        What to paint.
    window, size, scale, pad
        As for `labels`.
    fill
        What lies beyond the canvas: a level or three; a window may leave the canvas then.
    out
        Where to write, C-contiguous; nothing of the canvas's size is allocated then.

    Returns
    -------
    (height, width, 3) uint8 RGB.

    Raises
    ------
    AnnotationError
        Naming the object if one is to blame.
    TypeError, ValueError
        If an argument does not fit, or the layer does not request the mask.

    Examples
    --------
    >>> painter.semantic(annotation)[2, 3].tolist()
    [27, 0, 255]
    """
    plan = self._plan
    palette, table = plan.semantic_palette, plan.semantic_table
    if palette is None or table is None:
        raise ValueError("the layer does not request masks_semantic_rgb")
    view = view_of(plan, self._open(annotation), window, size=size, scale=scale, fill=fill, pad=pad)
    made = array_for(out, (*view.shape, 3), np.uint8)
    inside = fill_around(view, made, fill)
    order, below = plan.order_as_listed(view.source), plan.background_in(palette)
    if order is None:  # which `paint` would take for the order of the other masks
        order = np.arange(len(view.shapes))
    colors = shown_colors(palette)

    def paint(rows: NDArray[Any], corner: tuple[int, int]) -> None:
        labels = label_room(rows, rows.shape[:2], palette.label_dtype)
        plan.paint(view.shapes, table, labels, corner, order=order, background=below)
        kernels.rgb(labels, colors, rows)

    if inside.size:
        paint_parts(paint, inside, view.corner)
    return made if out is None else out


def _paint_machine(
    self: Coloring,
    shapes: Shapes,
    order: NDArray[np.int64] | None,
    out: NDArray[Any],
    corner: tuple[int, int],
) -> None:
    """Paint a part of the mask, C-contiguous."""
    plan = self._plan
    palette = plan.palette_of("machine")
    if self._grays:
        of_class, table = self._grays
        background = plan.background_of("machine")
        below = int(palette.colors[background, 0]) if background else 0
        if background and not below and table is not None:  # it is black
            below = 1 + int(np.argmin(table[1:]))
        plan.paint(shapes, of_class, out, corner, order=order, background=below)
        if table is not None:
            kernels.gray(out, table, out)
        return
    table = plan.table_of("machine")
    if self._is_gray:  # all 255 grays and black are taken
        labels = np.empty(out.shape, table.dtype)
    else:
        labels = label_room(out, out.shape[:2], palette.label_dtype)
    below = plan.background_of("machine")
    plan.paint(shapes, table, labels, corner, order=order, background=below)
    color_machine(labels, palette, out)
