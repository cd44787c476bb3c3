"""The files at the root of a result that say what its values and colours mean."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..encode.general import encode_png
from ..encode.legend_picture import LegendRow, legend_picture
from ..errors import printable
from ..forks import by_libvips
from ..layers.auto_colors import ClassColor, parse_color, semantic_colors
from ..layers.file_names import LEGEND, LEGEND_PICTURE, MACHINE_COLORS, SEMANTIC_COLORS
from ..layers.legend import Counts, colors_json, legend, legend_json
from ..layers.palette import Color
from ..layers.palettes import palettes_of
from ..layers.save_masks import SaveMasks
from ..line.class_totals import Totals
from ..line.counting_classes import counted_titles


def legend_files(
    layer: SaveMasks,
    classes: Sequence[ClassColor],
    shapes: Mapping[str, str | None],
    totals: Totals | None,
) -> list[tuple[str, bytes]]:
    """Names and contents of the files.

    Parameters
    ----------
    layer
        What was made; none of its colours is "auto".
    classes
        Those of the result's meta.json, in its order.
    shapes
        Their shapes.
    totals
        What was counted in all items; None if that is not known of all items.
    """
    settings = layer.settings
    counts = None if totals is None else _counts(layer, classes, totals)
    content = legend(settings, classes, shapes=shapes, counts=counts)
    files = [
        (LEGEND, legend_json(content)),
        (LEGEND_PICTURE, by_libvips(_picture, content["classes"])),
    ]
    if settings.masks_machine:
        files.append((MACHINE_COLORS, colors_json(settings.machine_colors)))
    if settings.masks_semantic_rgb:
        files.append((SEMANTIC_COLORS, colors_json(semantic_colors(settings, classes))))
    return files


def _counts(layer: SaveMasks, classes: Sequence[ClassColor], totals: Totals) -> dict[str, Counts]:
    """What was counted, by title."""
    titles = counted_titles(palettes_of(layer, classes))
    return {
        title: Counts(*totals[label]) for label, title in enumerate(titles, 1) if label in totals
    }


def _picture(classes: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The legend as a PNG: of every class its machine value, and the colours that it has."""
    rows = []
    for title, entry in classes.items():
        machine = entry.get("machine")
        colors = (
            _seen(machine),
            entry.get("human"),
            entry.get("rgb") or parse_color(entry.get("color")),
        )
        value = "" if machine is None else f"{machine}  "
        rows.append(
            LegendRow(tuple(color and (*color,) for color in colors), value + printable(title))
        )
    return b"".join(encode_png(legend_picture(rows)))


def _seen(machine: int | list[int] | None) -> Color | None:
    """A value of the machine mask as a colour; of deep grays, the upper eight bits."""
    if machine is None:
        return None
    color = _triple((machine,) * 3 if isinstance(machine, int) else machine)
    return _triple([level >> 8 for level in color]) if max(color) > 255 else color


def _triple(color: Sequence[int]) -> Color:
    red, green, blue = color
    return red, green, blue
