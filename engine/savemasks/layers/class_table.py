"""Everything that layers do to classes, composed into one table from a source to a sink.

A title is looked up once, whatever the number of layers: what reads an item knows none of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from ..errors import ConfigError, did_you_mean, shown


class Unlisted(Enum):
    """What becomes of a project's class that a layer does not list."""

    STAYS = "stays"
    IS_REFUSED = "is refused"


@dataclass(frozen=True, slots=True)
class ClassStep:
    """What one layer does to classes.

    Attributes
    ----------
    layer
        The layer, as errors name it: "layer 2 (rename)". Does not count when steps are compared.
    titles
        Title and what it becomes, None where its objects go. Titles that are not here stay.
    others
        What becomes of the project's classes that are not in `titles`: a title, or None if their
        objects go.
    colors
        Title and the class's new colour, "#rrggbb".
    background
        Class of a rectangle of the whole picture, which is added below everything, or None.
    """

    layer: str = field(compare=False)
    titles: tuple[tuple[str, str | None], ...] = ()
    others: str | Unlisted | None = Unlisted.STAYS
    colors: tuple[tuple[str, str], ...] = ()
    background: str | None = None

    @property
    def named(self) -> Iterator[str]:
        """The titles that the layer acts on."""
        yield from (title for title, _ in self.titles)
        yield from (title for title, _ in self.colors)

    def mapping(self, own: Iterable[str]) -> dict[str, str | None]:
        """What becomes of titles; `own` are the project's, of which others may become something."""
        mapping = dict(self.titles)
        if not isinstance(self.others, Unlisted):
            mapping |= {title: self.others for title in own if title not in mapping}
        return mapping


class Background(NamedTuple):
    """A rectangle of the whole picture.

    Attributes
    ----------
    title
        Its class, as the sink has it.
    color
        "#rrggbb" where a layer gave the class one, or None.
    """

    title: str
    color: str | None


@dataclass(frozen=True, slots=True)
class ClassTable:
    """What a sink makes of the classes of a source.

    Attributes
    ----------
    titles
        Title of the source and title of the sink, or None where its objects go. A title that is
        not here stays as it is.
    colors
        Title of the source and "#rrggbb", where a layer changes the class's colour.
    backgrounds
        Rectangles of the whole picture, the lowest first.
    """

    titles: Mapping[str, str | None]
    colors: Mapping[str, str]
    backgrounds: tuple[Background, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "titles", MappingProxyType(dict(self.titles)))
        object.__setattr__(self, "colors", MappingProxyType(dict(self.colors)))

    def __hash__(self) -> int:
        titles, colors = frozenset(self.titles.items()), frozenset(self.colors.items())
        return hash((titles, colors, self.backgrounds))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (dict(self.titles), dict(self.colors), self.backgrounds)

    def of(self, title: str) -> str | None:
        """What a title of the source is in the sink, or None if its objects go."""
        return self.titles.get(title, title)

    @property
    def is_identity(self) -> bool:
        """Whether all objects stay as they are; colours may differ."""
        return not self.titles and not self.backgrounds


IDENTITY = ClassTable({}, {}, ())
"""The table of no layers."""


def compose(steps: Sequence[ClassStep], titles: Iterable[str]) -> ClassTable:
    """Return the table that does what the steps do to the objects one after the other.

    Parameters
    ----------
    steps
        What the layers do, the source's first.
    titles
        The classes of the project, in the order of its meta.json.

    Raises
    ------
    ConfigError
        If a class of the project has no entry where one is needed; names the layer and the class.
    """
    own = dict.fromkeys(titles)
    now: dict[str, str | None] = {
        title: title for title in (*own, *(title for step in steps for title in step.named))
    }
    colors: dict[str, str] = {}
    backgrounds: list[Background] = []
    for step in steps:
        if step.others is Unlisted.IS_REFUSED:
            _refuse_unlisted(step, own)
        becomes = step.mapping(own)
        now = {source: becomes.get(title, title) if title is not None else None
               for source, title in now.items()}  # fmt: skip
        given = dict(step.colors)
        colors |= {source: given[title] for source, title in now.items() if title in given}
        backgrounds = [*_moved(backgrounds, becomes, given)]
        if step.background is not None:
            backgrounds.insert(0, Background(step.background, None))
    return ClassTable(
        {source: title for source, title in now.items() if title != source},
        {source: color for source, color in colors.items() if now[source] is not None},
        tuple(backgrounds),
    )


def _moved(
    backgrounds: Iterable[Background], becomes: Mapping[str, str | None], colors: Mapping[str, str]
) -> Iterator[Background]:
    """Return what a layer makes of the backgrounds of layers before it."""
    for title, color in backgrounds:
        new = becomes.get(title, title)
        if new is not None:
            yield Background(new, colors.get(new, color))


def _refuse_unlisted(step: ClassStep, titles: Iterable[str]) -> None:
    listed = dict(step.titles)
    problems = [
        f"{step.layer}: settings.classes_mapping: the project's class {shown(title)} has no entry"
        f'{did_you_mean(title, listed)}; add one, or "__other__" for all that are not listed'
        for title in titles
        if title not in listed
    ]
    if problems:
        raise ConfigError(problems)


def unknown_titles(ways: Iterable[tuple[Sequence[ClassStep], Iterable[str]]]) -> list[str]:
    """Notes on titles that a layer names and that flow into it on no way, a line each.

    Parameters
    ----------
    ways
        What the layers of a way do, the source's first, and the classes of its project.
    """
    named: dict[tuple[str, str], None] = {}
    flowing: dict[str, dict[str, None]] = {}
    for steps, titles in ways:
        there = [*titles]
        for step in steps:
            named.update(((step.layer, title), None) for title in step.named)
            flowing.setdefault(step.layer, {}).update(dict.fromkeys(there))
            becomes = step.mapping(there)
            moved = [new for title in there if (new := becomes.get(title, title)) is not None]
            there = [*dict.fromkeys([*([step.background] if step.background else []), *moved])]
    return [
        f"{layer}: no class {shown(title)} flows into it{did_you_mean(title, flowing[layer])}"
        for layer, title in named
        if title not in flowing[layer]
    ]
