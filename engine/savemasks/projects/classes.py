"""What a project's `meta.json` says of its classes."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import jsontext
from ..errors import ProjectError, printable
from ..jsontext import EncodingError, Text

BACKGROUND_COLOR = "#808080"
"""Colour of a background's class that meta.json does not have, unless a layer gives one."""


@dataclass(frozen=True, slots=True)
class ClassTemplate:
    """The properties of a class in meta.json that painting depends on.

    Attributes
    ----------
    shape
        Geometry of its objects, "any", or None if meta.json does not say.
    edges
        Pairs of labels of nodes that are joined, for graphs.
    color
        Its colour as meta.json has it, mostly "#rrggbb".
    """

    shape: str | None
    edges: tuple[tuple[str, str], ...]
    color: object = None

    @property
    def lacks_edges(self) -> bool:
        """Whether nothing is said of edges; a class of graphs alone may have none on purpose."""
        return not self.edges and self.shape != "graph"


Meta = Text | os.PathLike[str] | Mapping[str, Any]
"""A project's meta.json: its text, what that parses to, or the path of the file."""


def read_templates(meta: Meta | None) -> dict[str, ClassTemplate]:
    """Return the class templates of a meta.json in any form; None has no classes.

    A mapping of titles to `ClassTemplate` is returned as it is. Raises `ProjectError`.
    """
    if meta is None:
        return {}
    where: object = "meta"
    found: object = meta
    if isinstance(meta, os.PathLike):
        where = Path(meta)
        try:
            found = where.read_bytes()
        except OSError as error:
            raise ProjectError(f"{where}: cannot be read: {error.strerror}") from error
    if isinstance(found, Mapping) and all(isinstance(t, ClassTemplate) for t in found.values()):
        return dict(found)
    if isinstance(found, Text):
        found = parse_meta(found, where)
    elif isinstance(found, Mapping):
        found = jsontext.plain(found)
    return class_templates(check_meta(found, where))


def parse_meta(content: Text, where: object) -> object:
    """Parse the text of a meta.json; `where` names it in the `ProjectError` if it is no JSON."""
    try:
        return jsontext.load(content)
    except EncodingError as error:
        raise ProjectError(f"{where}: {error}") from error
    except json.JSONDecodeError as error:
        hint = jsontext.path_hint(content)
        raise ProjectError(f"{where}: not valid JSON: {error}{hint}") from error


def check_meta(meta: object, where: object) -> dict[str, Any]:
    """Return a meta.json whose classes all have a title, or raise `ProjectError`."""
    found: dict[str, Any] = meta if isinstance(meta, dict) else {}
    classes = found.get("classes")
    if not isinstance(classes, list) or not all(
        isinstance(c, dict) and isinstance(c.get("title"), str) for c in classes
    ):
        raise ProjectError(f'{where}: "classes" must be a list of objects with a "title"')
    return found


def class_templates(meta: Mapping[str, Any]) -> dict[str, ClassTemplate]:
    """Return the template of each class by its title; malformed properties count as missing."""
    return {entry["title"]: _template(entry) for entry in meta["classes"]}


def _template(entry: dict[str, Any]) -> ClassTemplate:
    shape = entry.get("shape")
    config = entry.get("geometry_config")
    edges = config.get("edges") if isinstance(config, dict) else None
    pairs = [
        (edge.get("src"), edge.get("dst"))
        for edge in (edges if isinstance(edges, list) else ())
        if isinstance(edge, dict)
    ]
    return ClassTemplate(
        shape if isinstance(shape, str) else None,
        tuple((a, b) for a, b in pairs if isinstance(a, str) and isinstance(b, str)),
        entry.get("color"),
    )


def merge_metas(metas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the union of several projects' `meta.json`.

    Of classes and tags of one name the first is kept; a class whose shapes differ becomes "any".
    """
    merged = dict(metas[0])
    tags: dict[Any, Any] = {}
    for meta in metas:
        found = meta.get("tags")
        for tag in found if isinstance(found, list) else ():
            tags.setdefault(str(tag.get("name") if isinstance(tag, dict) else tag), tag)
    merged["classes"] = _merged(entry for meta in metas for entry in meta["classes"])
    merged["tags"] = list(tags.values())
    return merged


def mapped_meta(
    meta: Mapping[str, Any],
    titles: Mapping[str, str | None],
    colors: Mapping[str, str],
    backgrounds: Sequence[tuple[str, str | None]],
) -> dict[str, Any]:
    """Return a `meta.json` with other classes; all else of it stays, and so does its order.

    Of classes that become one the first is kept; if their shapes differ, its shape becomes "any".

    Parameters
    ----------
    meta
        The `meta.json` of a project.
    titles
        What becomes of its classes: a title, or None for a class that goes. A class that is not
        here stays as it is.
    colors
        Colours "#rrggbb" by the titles that `meta` has, where they change.
    backgrounds
        Title and colour of the classes of backgrounds. They are added at the end, as rectangles,
        unless they are there. A colour of None is the one that they have, or `BACKGROUND_COLOR`.
    """
    return {**meta, "classes": _merged(_mapped(meta, titles, colors, backgrounds))}


def shape_conflicts(
    meta: Mapping[str, Any],
    titles: Mapping[str, str | None],
    backgrounds: Sequence[tuple[str, str | None]],
) -> list[str]:
    """What to note of the classes whose shape becomes "any" in `mapped_meta`, one line each."""
    return _conflicts(_mapped(meta, titles, {}, backgrounds))


def merge_conflicts(metas: Sequence[Mapping[str, Any]]) -> list[str]:
    """What to note of the classes whose shape becomes "any" in `merge_metas`, one line each."""
    return _conflicts([entry for meta in metas for entry in meta["classes"]])


def _mapped(
    meta: Mapping[str, Any],
    titles: Mapping[str, str | None],
    colors: Mapping[str, str],
    backgrounds: Sequence[tuple[str, str | None]],
) -> list[dict[str, Any]]:
    """The entries of a project's classes and of backgrounds, by their new titles."""
    entries = []
    for entry in meta["classes"]:
        old = entry["title"]
        new = titles.get(old, old)
        if new is not None:
            color = {"color": colors[old]} if old in colors else {}
            entries.append(entry | {"title": new} | color)
    for title, own in backgrounds:
        there = [entry for entry in entries if entry["title"] == title]
        if there and own is not None:
            there[0]["color"] = own
        entries.append({"title": title, "shape": "rectangle", "color": own or BACKGROUND_COLOR})
    return entries


def _merged(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The entries of distinct titles: the first one of each, of all their shapes."""
    merged: dict[str, dict[str, Any]] = {}
    for entry in entries:
        first = merged.setdefault(entry["title"], dict(entry))
        if first.get("shape") != entry.get("shape"):
            first["shape"] = "any"
    return list(merged.values())


def _conflicts(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    shapes = {entry["title"]: entry.get("shape") for entry in reversed(entries)}
    return [
        f'classes of different shapes become "{printable(entry["title"])}": its shape is "any"'
        " in meta.json"
        for entry in _merged(entries)
        if entry.get("shape") != shapes[entry["title"]]
    ]
