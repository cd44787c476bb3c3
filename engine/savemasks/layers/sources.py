"""The `data` layer: which data sets of a project, and what becomes of its classes."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from .class_table import ClassStep, Unlisted
from .mapping import ALL_STAY, SCHEMA, Titles, example, step_of
from .validation import Joints, LayerValue, SettingsValue, TextOrList, names_schema


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
            "entry",
            'must be the name of a project and, behind a "/", of a data set in it; the command line'
            " says where projects lie",
        )
    if any("*" in part for part in names):
        raise PydanticCustomError(
            "entry", '"*" stands for all data sets at the end only, as in "lemons/*"'
        )
    return entry


def _default(mapping: object) -> object:
    return ALL_STAY if mapping == "default" else mapping


_EXAMPLE = '{"kiwi": "fruit", "__other__": "__ignore__"}'

ClassesMapping = Annotated[
    Titles,
    example(
        'be "default" or map classes to titles, as {"kiwi": "fruit", "__other__": "__ignore__"}'
    ),
    BeforeValidator(_default),
    WithJsonSchema({"anyOf": [{"const": "default"}, SCHEMA]}),
]


class DataSettings(SettingsValue):
    """The `settings` of a `data` layer.

    Attributes
    ----------
    classes_mapping
        "default" (all stay), or class → new title, "__default__" or "__ignore__".
    tags_mapping
        Has no effect: tags stay as they are.
    """

    classes_mapping: ClassesMapping = Field(default=ALL_STAY)
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
        names_schema(minItems=1),
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

    def step(self, layer: str) -> ClassStep:
        """What the layer does to classes."""
        return step_of(layer, self.settings.classes_mapping, Unlisted.IS_REFUSED)

    def notes(self) -> list[str]:
        """What is asked and not done."""
        if self.settings.tags_mapping == "default":
            return []
        return ["settings.tags_mapping: has no effect: tags stay as they are"]
