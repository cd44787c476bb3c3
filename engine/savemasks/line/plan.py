"""`Plan`: what one layer asks of every annotation, worked out once.

Classes, palettes and look-up tables, the order of painting, and with them annotation → `Shapes` →
label maps. A plan knows nothing of pictures and files.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..layers.class_table import IDENTITY, ClassTable
from ..layers.palette import Color, Palette, human_palette, machine_palette
from ..layers.save import Save
from ..layers.save_masks import SaveMasks
from ..paint.bins import shapes_by_strip
from ..paint.labels import paint_labels
from ..paint.order import paint_order
from ..paint.outlines import outline_width, outlined
from ..parse.annotation import Annotation, parse
from ..parse.builder import LENIENT, Rules
from ..projects.classes import ClassTemplate, Meta, read_templates
from ..scratch import Buffer, Scratch
from ..shapes import Shapes

Labels = NDArray[np.unsignedinteger[Any]]
Mask = Literal["machine", "human"]
Kind = Literal["machine", "human", "visualize"]
"""Which label map: of the masks, or of the page of a `save` layer, which strokes outlines."""

_BUFFERS: Mapping[Kind, Buffer] = {
    "machine": Buffer("labels of the machine mask"),
    "human": Buffer("labels of the human mask"),
    "visualize": Buffer("labels of the page of a save layer"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is the same for all items of a run. Immutable; threads and processes may share it.

    Attributes
    ----------
    classes
        Number of every class of the source that one of the masks paints.
    titles
        What the sink calls each of these classes, by number. Several may become one.
    templates
        What the project's meta.json says of its classes.
    machine_palette, human_palette
        Classes and colours by label of the masks that the layer requests, else None. The human
        palette is also that of a `save` layer's pages.
    machine_table, human_table
        (classes,) label by class number, else None; 0 for classes that the mask does not paint.
    backgrounds
        The sink's classes of rectangles that lie below all objects, the lowest first.
    is_shared
        Whether both mappings list the same classes, so that one label map serves both masks.
    line_width
        Thickness of lines in pixels.
    by_area
        Whether larger objects lie below smaller ones.
    ranks
        (classes,) rank by class number: objects of a higher rank lie above all of a lower one.
        None if no class has priority.
    rules
        What of an annotation is refused, besides what cannot be painted.
    """

    classes: Mapping[str, int]
    titles: tuple[str, ...]
    templates: Mapping[str, ClassTemplate]
    machine_palette: Palette | None
    human_palette: Palette | None
    machine_table: Labels | None
    human_table: Labels | None
    backgrounds: tuple[str, ...]
    is_shared: bool
    line_width: int
    by_area: bool
    ranks: NDArray[np.int64] | None
    rules: Rules = LENIENT

    @classmethod
    def of(
        cls,
        layer: SaveMasks | Save,
        meta: Meta | Mapping[str, ClassTemplate] | None = None,
        rules: Rules = LENIENT,
        *,
        table: ClassTable = IDENTITY,
        colors: Mapping[str, Color] | None = None,
        numbered: Iterable[str] = (),
    ) -> "Plan":
        """Work out what a layer asks; raises `ProjectError` if `meta` cannot be used.

        Parameters
        ----------
        layer
            What to make.
        meta
            What the source's meta.json says of its classes.
        rules
            What of an annotation is refused.
        table
            What the layers of a graph do to the classes.
        colors
            Colours of the sink's classes, for the pages of a `save` layer.
        numbered
            Classes of the source that get the first numbers, so that plans of several sinks number
            them alike; see `numbered_alike`.
        """
        settings = layer.settings
        templates = read_templates(meta)
        machine, human = _mappings(layer, colors or {})
        is_shared = bool(machine and human and machine.keys() == human.keys())
        if machine and human and is_shared:
            # One label map serves both, so both number their classes alike.
            human = {title: human[title] for title in machine}
        sources = _sources(table, templates, [*(machine or ()), *(human or ())])
        classes = {title: i for i, title in enumerate(dict.fromkeys([*numbered, *sources]))}
        titles = tuple(table.of(title) or "" for title in classes)
        machine_colors = None if machine is None else machine_palette(machine)
        human_colors = None if human is None else human_palette(human)
        return cls(
            classes=classes,
            titles=titles,
            templates=templates,
            machine_palette=machine_colors,
            human_palette=human_colors,
            machine_table=None if machine_colors is None else machine_colors.labels(titles),
            human_table=None if human_colors is None else human_colors.labels(titles),
            backgrounds=tuple(background.title for background in table.backgrounds),
            is_shared=is_shared,
            line_width=settings.line_width,
            by_area=settings.paint_order == "area",
            ranks=_class_ranks(titles, settings.class_priority),
            rules=rules,
        )

    def parse(
        self, annotation: Annotation, on_size: Callable[[int, int], None] | None = None
    ) -> Shapes:
        """Parse an annotation; arguments and errors are those of `parse.annotation.parse`."""
        return parse(annotation, self.classes, self.templates, on_size, self.rules)

    def order(self, shapes: Shapes) -> NDArray[np.int64] | None:
        """Numbers of the shapes from the lowest to the topmost, None if that is as listed."""
        if not self.by_area and self.ranks is None:
            return None
        return paint_order(shapes, by_area=self.by_area, rank_of_class=self.ranks)

    def drawing(self, kind: Kind, shapes: Shapes) -> "Drawing":
        """How a label map of an annotation is painted."""
        if kind == "visualize":
            width = outline_width(shapes.height, shapes.width)
            table, background = self.table_of("human"), self.background_of("human")
            frame = table.size if background else None
            table = np.append(table, table.dtype.type(background))
            return Drawing(outlined(shapes, frame), table, None, width, 0, _BUFFERS[kind])
        table, background = self.table_of(kind), self.background_of(kind)
        order = self.order(shapes)
        return Drawing(shapes, table, order, self.line_width, background, _BUFFERS[kind])

    def label_maps(
        self, shapes: Shapes, scratch: Scratch, *, rows: range | None = None
    ) -> tuple[Labels | None, Labels | None]:
        """Label maps of the machine and the human mask in memory of `scratch`, None if not wanted.

        They are one array if both mappings list the same classes. With `rows`, they are these rows
        of the maps.
        """

        def painted(kind: Mask, table: Labels | None) -> Labels | None:
            return None if table is None else self.drawing(kind, shapes).paint(scratch, rows)

        machine = painted("machine", self.machine_table)
        human = machine if self.is_shared else painted("human", self.human_table)
        return machine, human

    def table_of(self, mask: Mask | None) -> Labels:
        """Label by class number of one of the masks; of the first one requested if it is None.

        Raises `ValueError` if the layer does not request it, or there is no such mask.
        """
        if mask not in (None, "machine", "human"):
            raise ValueError(f'mask must be "machine" or "human", not {mask!r}')
        use_human = mask == "human" or (mask is None and self.machine_table is None)
        table = self.human_table if use_human else self.machine_table
        if table is None:
            raise ValueError(f"the layer does not request masks_{mask}")
        return table

    def palette_of(self, mask: Mask) -> Palette:
        """Palette of one of the masks; raises `ValueError` if the layer does not request it."""
        palette = self.machine_palette if mask == "machine" else self.human_palette
        if palette is None:
            raise ValueError(f"the layer does not request masks_{mask}")
        return palette

    def background_of(self, mask: Mask | None) -> int:
        """Label of what no object covers: that of the topmost background that the mask paints."""
        if not self.backgrounds:
            return 0
        use_human = mask == "human" or (mask is None and self.machine_palette is None)
        palette = self.palette_of("human" if use_human else "machine")
        labels = palette.labels(self.backgrounds)
        painted = labels[labels > 0]
        return int(painted[-1]) if painted.size else 0

    def paint(
        self,
        shapes: Shapes,
        table: NDArray[np.integer[Any]],
        out: NDArray[np.integer[Any]],
        corner: tuple[int, int],
        *,
        order: NDArray[np.int64] | None = None,
        key: NDArray[np.int32] | None = None,
        background: int = 0,
    ) -> None:
        """Paint shapes, by default all, each in what a table has for its class, or for its key.

        What none of them covers gets `background`.
        """
        order = self.order(shapes) if order is None else order
        width = self.line_width
        paint_labels(shapes, table, out, key=key, order=order, line_width=width, corner=corner)
        _lay_below(out, background)


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """How one label map of one annotation is painted, whole or strip by strip.

    Attributes
    ----------
    shapes
        What to paint.
    table
        (classes,) label by class number.
    order
        Numbers of the shapes from the lowest to the topmost, None if that is as listed.
    line_width
        Thickness of lines in pixels.
    background
        Label of what no shape covers.
    buffer
        The scratch memory that receives it.
    """

    shapes: Shapes
    table: Labels
    order: NDArray[np.int64] | None
    line_width: int
    background: int
    buffer: Buffer

    def order_by_strip(self, strips: range) -> Iterator[NDArray[np.int64]]:
        """For `paint`, the order of strip after strip; `strips` are their first rows."""
        return shapes_by_strip(self.shapes, strips, line_width=self.line_width, order=self.order)

    def paint(
        self,
        scratch: Scratch,
        rows: range | None = None,
        order: NDArray[np.int64] | None = None,
    ) -> Labels:
        """Paint the map, or some rows of it; `order` must have all shapes that touch them."""
        rows = range(self.shapes.height) if rows is None else rows
        out: Labels = scratch.take(self.buffer, (len(rows), self.shapes.width), self.table.dtype)
        paint_labels(
            self.shapes,
            self.table,
            out,
            order=self.order if order is None else order,
            line_width=self.line_width,
            corner=(0, rows.start),
        )
        _lay_below(out, self.background)
        return out


