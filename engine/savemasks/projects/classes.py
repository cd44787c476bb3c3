"""What a project's `meta.json` says of its classes."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import jsontext
from ..errors import ProjectError
from ..jsontext import EncodingError, Text


@dataclass(frozen=True, slots=True)
class ClassTemplate:
    """The properties of a class in meta.json that painting depends on.

    Attributes
    ----------
    shape
        Geometry of its objects, "any", or None if meta.json does not say.
    edges
        Pairs of labels of nodes that are joined, for graphs.
    """

    shape: str | None
    edges: tuple[tuple[str, str], ...]

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
    )


def merge_metas(metas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the union of several projects' `meta.json`.

    Of classes and tags of one name the first is kept; a class whose shapes differ becomes "any".
    """
    merged = dict(metas[0])
    classes: dict[str, dict[str, Any]] = {}
    tags: dict[Any, Any] = {}
    for meta in metas:
        for item in meta["classes"]:
            first = classes.setdefault(item["title"], dict(item))
            if first.get("shape") != item.get("shape"):
                first["shape"] = "any"
        found = meta.get("tags")
        for tag in found if isinstance(found, list) else ():
            tags.setdefault(str(tag.get("name") if isinstance(tag, dict) else tag), tag)
    merged["classes"], merged["tags"] = list(classes.values()), list(tags.values())
    return merged
