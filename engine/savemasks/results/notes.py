"""Notes for the user, most of them on what was not taken as its annotation means it.

Titles come out of somebody's JSON and may be as many as there are objects, so both what is kept
and what is said of them has a limit.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from ..errors import did_you_mean, printable
from ..line.job import Outcome

_MAX_TITLES = 1000  # that are counted
_MAX_NAMED = 10


def vanished_note(count: int, names: Sequence[str], *, is_packed: bool) -> str:
    """Say that finished items are gone from the projects; `names` are those of the first few."""
    shown = ", ".join(names) + (", ..." if count > len(names) else "")
    fate = "nor in the result" if is_packed else "what became of them stays"
    return f"{count} finished items are no longer in the projects, {fate}: {shown}"


def unfinished_note(missing: Iterable[str], *, has_index: bool) -> str:
    """Say what parts are missing, a text each, and what is therefore not written."""
    what = "legend and index are" if has_index else "the legend is"
    return printable(f"{'; '.join(missing)}: {what} written when all parts are finished")


class Findings(Protocol):
    """Totals of what was not taken as it was meant; `Summary` and `Survey` explain the fields."""

    unsupported: Counter[str]
    unknown_classes: Counter[str]
    missing_edges: Counter[str]
    blank_images: int
    unread_formats: Counter[str]


def count_findings(totals: Findings, outcome: Outcome) -> None:
    """Add what was found in one item."""
    if outcome.unread_format is not None:
        totals.unread_formats[outcome.unread_format] += 1
    if not (outcome.unsupported or outcome.unknown_classes or outcome.missing_edges):
        return
    for geometry, number in outcome.unsupported.items():
        totals.unsupported[geometry] += number
    _count_titles(totals.unknown_classes, outcome.unknown_classes)
    _count_titles(totals.missing_edges, outcome.missing_edges)
    totals.blank_images += outcome.is_blank and bool(outcome.unknown_classes)


def _count_titles(counts: Counter[str], found: Mapping[str, int]) -> None:
    """Add to the counts of titles, of which the first thousand are kept."""
    for title, number in found.items():
        if title in counts or len(counts) < _MAX_TITLES:
            counts[title] += number


def unsupported_text(geometries: Mapping[str, int], quote: Callable[[str], str] = printable) -> str:
    """Return how many objects of which geometries are not painted, and what each may mean."""
    from ..parse.geometry import GEOMETRIES

    return "objects that this version does not paint: " + _list(
        [f"{n} x {quote(g)}{did_you_mean(g, GEOMETRIES)}" for g, n in _most(geometries)],
        len(geometries),
    )


def unknown_classes_note(
    titles: Mapping[str, int], known: Collection[str], blank_images: int
) -> str:
    """Return how many objects of which classes nobody knows, and which class each may mean."""
    note = "objects of classes that neither meta.json nor the config knows: " + _list(
        [f'{n} x "{printable(t)}"{did_you_mean(t, known)}' for t, n in _most(titles)], len(titles)
    )
    if blank_images:
        note += f"; images that are all background because of it: {blank_images}"
    return note


def missing_edges_notes(titles: Mapping[str, int]) -> list[str]:
    """Return how many graphs of which classes have no edges, if there are any."""
    if not titles:
        return []
    found = [f'{n} x "{printable(t)}"' for t, n in _most(titles)]
    note = "graphs of classes without edges in meta.json, painted as nodes alone: "
    return [note + _list(found, len(titles))]


def unread_notes(formats: Mapping[str, int]) -> list[str]:
    """Return how many pictures of which formats were only copied."""
    return [
        f"{n} images are in a format that this installation cannot read ({printable(name)}):"
        " they were copied, and their size was compared with their header at most"
        for name, n in sorted(formats.items())
    ]


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent ones, sorted by their names."""
    return sorted(Counter(counts).most_common(_MAX_NAMED))


def _list(texts: list[str], number: int) -> str:
    more = number - len(texts)
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")
