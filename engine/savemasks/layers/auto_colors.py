"""Colours that nobody gave: from the classes of a meta.json."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..errors import ConfigError, printable, shown
from .save import Save
from .save_masks import SaveMasks, Settings
from .validation import MAX_CLASSES

Color = tuple[int, int, int]

_HEX = re.compile(r"#?([0-9a-fA-F]{6})")


class ClassColor(NamedTuple):
    """A class of a meta.json: its title, and its colour as that has it, mostly "#rrggbb"."""

    title: str
    color: object = None


def grays_of(classes: Iterable[ClassColor]) -> dict[str, Color]:
    """Position of every class, from 1, as a gray; raises `ConfigError` for too many classes."""
    titles = list(dict.fromkeys(each.title for each in classes))
    if len(titles) > MAX_CLASSES:
        raise ConfigError(
            [
                f'settings.gt_machine_color: is "auto", but {len(titles)} classes are more than the'
                f" {MAX_CLASSES} grays that there are"
            ]
        )
    return {title: (gray, gray, gray) for gray, title in enumerate(titles, start=1)}


def colors_of(classes: Iterable[ClassColor], wanted_for: str) -> dict[str, Color]:
    """Colour of every class; raises `ConfigError` for all that have none.

    `wanted_for` is the setting that asks for them. Of two classes of one title the first counts.
    """
    found: dict[str, Color] = {}
    problems = []
    for title, text in classes:
        if title in found:
            continue
        color = parse_color(text)
        if color is None:
            problems.append(
                f'settings.{wanted_for}: needs the colour of {printable(title)} as "#rrggbb" in'
                f" meta.json, but it is {'missing' if text is None else shown(text)}"
            )
        found[title] = color or (0, 0, 0)
    if problems:
        raise ConfigError(problems)
    return found


def parse_color(text: object) -> Color | None:
    """The colour that a text such as "#ff8000" names, or None."""
    match = _HEX.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        return None
    red, green, blue = bytes.fromhex(match[1])
    return red, green, blue


def resolve_colors(layer: SaveMasks, classes: Iterable[ClassColor]) -> SaveMasks:
    """The layer with mappings instead of "auto", validated with them; the same one without "auto".

    Parameters
    ----------
    layer
        The layer.
    classes
        Of meta.json, in its order.

    Raises
    ------
    ConfigError
        If a colour is missing, there are too many classes, or settings now contradict each other.
    """
    settings = layer.settings
    changes: dict[str, Mapping[str, Color]] = {}
    classes = list(classes)
    if isinstance(settings.gt_machine_color, str):
        changes["gt_machine_color"] = grays_of(classes)
    if isinstance(settings.gt_human_color, str):
        changes["gt_human_color"] = colors_of(classes, "gt_human_color")
    if not changes:
        return layer
    return SaveMasks(**{**dict(layer), "settings": {**dict(settings), **changes}})


def semantic_colors(settings: Settings, classes: Iterable[ClassColor]) -> dict[str, Color]:
    """Colours of the semantic RGB mask: those given for the human mask, or else meta.json's."""
    return settings.human_colors or colors_of(classes, "masks_semantic_rgb")


def palette_colors(settings: Settings, classes: Iterable[ClassColor]) -> dict[str, Color]:
    """Colours by title to see machine masks in: those of the human mask, or else meta.json's.

    A class that has neither is not there.
    """
    known = {title: color for title, text in classes if (color := parse_color(text)) is not None}
    return {**known, **settings.human_colors}


def painted_titles(settings: Settings, classes: Iterable[ClassColor]) -> tuple[str, ...]:
    """Classes of which masks are made one by one: all that have a colour, or else meta.json's."""
    mapped = dict.fromkeys([*settings.machine_colors, *settings.human_colors])
    return tuple(mapped or dict.fromkeys(each.title for each in classes))


def mapped_titles(layer: SaveMasks | Save, classes: Iterable[ClassColor]) -> dict[str, None]:
    """All classes that any mask or page of a layer paints, each once.

    None of the layer's colours may be "auto". Raises `ConfigError` if a colour is missing.
    """
    classes = list(classes)
    if isinstance(layer, Save):
        return dict.fromkeys(each.title for each in classes if layer.settings.visualize)
    settings = layer.settings
    painted = (
        settings.machine_colors if settings.masks_machine else (),
        settings.human_colors if settings.masks_human else (),
        semantic_colors(settings, classes) if settings.masks_semantic_rgb else (),
        painted_titles(settings, classes) if settings.has_own_masks else (),
    )
    return dict.fromkeys(title for titles in painted for title in titles)


def needs_colors(layer: SaveMasks | Save) -> bool:
    """Whether what is made depends on the order or the colours of the classes in meta.json."""
    if isinstance(layer, Save):
        return layer.settings.visualize
    settings = layer.settings
    is_auto = isinstance(settings.gt_machine_color, str) or isinstance(settings.gt_human_color, str)
    takes_theirs = settings.masks_semantic_rgb or settings.machine_palette
    return is_auto or takes_theirs or settings.has_own_masks