def _lay_below(out: NDArray[np.integer[Any]], background: int) -> None:
    """Give a label to what no shape has covered: the same as painting all of it before them."""
    if background:
        np.putmask(out, out == 0, background)


def numbered_alike(plans: Sequence[Plan]) -> dict[str, None]:
    """Classes of the source that any of some plans paints, in an order to number them in."""
    return dict.fromkeys(title for plan in plans for title in plan.classes)


def _mappings(
    layer: SaveMasks | Save, colors: Mapping[str, Color]
) -> tuple[Mapping[str, Color] | None, Mapping[str, Color] | None]:
    """Colours by the sink's classes, of the machine and the human mask."""
    if isinstance(layer, Save):
        return None, colors if layer.settings.visualize else None
    settings = layer.settings
    machine = settings.gt_machine_color if settings.masks_machine else None
    return machine, settings.gt_human_color if settings.masks_human else None


def _sources(
    table: ClassTable, templates: Mapping[str, ClassTemplate], painted: Iterable[str]
) -> Iterator[str]:
    """The source's classes that become one of those that are painted.

    Classes that only annotations have stay as they are, unless the table names them.
    """
    wanted = dict.fromkeys(painted)
    yield from (title for title in wanted if table.of(title) == title)
    yield from (t for t in {**table.titles, **templates} if table.of(t) in wanted)


def _class_ranks(titles: Sequence[str], priority: Sequence[str]) -> NDArray[np.int64] | None:
    """Rank by class number: position in the list of priorities from 1, 0 for all others."""
    if not priority:
        return None
    ranks = {title: rank for rank, title in enumerate(priority, start=1)}
    return np.array([ranks.get(title, 0) for title in titles], np.int64)
