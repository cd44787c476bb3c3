"""The JSON Schema of a config, for editors that complete and check it."""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from .reading import Layer

_LAYER = Annotated[Layer, Field(discriminator="action")]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a config: one layer, or a list of layers."""
    config: TypeAdapter[Any] = TypeAdapter(_LAYER | list[_LAYER])
    schema = config.json_schema()
    for model in ("SaveMasks", "Save"):
        _name_by_archive(schema["$defs"][model])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A config of savemasks: one layer, or a list of layers",
        **schema,
    }


def _name_by_archive(sink: dict[str, Any]) -> None:
    """Let `archive_name` stand for a `dst` that is missing."""
    sink["required"].remove("dst")
    named = {"properties": {"settings": {"required": ["archive_name"]}}, "required": ["settings"]}
    sink["anyOf"] = [{"required": ["dst"]}, named]
