"""What an item flows into: its sinks, and what one worker has for all of its items.

An item is read, parsed and decoded once, and then flows into every sink of its line.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..encode.choice import machine_layout
from ..encode.numbers import numbers_layout
from ..encode.pages import PageStyle
from ..encode.png import Layout
from ..layers.class_table import IDENTITY, ClassTable
from ..layers.file_names import object_stems
from ..layers.palette import WHITE
from ..layers.save import SaveSettings
from ..layers.save_masks import Settings
from ..paint.numbering import Numbering, painted_objects
from ..projects.items import Item
from ..scratch import Scratch
from ..shapes import Shapes
from ..store.files import Store
from ..store.packs import PackStore
from .budget import Budget
from .drawings import HUMAN, INSTANCES, MACHINE, SEMANTIC, VISUALIZE, Motif
from .job import mask_files, needs_image, with_ending
from .plan import Plan
from .products import Mask


@dataclass(frozen=True, slots=True, eq=False)
class Sink:
    """One result: what is made of every item, how its files are named, and who stores them.

    Attributes
    ----------
    settings
        Of the layer that asks for it; they decide which files there are, and their names.
    plan
        How the layer paints.
    store
        Receives the files.
    table
        What became of the classes on the way, for the copies of annotations.
    dataset
        Where the data set's folders lie below the store; None if that is as the item says.
    """

    settings: Settings | SaveSettings
    plan: Plan
    store: Store | PackStore
    table: ClassTable = IDENTITY
    dataset: str | None = None

    def place(self, item: Item) -> str:
        """Where the folders of an item's data set lie below the store."""
        return item.dataset if self.dataset is None else self.dataset

    def masks(self, item: Item, height: int, width: int) -> Iterator[Mask]:
        """The masks that this sink makes of every item, here of one of that size."""
        place = self.place(item)
        for folder, file in mask_files(item.mask_name, self.settings):
            yield _MASKS[folder](self, f"{place}/{folder}/{file}", height, width)

    def own_masks(self, item: Item, shapes: Shapes) -> Iterator[Mask]:
        """The masks of objects and classes by themselves, one after the other."""
        settings, plan = self.settings, self.plan
        if plan.own_table is None or plan.own_stems is None:
            return
        stem = item.stem
        layout = machine_layout(shapes.height, shapes.width, WHITE)

        def one(folder: str, name: str, motif: Motif) -> Mask:
            file = with_ending(f"{name}.png", settings)
            return Mask(self, f"{self.place(item)}/{folder}/{stem}/{file}", layout, WHITE, motif)

        if settings.masks_instances == "map":
            yield self._map(item, shapes)
        elif settings.masks_instances == "objects":
            objects = painted_objects(shapes, plan.own_table)
            titles = (plan.titles[each.class_id] for each in objects)
            for each, name in zip(objects, object_stems(titles, plan.own_stems), strict=True):
                yield one("masks_instances", name, Motif("object", each))
        if settings.masks_classes:
            found = {*plan.own_table[shapes.class_id].tolist(), *plan.own_backgrounds}
            stems = [*plan.own_stems.values()]
            for label in sorted(found - {0}):
                yield one("masks_classes", stems[label - 1], Motif("class", label))

    def _map(self, item: Item, shapes: Shapes) -> Mask:
        """The map of all objects."""
        is_wide = self.has_wide_map(shapes)
        layout = numbers_layout(shapes.height, shapes.width, is_wide=is_wide)
        name = with_ending(item.mask_name, self.settings)
        if is_wide:
            name = item.stem + ".tif"
        return Mask(self, f"{self.place(item)}/masks_instances/{name}", layout, None, INSTANCES)

    @property
    def has_map(self) -> bool:
        """Whether it wants a map of the objects."""
        return self.settings.masks_instances == "map"

    def has_wide_map(self, shapes: Shapes) -> bool:
        """Whether it wants a map, and that must have 32 bits."""
        table = self.plan.own_table
        if not self.has_map or table is None:
            return False
        return Numbering.of(shapes, table).dtype is np.int32


def _machine_mask(sink: Sink, name: str, height: int, width: int) -> Mask:
    palette = sink.plan.palette_of("machine")
    return Mask(sink, name, machine_layout(height, width, palette), palette, MACHINE)


def _semantic_mask(sink: Sink, name: str, height: int, width: int) -> Mask:
    palette = sink.plan.semantic_palette
    assert palette is not None
    return Mask(sink, name, machine_layout(height, width, palette), palette, SEMANTIC)


def _human_page(sink: Sink, name: str, height: int, width: int) -> Mask:
    style = PageStyle.of(sink.settings)
    layout = Layout(*style.size(height, width), 3, 8)
    motif = VISUALIZE if sink.settings.visualize else HUMAN
    return Mask(sink, name, layout, sink.plan.palette_of("human"), motif, style)


_MASKS: Mapping[str, Callable[[Sink, str, int, int], Mask]] = {
    "masks_machine": _machine_mask,
    "masks_human": _human_page,
    "masks_semantic_rgb": _semantic_mask,
    "visualize": _human_page,
}


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """Everything that the items of one project have in common in the hands of one worker.

    Attributes
    ----------
    sinks
        Where items flow to, at least one. Their plans number the classes alike, so that the shapes
        of one parsing serve them all.
    budget
        What one item may use.
    scratch
        Memory that is used again from item to item; of this worker alone.
    """

    sinks: tuple[Sink, ...]
    budget: Budget
    scratch: Scratch

    @property
    def plan(self) -> Plan:
        """The plan that parses for all sinks."""
        return self.sinks[0].plan

    @property
    def needs_image(self) -> bool:
        """Whether an item's picture is read, or else its annotation alone."""
        return any(needs_image(sink.settings) for sink in self.sinks)

    @property
    def needs_pixels(self) -> bool:
        """Whether the original is decoded, not only copied."""
        return any(sink.plan.human_palette for sink in self.sinks)

    def masks(self, item: Item, height: int, width: int) -> list[Mask]:
        """The masks that all sinks want of an item of that size."""
        return [mask for sink in self.sinks for mask in sink.masks(item, height, width)]

    def wants_strips(self, shapes: Shapes) -> bool:
        """Whether an item is to be made in strips: if any sink wants that, all are served so."""
        return self.budget.wants_strips(self._settings, shapes.height, shapes.width) or any(
            sink.has_wide_map(shapes) for sink in self.sinks
        )

    def strips_at_once(self, width: int) -> tuple[int, int]:
        """How many threads may work on strips of that width, and how many may be under way."""
        return self.budget.threads, self.budget.strips_at_once(self._settings, width)

    @property
    def _settings(self) -> list[Settings | SaveSettings]:
        return [sink.settings for sink in self.sinks]
