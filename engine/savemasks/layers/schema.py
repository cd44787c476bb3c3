"""The JSON Schema of a config, for editors that complete and check it."""

import inspect
import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter

from .reading import MODELS, Layer


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a config: one layer, or a list of layers."""
    layer: TypeAdapter[Any] = TypeAdapter(Annotated[Layer, Field(discriminator="action")])
    schema = _without_titles(layer.json_schema())
    models = schema["$defs"]
    for model in dict.fromkeys(MODELS.values()):
        settings = model.model_fields["settings"].annotation
        assert isinstance(settings, type)
        _describe(models[model.__name__], model)
        _describe(models[settings.__name__], settings)
    for sink in ("SaveMasks", "Save"):
        _name_by_archive(models[sink])
    any_layer = {"$ref": "#/$defs/Layer"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A config of savemasks: one layer, or a list of layers",
        "anyOf": [any_layer, {"type": "array", "items": any_layer, "minItems": 1}],
        "$defs": {"Layer": {"oneOf": schema["oneOf"]}, **models},
    }


def _without_titles(schema: Any) -> Any:
    """Leave out the titles, which repeat the keys."""
    if isinstance(schema, list):
        return [_without_titles(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_titles(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Put what the docstring says of each key to the key, as editors show it there."""
    for base in reversed(model.__mro__):
        text = inspect.cleandoc(base.__doc__ or "")
        for name, words in _attributes(text):
            if name in schema["properties"]:
                schema["properties"][name] |= {"description": words}
    schema["description"] = text.partition("\n")[0].replace("`", "")


def _attributes(docstring: str) -> Iterator[tuple[str, str]]:
    """Names and descriptions of a docstring's attributes."""
    _, _, section = docstring.partition("\nAttributes\n----------\n")
    for names, text in re.findall(r"^(\w.*)\n((?:    .*\n?|\n)+)", section, re.MULTILINE):
        for name in names.split(", "):
            yield name, " ".join(text.split()).replace("`", "")


def _name_by_archive(sink: dict[str, Any]) -> None:
    """Let `archive_name` stand for a `dst` that is missing."""
    sink["required"].remove("dst")
    named = {"properties": {"settings": {"required": ["archive_name"]}}, "required": ["settings"]}
    sink["anyOf"] = [{"required": ["dst"]}, named]
