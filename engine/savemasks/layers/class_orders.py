"""Which classes the masks of a layer number, and in which order; loads nothing heavy."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .auto_colors import (
    ClassColor,
    Color,
    painted_titles,
    parse_color,
    resolve_colors,
    semantic_colors,
)
from .save import Save
from .save_masks import SaveMasks

_NO_COLOR = (128, 128, 128)


class NumberedClasses(NamedTuple):
    """Classes and their colours, in the order in which they are numbered.

    Attributes
    ----------
    machine, human, semantic
        Of the masks that are requested, else None. The human ones are also those of the pages of a
        `save` layer.
    own
        Titles of the classes of which, and of whose objects, masks are made one by one; else None.
    is_shared
        Whether the first two number the same classes alike, and paint them in the same order.
    """

    machine: Mapping[str, Color] | None = None
    human: Mapping[str, Color] | None = None
    semantic: Mapping[str, Color] | None = None
    own: tuple[str, ...] | None = None
    is_shared: bool = False

    @property
    def orders(self) -> list[list[str] | None]:
        """Titles alone, by kind of mask."""
        kinds = (self.machine, self.human, self.semantic, self.own)
        return [None if titles is None else [*titles] for titles in kinds]


def numbered_classes(layer: SaveMasks | Save, classes: Sequence[ClassColor]) -> NumberedClasses:
    """Return the classes of a layer.

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
            return NumberedClasses()
        colors = {title: parse_color(color) or _NO_COLOR for title, color in reversed(classes)}
        return NumberedClasses(human={each.title: colors[each.title] for each in classes})
    settings = resolve_colors(layer, classes).settings
    machine = settings.machine_colors if settings.masks_machine else None
    human = settings.human_colors if settings.masks_human else None
    in_one_order = settings.human_order == settings.paint_order
    is_shared = bool(machine and human and machine.keys() == human.keys() and in_one_order)
    if machine and human and is_shared:
        # One label map serves both, so both number their classes alike.
        human = {title: human[title] for title in machine}
    return NumberedClasses(
        machine,
        human,
        semantic_colors(settings, classes) if settings.masks_semantic_rgb else None,
        painted_titles(settings, classes) if settings.has_own_masks else None,
        is_shared,
    )
