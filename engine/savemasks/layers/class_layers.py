"""The layers between a source and a sink: each does one thing to classes."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from .class_table import ClassStep, Unlisted
from .mapping import SCHEMA, Titles, example, only_listed, step_of
from .validation import Color, Joints, LayerValue, SettingsValue, TextOrList, names_schema


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
    Titles,
    AfterValidator(only_listed),
    example('map classes to titles, as {"car": "vehicle"}'),
    WithJsonSchema(SCHEMA),
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
    """A layer that takes objects from some layers and hands them to others.

    Attributes
    ----------
    src
        Placeholders of the layers that it takes objects from.
    dst
        Placeholders by which other layers take objects from it.
    """

    action: str
    src: Joints
    dst: Joints

    def step(self, layer: str) -> ClassStep:
        """What the layer does to classes."""
        raise NotImplementedError


class RenameSettings(SettingsValue):
    """The `settings` of a `rename` or `merge_classes` layer.

    Attributes
    ----------
    classes_mapping
        Class → new title, "__default__" (stays) or "__ignore__" (its objects go); classes that are
        not listed stay.
    """

    classes_mapping: NewTitles


class Rename(ClassLayer):
    """Classes get other titles; several may get one."""

    action: Literal["rename", "rename_classes", "merge_classes"]
    settings: RenameSettings

    def step(self, layer: str) -> ClassStep:
        """What the layer does to classes."""
        return step_of(layer, self.settings.classes_mapping, Unlisted.STAYS)


class DropSettings(SettingsValue):
    """The `settings` of a `drop_obj_by_class` layer.

    Attributes
    ----------
    classes
        Classes whose objects go.
    """

    classes: Annotated[tuple[StrictStr, ...], TextOrList, names_schema()]


class Drop(ClassLayer):
    """The objects of some classes go."""

    action: Literal["drop_obj_by_class", "drop_object_by_class"]
    settings: DropSettings

    def step(self, layer: str) -> ClassStep:
        """What the layer does to classes."""
        return ClassStep(layer, tuple((title, None) for title in self.settings.classes))


class ColorSettings(SettingsValue):
    """The `settings` of a `color_class` layer.

    Attributes
    ----------
    classes_color_mapping
        Class → its colour in meta.json, "#rrggbb" or RGB.
    """

    classes_color_mapping: Annotated[
        dict[StrictStr, ClassColor],
        example('map classes to colours, as {"car": "#ff0000"}'),
    ]


class ColorClass(ClassLayer):
    """Classes get other colours in meta.json."""

    action: Literal["color_class", "change_class_color"]
    settings: ColorSettings

    def step(self, layer: str) -> ClassStep:
        """What the layer does to classes."""
        given = self.settings.classes_color_mapping.items()
        return ClassStep(layer, colors=tuple((t, f"#{bytes(c).hex()}") for t, c in given))


class BackgroundSettings(SettingsValue):
    """The `settings` of a `background` layer.

    Attributes
    ----------
    title
        Class of the rectangle; `class` in JSON.
    """

    title: Annotated[
        StrictStr, Field(alias="class", min_length=1, description="Class of the rectangle")
    ]


class BackgroundLayer(ClassLayer):
    """A rectangle of the whole picture lies below everything."""

    action: Literal["background"]
    settings: BackgroundSettings

    def step(self, layer: str) -> ClassStep:
        """What the layer does to classes."""
        return ClassStep(layer, background=self.settings.title)
