"""The files at the root of a result that say what its values and colours mean."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from ..line.counting_classes import counted_titles, total_counts


def legend_files(
    layer: SaveMasks,
    classes: Sequence[ClassColor],
    shapes: Mapping[str, str | None],
    counts: Iterable[bytes] | None,
) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the files.

    Parameters
    ----------
    layer
        What was made; none of its colours is "auto".
    classes
        Those of the result's meta.json, in its order.
    shapes
        Their shapes.
    counts
        What was counted in every item; None if that is not known of all items.
    """
    settings = layer.settings
    totals = None if counts is None else _totals(layer, classes, counts)
    content = legend(settings, classes, shapes=shapes, counts=totals)
    yield LEGEND, legend_json(content)
    yield LEGEND_PICTURE, by_libvips(_picture, content["classes"])
    if settings.masks_machine:
        yield MACHINE_COLORS, colors_json(settings.machine_colors)
    if settings.masks_semantic_rgb:
        yield SEMANTIC_COLORS, colors_json(semantic_colors(settings, classes))


def _totals(
    layer: SaveMasks, classes: Sequence[ClassColor], counts: Iterable[bytes]
) -> dict[str, Counts]:
    """Sums over all items, by title."""
    titles = counted_titles(palettes_of(layer, classes))
    totals = total_counts(counts, len(titles)).T.tolist()
    return {title: Counts(*total) for title, total in zip(titles, totals, strict=True)}


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
