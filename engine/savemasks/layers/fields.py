"""Types of settings that are of one kind or another, whose errors have the path of the setting."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import (
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

AUTO: Final = "auto"
Auto = Literal["auto"]


@dataclass(frozen=True)
class OrAuto:
    """Marks a setting that is of a type, or "auto".

    A union would do, but its errors name the part of it that did not fit, as if it were a key.
    """

    otherwise: Any

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate what is not "auto" as the type does; write both as they are."""
        return core_schema.no_info_wrap_validator_function(
            _unless_auto,
            handler.generate_schema(self.otherwise),
            serialization=core_schema.plain_serializer_function_ser_schema(_unchanged),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Both are possible."""
        return {"anyOf": [handler(schema), {"const": AUTO, "type": "string"}]}


def _unchanged(value: Any) -> Any:
    return value


def _unless_auto(value: object, validate: Callable[[object], Any]) -> Any:
    return value if value == AUTO else validate(value)


def _channels(value: object) -> object:
    if value == AUTO or (type(value) is int and value in (1, 3)):
        return value
    raise PydanticCustomError("channels", 'must be "auto", 1 or 3')


def _background(value: object) -> object:
    if _is_level(value):
        return value
    if isinstance(value, list | tuple) and len(value) == 3 and all(map(_is_level, value)):
        return tuple(value)
    raise PydanticCustomError(
        "background", "must be a whole number 0..255, or three of them, as [255, 255, 255]"
    )


def _is_level(value: object) -> bool:
    return type(value) is int and 0 <= value <= 255


CHANNELS: Final = (
    PlainValidator(_channels),
    WithJsonSchema({"enum": [AUTO, 1, 3], "default": AUTO}),
)
_LEVEL = {"type": "integer", "minimum": 0, "maximum": 255}
BACKGROUND: Final = (
    PlainValidator(_background),
    PlainSerializer(_unchanged),
    WithJsonSchema(
        {"anyOf": [_LEVEL, {"type": "array", "items": _LEVEL, "minItems": 3, "maxItems": 3}]}
    ),
)
