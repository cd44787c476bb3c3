"""A picture of a legend: a row for every class, with its colours, its value and its title.

Letters are drawn by libvips in what fonts the computer has, so the picture may look otherwise on
another one. Where libvips cannot draw letters, there are colours alone.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import pyvips
from numpy.typing import NDArray

from ..errors import printable

Color = tuple[int, int, int]
Pixels = NDArray[np.uint8]

MOST_ROWS = 256
"""The most classes in a picture; of others only their number is told."""

_ROW = 28  # pixels
_SWATCH = 20
_GAP = 8
_MOST_LETTERS = 60
_INK = 40
_PAPER = 255
_FRAME = 128


class LegendRow(NamedTuple):
    """A class in the picture: its colours from left to right, None for an empty place; a text."""

    colors: tuple[Color | None, ...]
    text: str


def legend_picture(rows: Sequence[LegendRow]) -> Pixels:
    """The picture, (height, width, 3) uint8 RGB, of at least one row."""
    shown = [*rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        shown.append(LegendRow((), f"and {len(rows) - MOST_ROWS} more"))
    places = max((len(row.colors) for row in shown), default=0)
    texts = [_letters(row.text) for row in shown]
    left = _GAP + places * (_SWATCH + _GAP)
    width = left + max((text.shape[1] for text in texts), default=0) + _GAP
    page = np.full((_GAP + _ROW * max(1, len(shown)), width, 3), _PAPER, np.uint8)
    for i, (row, text) in enumerate(zip(shown, texts, strict=True)):
        top = _GAP + i * _ROW
        for place, color in enumerate(row.colors):
            if color is not None:
                _swatch(page, top, _GAP + place * (_SWATCH + _GAP), color)
        ink = text[:_SWATCH].astype(np.int64)[..., None]
        y = top + max(0, (_SWATCH - len(text)) // 2)
        mixed = _PAPER + (_INK - _PAPER) * ink // 255
        page[y : y + len(ink), left : left + ink.shape[1]] = mixed
    return page


def _swatch(page: Pixels, top: int, left: int, color: Color) -> None:
    page[top : top + _SWATCH, left : left + _SWATCH] = _FRAME
    page[top + 1 : top + _SWATCH - 1, left + 1 : left + _SWATCH - 1] = color


def _letters(text: str) -> Pixels:
    """How much ink there is in every pixel of a line, (height, width); none if there is no font."""
    text = printable(text)
    if len(text) > _MOST_LETTERS:
        text = f"{text[: _MOST_LETTERS - 1]}…"
    nothing = np.zeros((0, 0), np.uint8)
    if not text.strip():
        return nothing
    try:
        drawn = pyvips.Image.text(escape(text, quote=False), font="sans 11", dpi=96)
        found: Pixels = np.frombuffer(drawn.write_to_memory(), np.uint8)
        return found.reshape(drawn.height, drawn.width)
    except (pyvips.Error, AttributeError):  # without Pango there is no such operation
        return nothing
