"""`Plan`: what one layer asks of every annotation, worked out once.

Classes, palettes and look-up tables, the order of painting, and with them annotation → `Shapes` →
label maps. A plan knows nothing of pictures and files.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..layers.auto_colors import ClassColor, mapped_titles, resolve_colors
from ..layers.class_table import IDENTITY, ClassTable
from ..layers.file_names import file_stems
from ..layers.palette import Palette, numbered_palette
from ..layers.palettes import palettes_of
from ..layers.save import Save
from ..layers.save_masks import SaveMasks
from ..paint.labels import paint_labels
from ..paint.order import paint_order
from ..paint.thresholds import large_enough
from ..parse.annotation import Annotation, parse
from ..parse.builder import LENIENT, Rules
from ..parse.usual import class_names
from ..projects.classes import BACKGROUND_COLOR, ClassTemplate, Meta, read_templates
from ..scratch import Scratch
from ..shapes import Shapes
from .drawings import Labels, Motif, drawing

Mask = Literal["machine", "human"]


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
    semantic_palette, semantic_table
        The same of the semantic masks.
    own_stems, own_table
        Names of files of the sink's classes that have masks by themselves, in the order of their
        labels; and (classes,) these labels by class number. None if there are no such masks.
    backgrounds
        The sink's classes of rectangles that lie below all objects, the lowest first.
    is_shared
        Whether both mappings list the same classes, in masks of the same order, so that one label
        map serves both masks.
    line_width
        Thickness of lines in pixels.
    by_area, human_by_area
        Whether larger objects lie below smaller ones: in most masks, and in the human mask.
    ranks
        (classes,) rank by class number: objects of a higher rank lie above all of a lower one.
        None if no class has priority.
    names
        Of the classes, as `parse` needs them.
    rules
        How annotations are read, and what is refused.
    """

    classes: Mapping[str, int]
    titles: tuple[str, ...]
    templates: Mapping[str, ClassTemplate]
    machine_palette: Palette | None
    human_palette: Palette | None
    machine_table: Labels | None
    human_table: Labels | None
    semantic_palette: Palette | None
    semantic_table: Labels | None
    own_stems: Mapping[str, str] | None
    own_table: Labels | None
    backgrounds: tuple[str, ...]
    is_shared: bool
    line_width: int
    by_area: bool
    human_by_area: bool
    ranks: NDArray[np.int64] | None
    names: NDArray[np.int64]
    rules: Rules = LENIENT

    @classmethod
    def of(
        cls,
        layer: SaveMasks | Save,
        meta: Meta | Mapping[str, ClassTemplate] | None = None,
        rules: Rules = LENIENT,
        *,
        table: ClassTable = IDENTITY,
        classes: Sequence[ClassColor] | None = None,
        numbered: Iterable[str] = (),
    ) -> "Plan":
        """Work out what a layer asks.

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
        classes
            The sink's classes in the order of its meta.json; by default, what the table makes of
            the source's.
        numbered
            Classes of the source that get the first numbers, so that plans of several sinks number
            them alike; see `numbered_alike`.

        Raises
        ------
        ConfigError
            If colours are "auto" and a class has none.
        ProjectError
            If `meta` cannot be used.
        """
        templates = read_templates(meta)
        if classes is None:
            classes = sink_classes(templates, table)
        layer = layer if isinstance(layer, Save) else resolve_colors(layer, classes)
        found = palettes_of(layer, classes)
        sources = _sources(table, templates, mapped_titles(layer, classes))
        numbers = {title: i for i, title in enumerate(dict.fromkeys([*numbered, *sources]))}
        titles = tuple(table.of(title) or "" for title in numbers)

        settings = layer.settings
        painted: Sequence[str | None] = titles
        backgrounds = [background.title for background in table.backgrounds]
        if settings.classes is not None:
            painted = settings.classes.of(titles)
            backgrounds = [*filter(None, settings.classes.of(backgrounds))]

        def labels(palette: Palette | None) -> Labels | None:
            return None if palette is None else palette.labels(painted)

        return cls(
            classes=numbers,
            titles=titles,
            templates=templates,
            machine_palette=found.machine,
            human_palette=found.human,
            machine_table=labels(found.machine),
            human_table=labels(found.human),
            semantic_palette=found.semantic,
            semantic_table=labels(found.semantic),
            own_stems=None if found.own is None else file_stems(found.own),
            own_table=labels(None if found.own is None else numbered_palette(found.own)),
            backgrounds=tuple(backgrounds),
            is_shared=found.is_shared,
            line_width=settings.line_width,
            by_area=settings.paint_order == "area",
            human_by_area=settings.human_order == "area",
            ranks=_class_ranks(titles, settings.class_priority),
            names=class_names(numbers, templates),
            rules=replace(
                rules, cuboid_faces=settings.cuboid_2d == "faces", min_area=settings.min_area
            ),
        )

    def parse(
        self,
        annotation: Annotation,
        on_size: Callable[[int, int], None] | None = None,
        ids: dict[int, int | str] | None = None,
    ) -> Shapes:
        """Parse an annotation; arguments and errors are those of `parse.annotation.parse`.

        Objects that are too small are left out.
        """
        shapes = parse(
            annotation, self.classes, self.templates, on_size, self.rules, ids, self.names
        )
        return self.large_enough(shapes)

    def large_enough(self, shapes: Shapes) -> Shapes:
        """Shapes without those of objects that are too small to be painted."""
        min_area = self.rules.min_area
        return large_enough(shapes, min_area) if min_area else shapes

    def order(self, shapes: Shapes) -> NDArray[np.int64] | None:
        """Numbers of the shapes from the lowest to the topmost, None if that is as listed."""
        return self._order(shapes, by_area=self.by_area)

    def human_order(self, shapes: Shapes) -> NDArray[np.int64] | None:
        """The same for the human mask."""
        return self._order(shapes, by_area=self.human_by_area)

    def order_as_listed(self, shapes: Shapes) -> NDArray[np.int64] | None:
        """The same if areas do not count, but classes of priority do."""
        return self._order(shapes, by_area=False)

    def _order(self, shapes: Shapes, *, by_area: bool) -> NDArray[np.int64] | None:
        if not by_area and self.ranks is None:
            return None
        return paint_order(shapes, by_area=by_area, rank_of_class=self.ranks)

    def label_maps(
        self, shapes: Shapes, scratch: Scratch, *, rows: range | None = None
    ) -> tuple[Labels | None, Labels | None]:
        """Label maps of the machine and the human mask in memory of `scratch`, None if not wanted.

        They are one array if both mappings list the same classes. With `rows`, they are these rows
        of the maps.
        """

        def painted(kind: Mask, table: Labels | None) -> Labels | None:
            if table is None:
                return None
            return drawing(self, Motif(kind), shapes).paint(scratch, rows)

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
            wanted = f"masks_{mask}" if mask else "masks_machine or masks_human"
            raise ValueError(f"the layer does not request {wanted}")
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
        return self.background_in(self.palette_of("human" if use_human else "machine"))

    def background_in(self, palette: Palette) -> int:
        """The same for a palette."""
        if not self.backgrounds:
            return 0
        labels = palette.labels(self.backgrounds)
        painted = labels[labels > 0]
        return int(painted[-1]) if painted.size else 0

    @property
    def own_backgrounds(self) -> frozenset[int]:
        """Labels of the backgrounds among the classes that have masks by themselves."""
        titles = [*(self.own_stems or ())]
        return frozenset(titles.index(t) + 1 for t in self.backgrounds if t in titles)

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
        paint_labels(
            shapes,
            table,
            out,
            key=key,
            order=self.order(shapes) if order is None else order,
            line_width=self.line_width,
            corner=corner,
            background=background,
        )


def numbered_alike(plans: Sequence[Plan]) -> dict[str, None]:
    """Classes of the source that any of some plans paints, in an order to number them in."""
    return dict.fromkeys(title for plan in plans for title in plan.classes)


def sink_classes(
    templates: Mapping[str, ClassTemplate], table: ClassTable
) -> tuple[ClassColor, ...]:
    """The classes that a table makes of those of a source, as `mapped_meta` orders them."""
    found: dict[str, ClassColor] = {}
    for source, template in templates.items():
        title = table.of(source)
        if title is not None:
            color = table.colors.get(source, template.color)
            found.setdefault(title, ClassColor(title, color))
    for title, color in table.backgrounds:
        known = found.get(title, ClassColor(title, BACKGROUND_COLOR))
        found[title] = ClassColor(title, color or known.color)
    return tuple(found.values())


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
