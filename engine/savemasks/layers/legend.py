"""What the values and colours of a result mean, as JSON."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from .. import jsontext
from .auto_colors import ClassColor, painted_titles, parse_color
from .contradictions import triple
from .file_names import file_stems
from .palette import human_palette
from .save_masks import Settings

Color = tuple[int, int, int]


class Counts(NamedTuple):
    """How often a class is in a result: objects, pixels of the label map, images that have it."""

    objects: int = 0
    pixels: int = 0
    images: int = 0


def legend(
    settings: Settings,
    classes: Sequence[ClassColor],
    *,
    shapes: Mapping[str, str | None] | None = None,
    counts: Mapping[str, Counts] | None = None,
) -> dict[str, Any]:
    """What `legend.json` says.

    Parameters
    ----------
    settings
        Of the layer; none of its colours may be "auto".
    classes
        Of meta.json, in its order.
    shapes
        Their shapes by title, if they are known.
    counts
        What was counted in the result, if anything was; a class that is missing has none.

    Returns
    -------
    "settings" is a digest of all settings, "background" what has no class: its "machine" value and
    its colour in the semantic mask, "rgb". "classes" has, in the order of meta.json, by title and
    as far as a class has them:

    - "machine": its value in machine masks, a number, or three where these are RGB
    - "human": its colour in human masks, "rgb" in semantic masks, "color" in meta.json
    - "shape": its shape in meta.json
    - "file": how the names of its own masks begin
    - "objects", "pixels", "images": how many there are
    """
    colors = {title: parse_color(text) for title, text in reversed(classes)}
    stems = file_stems(painted_titles(settings, classes)) if _has_own_masks(settings) else {}
    listed = [each.title for each in classes]
    titles = dict.fromkeys([*listed, *settings.machine_colors, *settings.human_colors])
    values = _machine_values(settings)
    seen = _human_colors(settings)
    entries = {}
    for title in titles:
        color = colors.get(title)
        found: dict[str, Any] = {
            "machine": values.get(title),
            "human": seen.get(title),
            "rgb": _rgb(settings, title, color),
            "color": color and "#{:02x}{:02x}{:02x}".format(*color),
            "shape": (shapes or {}).get(title),
            "file": stems.get(title),
        }
        if counts is not None:
            found |= counts.get(title, Counts())._asdict()
        entries[title] = {key: value for key, value in found.items() if value is not None}
    return {
        "settings": settings_digest(settings),
        "background": _background(settings),
        "classes": entries,
    }


def legend_json(content: Mapping[str, Any]) -> bytes:
    """A legend as the text of a file, whatever is in the titles."""
    try:
        return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half a surrogate pair
        return jsontext.dump(content) + b"\n"


def colors_json(colors: Mapping[str, Color]) -> bytes:
    """RGB by title in the form, and in the very bytes, of the application `export-as-masks`."""
    return json.dumps({title: list(color) for title, color in colors.items()}, indent=2).encode()


def settings_digest(settings: Settings) -> str:
    """SHA-256 of all settings that have a meaning; the order of their keys has none."""
    text = json.dumps(settings.known(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _has_own_masks(settings: Settings) -> bool:
    """Whether there are files whose names come from titles."""
    return settings.masks_classes or settings.masks_instances == "objects"


def _machine_values(settings: Settings) -> dict[str, Any]:
    if not settings.masks_machine:
        return {}
    colors = settings.machine_colors
    is_gray = _is_gray(colors.values(), settings)
    return {title: color[0] if is_gray else list(color) for title, color in colors.items()}


def _human_colors(settings: Settings) -> dict[str, list[int]]:
    if not settings.masks_human:
        return {}
    palette = human_palette(settings.human_colors, keeps_black=settings.mixes_objects)
    return dict(zip(palette.titles, palette.colors[1:].tolist(), strict=True))


def _is_gray(colors: Iterable[Color], settings: Settings) -> bool:
    return settings.machine_channels != 3 and all(len(set(color)) == 1 for color in colors)


def _background(settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if settings.masks_machine:
        color = triple(settings.background)
        is_gray = _is_gray([*settings.machine_colors.values(), color], settings)
        found["machine"] = color[0] if is_gray else list(color)
    if settings.masks_semantic_rgb:
        found["rgb"] = [0, 0, 0]
    return found


def _rgb(settings: Settings, title: str, color: Color | None) -> list[int] | None:
    """Colour of a class in the semantic mask."""
    if not settings.masks_semantic_rgb:
        return None
    found = settings.human_colors.get(title) if settings.human_colors else color
    return found and list(found)
