"""`classes_mapping`, as several layers have it: class → new title, or what else becomes of it."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StrictStr
from pydantic_core import PydanticCustomError

from .class_table import ClassStep, Unlisted

OTHER = "__other__"
"""Stands for every class of the project that is not listed."""

_DEFAULT = "__default__"
_IGNORE = "__ignore__"
_MERGE = "__merge__"

ALL_STAY = {OTHER: _DEFAULT}
"""The mapping of no change."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"type": "string", "minLength": 1},
    "description": f'Class → new title, "{_DEFAULT}" (stays) or "{_IGNORE}" (its objects go)',
}


def _title(value: str) -> str:
    title = value.removeprefix(_MERGE)
    if not title:
        raise PydanticCustomError("title", "must be a title")
    return title


def example(text: str) -> BeforeValidator:
    """Refuse what is no mapping; say that it "must" be one."""

    def mapping(value: object) -> object:
        if not isinstance(value, dict):
            raise PydanticCustomError("mapping", "must {text}", {"text": text})
        return value

    return BeforeValidator(mapping)


Titles = dict[StrictStr, Annotated[StrictStr, AfterValidator(_title)]]
"""New titles, without the prefix that marks merges."""


def step_of(layer: str, mapping: Mapping[str, str], unlisted: Unlisted) -> ClassStep:
    """What a layer with this mapping does to classes."""
    titles = tuple((title, _becomes(title, new)) for title, new in mapping.items()
                   if title != OTHER)  # fmt: skip
    if OTHER not in mapping:
        return ClassStep(layer, titles, unlisted)
    is_default = mapping[OTHER] == _DEFAULT
    return ClassStep(
        layer, titles, Unlisted.STAYS if is_default else _becomes(OTHER, mapping[OTHER])
    )


def only_listed(mapping: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse to change classes that are not listed."""
    if mapping.get(OTHER, _DEFAULT) != _DEFAULT:
        raise PydanticCustomError(
            "other", f'"{OTHER}" is for data layers; classes that are not listed stay here'
        )
    return mapping


def _becomes(title: str, new: str) -> str | None:
    return {_DEFAULT: title, _IGNORE: None}.get(new, new)
