"""The layers between a source and a sink: each does one thing to classes."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from .class_table import ClassStep
from .validation import Color, Joints, LayerValue, TextOrList, Value, names_schema

_MERGE = "__merge__"


def _title(value: str) -> str:
    """A new title, without the prefix that marks merges."""
    title = value.removeprefix(_MERGE)
    if not title:
        raise PydanticCustomError("title", "must be a title")
    if title in {"__default__", "__ignore__"}:
        raise PydanticCustomError(
            "title",
            "must be a title; leave out classes that stay, and let a drop_obj_by_class layer drop"
            " classes",
        )
    return title


def _titles(value: object) -> object:
    if not isinstance(value, dict):
        raise PydanticCustomError(
            "titles", "must map classes to titles, as {example}", {"example": '{"car": "vehicle"}'}
        )
    return value


def _colors(value: object) -> object:
    if not isinstance(value, dict):
        raise PydanticCustomError(
            "colors", "must map classes to colours, as {example}", {"example": '{"car": "#ff0000"}'}
        )
    return value


def _hex_or_channels(value: object) -> object:
    """The channels of a colour."""
    if not isinstance(value, str):
        if not isinstance(value, list | tuple) or len(value) != 3:
            value = ""
        else:
            return tuple(value)
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise PydanticCustomError("hex", 'must be a colour, as "#ff0000" or [255, 0, 0]')
    return tuple(bytes.fromhex(value[1:]))


NewTitles = Annotated[
    dict[StrictStr, Annotated[StrictStr, AfterValidator(_title)]],
    BeforeValidator(_titles),
    Field(description="Class → new title; classes that are not listed stay"),
]
ClassColor = Annotated[
    Color,
    BeforeValidator(_hex_or_channels),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 0, "maximum": 255},
                    "minItems": 3,
                    "maxItems": 3,
                },
            ]
        }
    ),
]


class ClassLayer(LayerValue):
    """A layer that takes objects from some layers and hands them to others."""

    src: Joints
    dst: Joints

    def step(self, layer: str) -> ClassStep:
        """What the layer does to classes."""
        raise NotImplementedError


class RenameSettings(Value):
    """The `settings` of a `rename` or `merge_classes` layer."""

    classes_mapping: NewTitles


class Rename(ClassLayer):
    """Classes get other titles; several may get one."""

    action: Literal["rename", "rename_classes", "merge_classes"]
    settings: RenameSettings

    def step(self, layer: str) -> ClassStep:
        """What the layer does to classes."""
        return ClassStep(layer, tuple(self.settings.classes_mapping.items()))


class DropSettings(Value):
    """The `settings` of a `drop_obj_by_class` layer."""

    classes: Annotated[tuple[StrictStr, ...], TextOrList, names_schema("Classes whose objects go")]


class Drop(ClassLayer):
    """The objects of some classes go."""

    action: Literal["drop_obj_by_class", "drop_object_by_class"]
    settings: DropSettings

    def step(self, layer: str) -> ClassStep:
        """What the layer does to classes."""
        return ClassStep(layer, tuple((title, None) for title in self.settings.classes))


class ColorSettings(Value):
    """The `settings` of a `color_class` layer."""

    classes_color_mapping: Annotated[
        dict[StrictStr, ClassColor],
        BeforeValidator(_colors),
        Field(description="Class → its colour in meta.json"),
    ]


class ColorClass(ClassLayer):
    """Classes get other colours in meta.json."""

    action: Literal["color_class", "change_class_color"]
    settings: ColorSettings

    def step(self, layer: str) -> ClassStep:
        """What the layer does to classes."""
        given = self.settings.classes_color_mapping.items()
        return ClassStep(layer, colors=tuple((t, f"#{bytes(c).hex()}") for t, c in given))


class BackgroundSettings(Value):
    """The `settings` of a `background` layer."""

    title: Annotated[StrictStr, Field(alias="class", min_length=1, description="Its class")]


class BackgroundLayer(ClassLayer):
    """A rectangle of the whole picture lies below everything."""

    action: Literal["background"]
    settings: BackgroundSettings

    def step(self, layer: str) -> ClassStep:
        """What the layer does to classes."""
        return ClassStep(layer, background=self.settings.title)
