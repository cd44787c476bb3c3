"""Figures of a data set as tables for a terminal."""

import shutil
from collections.abc import Iterator

from ..gallery.figures import Figures

_MOST_PAIRS = 10
_LEAST_TITLE = 8
_NUMBERS = 30  # columns of the numbers behind a title
_MOST_WIDTH = 100
_HEADER = f"{'objects':>11} {'images':>9} {'share':>8}"


def figures_lines(figures: Figures) -> Iterator[str]:
    """Lines that fit into the terminal, also one of 40 columns."""
    width = min(shutil.get_terminal_size().columns, _MOST_WIDTH)
    classes = sorted(figures.classes, key=lambda each: -each.pixels)
    longest = max([len(each.title) for each in classes] + [_LEAST_TITLE])
    room = max(_LEAST_TITLE, min(longest, width - _NUMBERS))
    if classes:
        yield f"{'class':<{room}}{_HEADER}"
    for each in classes:
        title = _cut(each.title, room)
        yield f"{title:<{room}}{each.objects:>11,} {each.images:>9,} {each.share:>8.2%}"
    if figures.sizes:
        yield ""
        yield from _sizes(figures, width)
    pairs = figures.pairs
    if pairs:
        yield ""
        yield "classes that meet in an image"
        for pair in pairs[:_MOST_PAIRS]:
            both = _cut(f"{pair.first}, {pair.second}", width - 10)
            yield f"{pair.images:>9,} {both}"
        if len(pairs) > _MOST_PAIRS:
            yield f"      ... and {len(pairs) - _MOST_PAIRS} more pairs"
    yield ""
    yield f"{figures.images:>9,} images"
    yield f"{figures.without_objects:>9,} without an object of a class"
    yield f"{figures.empty:>9,} with an empty mask"
    if figures.failed:
        yield f"{figures.failed:>9,} more that could not be read"


def _sizes(figures: Figures, width: int) -> Iterator[str]:
    """How many objects are how large, with bars."""
    yield "objects by their visible pixels"
    most = max(each.objects for each in figures.sizes)
    room = max(0, width - 34)
    for least, objects in figures.sizes:
        label = f"{least:,} to {2 * least - 1:,}" if least > 1 else str(least)
        bar = "#" * round(room * objects / most)
        yield f"{label:>23} {objects:>9,} {bar}".rstrip()


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 3] + "..."
