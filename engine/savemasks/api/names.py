"""Names and numbers of classes, as training code has them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..layers.palette import Color, Grays, Palette
from ..line.drawings import Labels
from ..line.plan import Plan
from .protocols import Planned

if TYPE_CHECKING:
    from ..layers.save_masks import SaveMasks

BACKGROUND = "background"
UNUSED = "N/A"
"""Name of a label that no class has, as torchvision's categories have it."""

MAX_LABEL = 65535


def labels_of(classes: Sequence[str] | Mapping[str, int]) -> dict[str, int]:
    """Label of every class: 1, 2, ... for a sequence, the given ones for a mapping.

    Raises `TypeError` or `ValueError` for what is neither, or for labels that cannot be.
    """
    given: object = classes
    if isinstance(given, Mapping):
        labels = dict(given)
    elif isinstance(given, Sequence) and not isinstance(given, str | bytes | bytearray):
        labels = {title: label for label, title in enumerate(given, start=1)}
        if len(labels) < len(given):
            raise ValueError("a class is named more than once")
    else:
        name = type(given).__name__
        raise TypeError(f"classes must be a list of titles or a dict of labels, not {name}")
    if not labels:
        raise ValueError("there must be at least one class")
    for title, label in labels.items():
        if not isinstance(title, str):
            raise TypeError(f"the title of a class must be a text, not {title!r}")
        if isinstance(label, bool) or not isinstance(label, int | np.integer):
            raise TypeError(f"the label of {title!r} must be a whole number, not {label!r}")
        if not 1 <= label <= MAX_LABEL:
            raise ValueError(
                f"the label of {title!r} must be from 1 to {MAX_LABEL}, not {label}; 0 is the"
                " background"
            )
    return {title: index(label) for title, label in labels.items()}


def layer_of(labels: Mapping[str, int]) -> "SaveMasks":
    """A layer whose machine mask has the labels as grays, and whose human mask tells them apart."""
    from ..layers.save_masks import SaveMasks

    return SaveMasks.from_json(
        {
            "action": "save_masks",
            "dst": "masks",
            "settings": {
                "masks_machine": True,
                "masks_human": True,
                "gt_machine_color": {title: [label] * 3 for title, label in labels.items()},
                "gt_human_color": {title: voc_color(label) for title, label in labels.items()},
            },
        }
    )


def numbered(plan: Plan, labels: Mapping[str, int]) -> Plan:
    """The plan of `layer_of`, with these labels in place of 1, 2, ..."""
    titles = tuple(_titles(labels))
    dtype = np.dtype(np.uint8 if len(titles) < 256 else np.uint16)
    table: Labels = np.array([labels[title] for title in plan.classes], dtype)
    grays: Labels = np.repeat(np.arange(len(titles) + 1, dtype=dtype)[:, None], 3, axis=1)
    colors = np.zeros((len(titles) + 1, 3), np.uint8)
    for label in labels.values():
        colors[label] = voc_color(label)
    return replace(
        plan,
        machine_palette=Palette(titles, grays),
        human_palette=Palette(titles, colors),
        machine_table=table,
        human_table=table,
    )


def grays_of(plan: Plan) -> Grays | None:
    """How to paint the mask of `numbered`: its grays are its labels."""
    return None if plan.machine_table is None else Grays(plan.machine_table, None)


def voc_color(label: int) -> Color:
    """A class's colour in the colour map of Pascal VOC, which most tools show masks in."""
    red = green = blue = 0
    for bit in range(7, -1, -1):
        red |= (label & 1) << bit
        green |= (label >> 1 & 1) << bit
        blue |= (label >> 2 & 1) << bit
        label >>= 3
    return red, green, blue


def class_names(plan: Plan) -> list[str]:
    """Name by label."""
    return [BACKGROUND, *_titles(label_by_title(plan))]


def label_by_title(plan: Plan) -> dict[str, int]:
    """Label of every class that the mask of `Painter.labels` paints."""
    labels = plan.table_of(None).tolist()
    found = {title: label for title, label in zip(plan.titles, labels, strict=True) if label}
    palette = plan.palette_of("human" if plan.machine_palette is None else "machine")
    for label, title in enumerate(palette.titles, start=1):
        if title != UNUSED:  # of a graph, a class that none of the source becomes
            found.setdefault(title, label)
    return found


def palette_for_pil(self: Planned) -> bytes:
    """Colours of the labels, for `PIL.Image.putpalette`.

    Returns
    -------
    bytes
        768: red, green and blue by label. They are those of the human mask if the layer
        requests it with the classes of the machine mask, for they are made for people; else those
        of its `machine_palette`, or the machine mask's.

    Raises
    ------
    ValueError
        If there are more than 255 classes, or colours above 255.

    Examples
    --------
    >>> list(painter.palette_for_pil()[:9])
    [0, 0, 0, 255, 0, 0, 27, 0, 255]
    """
    table = self._plan.table_of(None)
    use_human = self._plan.is_shared or self._plan.machine_palette is None
    colors = shown_colors(self._plan.palette_of("human" if use_human else "machine"))
    if table.dtype != np.uint8 or colors.dtype != np.uint8:
        raise ValueError("pictures with a palette have 256 labels and 8-bit colours at most")
    return colors.tobytes().ljust(768, b"\0")


def shown_colors(palette: Palette) -> NDArray[np.unsignedinteger[Any]]:
    """(labels, 3) RGB by label that masks are seen in, also if they are indexed. Read-only."""
    if palette.index_colors is None:
        return palette.colors
    found: NDArray[np.uint8] = palette.index_colors[palette.colors[:, 0]]
    found.flags.writeable = False  # as all colours are: one compiled kernel serves them
    return found


def _titles(labels: Mapping[str, int]) -> list[str]:
    """Titles of label 1, 2, ...; the first one of those that share a label."""
    titles = [UNUSED] * max(labels.values(), default=0)
    for title, label in reversed([*labels.items()]):
        titles[label - 1] = title
    return titles
