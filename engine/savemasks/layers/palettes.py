"""All palettes that a layer asks for."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .auto_colors import (
    ClassColor,
    painted_titles,
    palette_colors,
    parse_color,
    resolve_colors,
    semantic_colors,
)
from .palette import Color, Palette, human_palette, machine_palette, semantic_palette
from .save import Save
from .save_masks import SaveMasks, Settings

_NO_COLOR: Color = (128, 128, 128)


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
    """Return the palettes of a layer.

    Parameters
    ----------
    layer
        The layer.
    classes
        Those of the sink's meta.json, in its order: for colours that the layer does not give.

    Raises
    ------
    ConfigError
        If a colour is missing.
    """
    if isinstance(layer, Save):
        if not layer.settings.visualize:
            return Palettes()
        colors = {title: parse_color(color) or _NO_COLOR for title, color in reversed(classes)}
        return Palettes(human=human_palette({each.title: colors[each.title] for each in classes}))
    settings = resolve_colors(layer, classes).settings
    machine = settings.machine_colors if settings.masks_machine else None
    human = settings.human_colors if settings.masks_human else None
    in_one_order = settings.human_order == settings.paint_order
    is_shared = bool(machine and human and machine.keys() == human.keys() and in_one_order)
    if machine and human and is_shared:
        # One label map serves both, so both number their classes alike.
        human = {title: human[title] for title in machine}
    semantic = None
    if settings.masks_semantic_rgb:
        colors = semantic_colors(settings, classes)
        semantic = semantic_palette(colors, is_indexed=settings.format == "png")
    return Palettes(
        machine=None if machine is None else _machine_palette(settings, machine, classes),
        human=None if human is None else human_palette(human, keeps_black=settings.mixes_objects),
        semantic=semantic,
        own=painted_titles(settings, classes) if settings.has_own_masks else None,
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
