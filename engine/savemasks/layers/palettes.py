"""All palettes that a layer asks for."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .auto_colors import ClassColor, palette_colors, resolve_colors
from .class_orders import numbered_classes
from .palette import Color, Palette, human_palette, machine_palette, semantic_palette
from .save import Save
from .save_masks import SaveMasks, Settings


class Palettes(NamedTuple):
    """Classes and colours by label.

    Attributes
    ----------
    machine, human, semantic
        Of the masks that are requested, else None. The human palette is also that of the pages of
        a `save` layer.
    own
        Titles of the classes of which, and of whose objects, masks are made one by one; else None.
    is_shared
        Whether the first two number the same classes alike, and paint them in the same order.
    """

    machine: Palette | None = None
    human: Palette | None = None
    semantic: Palette | None = None
    own: tuple[str, ...] | None = None
    is_shared: bool = False


def palettes_of(layer: SaveMasks | Save, classes: Sequence[ClassColor]) -> Palettes:
    """Return the palettes of a layer: of what `numbered_classes` finds, with the same arguments.

    Raises `ConfigError` if a colour is missing.
    """
    if isinstance(layer, SaveMasks):
        layer = resolve_colors(layer, classes)
    machine, human, semantic, own, is_shared = numbered_classes(layer, classes)
    if isinstance(layer, Save):
        return Palettes(human=None if human is None else human_palette(human))
    settings = layer.settings
    is_indexed = settings.format == "png"
    return Palettes(
        machine=None if machine is None else _machine_palette(settings, machine, classes),
        human=None if human is None else human_palette(human, keeps_black=settings.mixes_objects),
        semantic=None if semantic is None else semantic_palette(semantic, is_indexed=is_indexed),
        own=own,
        is_shared=is_shared,
    )


def _machine_palette(
    settings: Settings, colors: Mapping[str, Color], classes: Sequence[ClassColor]
) -> Palette:
    return machine_palette(
        colors,
        background=settings.background,
        has_three_channels=settings.machine_channels == 3,
        shown_in=palette_colors(settings, classes) if settings.machine_palette else None,
    )
