"""Finds the null that made an object unreadable, after it was refused.

An object is added once more, out of dicts that raise where a null is read that was needed. So this
knows nothing of geometries, and sound annotations take no time for it.
"""

from collections.abc import Mapping
from typing import Any

from ..errors import printable
from ..projects.classes import ClassTemplate
from .builder import Builder
from .geometry import GEOMETRIES, WRONG_OBJECT, geometry_of


class _NullError(Exception):
    """The message is the path of a null."""


class _Strict(dict[str, Any]):
    """A JSON object in which a null counts as an error as soon as it is read."""

    path: str = ""

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if value is None:
            raise _NullError(self.path + key)
        return value

    def items(self) -> Any:
        for key in self:
            self[key]
        return super().items()


def needed_null(item: object, templates: Mapping[str, ClassTemplate]) -> str | None:
    """Return a message for the null that keeps an object from being read; None if there is none."""
    if not isinstance(item, dict) or not isinstance(title := item.get("classTitle"), str):
        return None
    template = templates.get(title)
    geometry = geometry_of(item, template)
    try:  # the geometry is known, or the object would not have been looked into
        GEOMETRIES[geometry](Builder(1, 1), _strict(item, ""), template)
    except _NullError as error:
        return f"{geometry}: {printable(error)} is null"
    except WRONG_OBJECT:
        return None  # something else is wrong, as has been found already
    return None


def _strict(value: Any, path: str) -> Any:
    """A copy of what an object holds, in strict dicts; `path` names it."""
    if isinstance(value, list):
        return [_strict(each, f"{path[:-1]}[{i}].") for i, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    copy = _Strict({key: _strict(each, f"{path}{key}.") for key, each in value.items()})
    copy.path = path
    return copy
