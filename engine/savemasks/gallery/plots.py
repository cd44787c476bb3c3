"""Figures as plots: the geometry of bars and of a matrix, which a template draws as SVG."""

from collections.abc import Sequence
from typing import NamedTuple

from .figures import Figures

_MOST_BARS = 40
_MOST_IN_MATRIX = 16
_LENGTH = 420.0  # of the longest bar


class Bar(NamedTuple):
    """A bar: what it is of, its length from 0 to `_LENGTH`, its value in words, its colour."""

    label: str
    length: float
    text: str
    color: str | None = None


class Bars(NamedTuple):
    """A plot of bars."""

    title: str
    bars: list[Bar]
    more: int = 0


class Matrix(NamedTuple):
    """A plot of pairs: the titles, and per row the number and its share of the largest one."""

    title: str
    labels: list[str]
    rows: list[list[tuple[int, float]]]


def plots_of(figures: Figures, colors: Sequence[str]) -> tuple[list[Bars], Matrix | None]:
    """The plots of a gallery."""
    classes = figures.classes
    order = sorted(range(len(classes)), key=lambda n: (-classes[n].pixels, n))
    shown = order[:_MOST_BARS]
    more = len(order) - len(shown)

    def bars(title: str, values: list[float], texts: list[str]) -> Bars:
        most = max(values, default=0) or 1
        return Bars(
            title,
            [
                Bar(classes[n].title, _LENGTH * value / most, text, colors[n])
                for n, value, text in zip(shown, values, texts, strict=True)
            ],
            more,
        )

    found = []
    if shown:
        shares = [classes[n].share for n in shown]
        objects = [classes[n].objects for n in shown]
        images = [classes[n].images for n in shown]
        found = [
            bars("Share of all pixels", shares, [f"{share:.2%}" for share in shares]),
            bars("Objects", [*map(float, objects)], [f"{n:,}" for n in objects]),
            bars("Images with the class", [*map(float, images)], [f"{n:,}" for n in images]),
        ]
    if figures.sizes:
        most = max(each.objects for each in figures.sizes) or 1
        found.append(
            Bars(
                "Sizes of objects in pixels (of each class, the mean of an image)",
                [
                    Bar(_range(least), _LENGTH * count / most, f"{count:,}")
                    for least, count in figures.sizes
                ],
            )
        )
    return found, _matrix(figures, [classes[n].title for n in shown])


def _range(least: int) -> str:
    return f"{least:,} to {2 * least - 1:,}" if least > 1 else str(least)


def _matrix(figures: Figures, titles: list[str]) -> Matrix | None:
    pairs = {frozenset(pair[:2]): pair.images for pair in figures.pairs}
    titles = titles[:_MOST_IN_MATRIX]
    if not pairs or len(titles) < 2:
        return None
    alone = {each.title: each.images for each in figures.classes}
    most = max([*pairs.values(), *(alone[title] for title in titles), 1])
    rows = []
    for first in titles:
        counts = [
            alone[first] if first == second else pairs.get(frozenset((first, second)), 0)
            for second in titles
        ]
        rows.append([(count, count / most) for count in counts])
    return Matrix("Images in which two classes meet", titles, rows)
