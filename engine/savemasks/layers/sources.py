"""The `data` layer: which data sets of a project, and what becomes of its classes."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from .class_table import ClassStep, Unlisted
from .validation import Joints, LayerValue, TextOrList, Value, names_schema

DEFAULT = "__default__"
IGNORE = "__ignore__"
OTHER = "__other__"

_EXAMPLE = '{"kiwi": "fruit", "__other__": "__ignore__"}'


def _entry(entry: str) -> str:
    """A project with all its data sets, or one of them."""
    if entry.startswith("$"):
        raise PydanticCustomError(
            "entry", 'must be a project, as "lemons" or "lemons/market", and no placeholder'
        )
    parts = entry.split("/")
    names = parts[:-1] if len(parts) > 1 and parts[-1] == "*" else parts
    if any(part in {"", ".", ".."} or "\\" in part or "\0" in part for part in names):
        raise PydanticCustomError(
            "entry", 'must be the name of a project and, behind a "/", of a data set in it'
        )
    if any("*" in part for part in names):
        raise PydanticCustomError(
            "entry", '"*" stands for all data sets at the end only, as in "lemons/*"'
        )
    return entry


def _mapping(value: object) -> object:
    if value != "default" and not isinstance(value, dict):
        raise PydanticCustomError(
            "mapping",
            'must be "default" or map classes to titles, as {example}',
            {"example": _EXAMPLE},
        )
    return value


ClassesMapping = Annotated[
    Literal["default"] | dict[StrictStr, StrictStr],
    BeforeValidator(_mapping),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "default"},
                {"type": "object", "additionalProperties": {"type": "string"}},
            ],
            "description": 'Class → new title, "__default__" (stays) or "__ignore__" (its objects'
            ' go); "__other__" stands for every class that is not listed',
        }
    ),
]


class DataSettings(Value):
    """The `settings` of a `data` layer.

    Attributes
    ----------
    classes_mapping
        "default", or title → new title, "__default__" or "__ignore__".
    tags_mapping
        Has no effect: tags stay as they are.
    """

    classes_mapping: ClassesMapping = "default"
    tags_mapping: Any = "default"


class Data(LayerValue):
    """One `data` layer: a source.

    Attributes
    ----------
    action
        "data", or its newer name, "images_project".
    src
        A project, as "lemons" or "lemons/*", or data sets of it, as "lemons/market".
    dst
        Placeholders that other layers take.
    settings
        What becomes of the classes.
    """

    action: Literal["data", "images_project"]
    src: Annotated[
        tuple[Annotated[StrictStr, AfterValidator(_entry)], ...],
        TextOrList,
        Field(min_length=1),
        names_schema('A project ("lemons", "lemons/*") or data sets of it ("lemons/market")'),
    ]
    dst: Joints
    settings: DataSettings = Field(default_factory=DataSettings)

    @property
    def projects(self) -> tuple[str, ...]:
        """The projects that are named, each once."""
        return tuple(dict.fromkeys(entry.partition("/")[0] for entry in self.src))

    @property
    def entries(self) -> tuple[str, ...]:
        """What is taken of the project: "*", "market", "market/closeups", "market/*"."""
        return tuple(dict.fromkeys(entry.partition("/")[2] or "*" for entry in self.src))

    def step(self, layer: str) -> ClassStep | None:
        """What the layer does to classes."""
        mapping = self.settings.classes_mapping
        if mapping == "default":
            return None
        becomes = {title: _becomes(title, new) for title, new in mapping.items() if title != OTHER}
        others: str | Unlisted | None = Unlisted.IS_REFUSED
        if OTHER in mapping:
            new = mapping[OTHER]
            others = Unlisted.STAYS if new == DEFAULT else _becomes(OTHER, new)
        return ClassStep(layer, tuple(becomes.items()), others)

    def notes(self) -> list[str]:
        """What is asked and not done."""
        if self.settings.tags_mapping == "default":
            return []
        return ["settings.tags_mapping: has no effect: tags stay as they are"]


def _becomes(title: str, new: str) -> str | None:
    return {DEFAULT: title, IGNORE: None}.get(new, new)
