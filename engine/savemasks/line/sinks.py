"""What an item flows into: its sinks, and what one worker has for all of its items.

An item is read, parsed and decoded once, and then flows into every sink of its line.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ..encode import png, tiff
from ..encode.choice import human_layout, machine_layout
from ..encode.png import Layout
from ..errors import AnnotationError
from ..layers.class_table import IDENTITY, ClassTable
from ..layers.palette import Palette
from ..layers.save import SaveSettings
from ..layers.save_masks import Settings
from ..projects.items import Item
from ..scratch import Scratch
from ..shapes import Shapes
from ..store.files import Store
from .budget import Budget
from .job import mask_files, needs_image
from .plan import Kind, Plan


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
    store: Store
    table: ClassTable = IDENTITY
    dataset: str | None = None

    def place(self, item: Item) -> str:
        """Where the folders of an item's data set lie below the store."""
        return item.dataset if self.dataset is None else self.dataset

    def masks(self, item: Item, height: int, width: int) -> Iterator["Mask"]:
        """The masks that this sink wants of an item of that size."""
        plan, place = self.plan, self.place(item)
        for folder, file in mask_files(item.mask_name, self.settings):
            name = f"{place}/{folder}/{file}"
            if folder == "masks_machine":
                palette = plan.palette_of("machine")
                layout = machine_layout(height, width, palette)
                yield Mask(self, name, layout, palette, "machine")
            else:
                kind: Kind = "visualize" if folder == "visualize" else "human"
                palette = plan.palette_of("human")
                yield Mask(self, name, human_layout(height, width), palette, kind)


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
        Colours of its labels.
    kind
        Which label map it shows.
    """

    sink: Sink
    name: str
    layout: Layout
    palette: Palette
    kind: Kind

    @property
    def drawn(self) -> Kind:
        """Which label map it shows; one map serves several masks."""
        return "machine" if self.kind == "human" and self.sink.plan.is_shared else self.kind

    @property
    def is_page(self) -> bool:
        """Whether it shows the original, too."""
        return self.kind != "machine"

    @property
    def is_tiff(self) -> bool:
        """Whether its file is a TIFF, not a PNG."""
        return self.sink.settings.format == "tiff"

    def check_limits(self) -> None:
        """Raise `AnnotationError` if its format cannot hold it."""
        height, width = self.layout[:2]
        name = self.kind
        limit = tiff.MAX_SIDE if self.is_tiff else png.MAX_SIDE
        if max(height, width) > limit:
            raise AnnotationError(
                f"its {name} mask would have {width} x {height} pixels, but the sides of a"
                f" {self.sink.settings.format.upper()} may have {limit} at most"
            )
        if self.layout.row_bytes > png.MOST_ROW_BYTES:
            raise AnnotationError(
                f"its {name} mask would be {width} pixels wide, which are"
                f" {self.layout.row_bytes} bytes a row, but PNGs may have"
                f" {png.MOST_ROW_BYTES} at most"
            )


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
        return self.budget.wants_strips(self._settings, shapes.height, shapes.width)

    def strips_at_once(self, width: int) -> tuple[int, int]:
        """How many threads may work on strips of that width, and how many may be under way."""
        return self.budget.threads, self.budget.strips_at_once(self._settings, width)

    @property
    def _settings(self) -> list[Settings | SaveSettings]:
        return [sink.settings for sink in self.sinks]
