"""What the models of all layers share: values, names, reading JSON, and wording what is wrong."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from .. import jsontext
from ..errors import ConfigError, did_you_mean, shown
from ..jsontext import EncodingError, Text

MAX_CLASSES = 65535
"""The largest number of classes in a mapping: labels are 16-bit, and 0 is the background."""

Config = Text | os.PathLike[str] | Mapping[str, Any] | list[Any]
"""JSON as text or bytes, the path of a file with it, or what it parses to."""

_T = TypeVar("_T")


class Value(BaseModel):
    """What is equal, and has the same hash, if it has the same values in the same order.

    The order of the classes counts, because they are numbered in it.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    def __init__(self, **data: Any) -> None:
        data = {key: jsontext.plain(value) for key, value in data.items()}
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise ConfigError(problems_of(error, type(self), data)) from None

    # As BaseModel's own: what is inside of a layer is validated with it, and not by itself.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _frozen(self) == _frozen(other)

    def __hash__(self) -> int:
        return hash(_frozen(self))


def _frozen(value: object) -> Any:
    """Something hashable that is equal if the values are."""
    if isinstance(value, BaseModel):
        return _frozen({**value.__dict__, **(value.__pydantic_extra__ or {})})
    if isinstance(value, dict):
        return tuple((key, _frozen(each)) for key, each in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


class SettingsValue(Value):
    """What the settings of all layers have."""

    def known(self) -> dict[str, Any]:
        """All settings that have a meaning, as JSON."""
        own = set(type(self).model_fields)
        return self.model_dump(mode="json", by_alias=True, include=own)


class LayerValue(Value):
    """What all layers have: an action, names that join them, and settings."""

    @model_validator(mode="before")
    @classmethod
    def _without_schema(cls, layer: object) -> object:
        """Leave out the key by which editors find the JSON Schema."""
        if not isinstance(layer, dict):
            return layer
        return {key: value for key, value in layer.items() if key != "$schema"}

    @classmethod
    def of_parsed(cls, data: object) -> Self:
        """Validate parsed JSON: one layer, or a list that holds exactly one.

        Raises
        ------
        ConfigError
            With every problem, each with its JSON path.
        """
        prefix = ""
        if isinstance(data, list):
            if len(data) != 1:
                raise ConfigError([f"a list must hold exactly one layer, not {len(data)}"])
            prefix, data = "[0]", data[0]
        if not isinstance(data, dict):
            raise ConfigError(['a layer is a JSON object: {"action": "save_masks", ...}'])
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ConfigError(problems_of(error, cls, data, prefix)) from None

    @property
    def known(self) -> dict[str, Any]:
        """The layer as JSON, with the keys that we know."""
        settings: Any = self.__dict__["settings"]
        of_layer = self.model_dump(mode="json", include={"action", "src", "dst"})
        keys = {key: of_layer[key] for key in ("action", "src", "dst")}
        return keys | {"settings": settings.known()}

    def unknown_keys(self) -> list[str]:
        """JSON paths of keys that no version of the layer knows; they have no effect."""
        own = [*(self.__pydantic_extra__ or ())]
        settings = self.__dict__["settings"]
        return own + [f"settings.{key}" for key in settings.__pydantic_extra__ or ()]

    def unknown_keys_with_hints(self) -> list[str]:
        """The same, each with the nearest key that is known, if there is one."""
        hinted = []
        for prefix, value in (("", self), ("settings.", self.__dict__["settings"])):
            fields = type(value).model_fields.items()
            known = [field.alias or name for name, field in fields]
            extra = value.__pydantic_extra__ or ()
            hinted += [f"{prefix}{key}{did_you_mean(key, known)}" for key in extra]
        return hinted


# ---------------------------------------------------------------- names and colours


def three_channels(value: object) -> object:
    """A colour's channels; what is no list of three is refused."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise PydanticCustomError(
            "color", "must be a list of three integers 0..255, as [255, 0, 0]"
        )
    return tuple(value)


def _as_list(names: object) -> object:
    return [names] if isinstance(names, str) else names


def _one_name(names: object) -> object:
    if not isinstance(names, list | tuple):
        return names
    if len(names) != 1:
        raise PydanticCustomError("names", "must be one name, not {n}", {"n": len(names)})
    return names[0]


def _placeholder(name: str) -> str:
    if not name.startswith("$"):
        raise PydanticCustomError(
            "placeholder",
            'must be a placeholder such as "$0"; projects are named on the command line, or by data'
            " layers",
        )
    return name


def _joint(name: str) -> str:
    if not name.startswith("$"):
        raise PydanticCustomError(
            "joint", 'must be a placeholder such as "$1", which joins this layer to another'
        )
    return name


def _folder_below_out(dst: str) -> str:
    path = PurePosixPath(dst)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in dst or "\0" in dst:
        raise PydanticCustomError(
            "folder", "must name a folder below --out, without '..' and not absolute"
        )
    return str(path)


_ANY_TEXT = {"type": "string"}
_BEGINS_WITH_DOLLAR = {"type": "string", "pattern": r"^\$"}


def names_schema(text: Mapping[str, Any] = _ANY_TEXT, **limits: int) -> WithJsonSchema:
    """The JSON Schema of names, as a text or a list within these limits."""
    return WithJsonSchema({"anyOf": [text, {"type": "array", "items": text, **limits}]})


TextOrList = BeforeValidator(_as_list)
"""Takes a text for a list of one."""

Placeholders = Annotated[
    tuple[Annotated[StrictStr, AfterValidator(_placeholder)], ...],
    TextOrList,
    names_schema(_BEGINS_WITH_DOLLAR),
]
Joints = Annotated[
    tuple[Annotated[StrictStr, AfterValidator(_joint)], ...],
    TextOrList,
    Field(min_length=1),
    names_schema(_BEGINS_WITH_DOLLAR, minItems=1),
]
Folder = Annotated[
    StrictStr,
    BeforeValidator(_one_name),
    AfterValidator(_folder_below_out),
    names_schema(minItems=1, maxItems=1),
]
Channel = Annotated[int, Field(strict=True, ge=0, le=255)]
Color = Annotated[tuple[Channel, Channel, Channel], BeforeValidator(three_channels)]


class SinkSettings(SettingsValue):
    """What the settings of all sinks have."""

    # `SinkValue` takes it away; here it is refused, if it is no text.
    archive_name: Annotated[StrictStr, Field(exclude=True)] = ""


class SinkValue(LayerValue):
    """What all sinks have."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, layer: object) -> object:
        """Let `archive_name` name the result where `dst` does not."""
        if not isinstance(layer, dict) or not isinstance(settings := layer.get("settings"), dict):
            return layer
        name = settings.get("archive_name")
        if not isinstance(name, str | None):
            return layer
        layer = {**layer, "settings": {k: v for k, v in settings.items() if k != "archive_name"}}
        dst = layer.get("dst")
        names = dst if isinstance(dst, list | tuple) else [dst]
        if name and all(
            each is None or (isinstance(each, str) and each[:1] in "$") for each in names
        ):
            layer["dst"] = name
        return layer


# ---------------------------------------------------------------- reading


def read_config(config: Config, build: Callable[[object], _T]) -> _T:
    """What `build` makes of the parsed JSON; every problem of a file names the file.

    Raises
    ------
    ConfigError
        If it cannot be read, is no JSON, or `build` raises it.
    TypeError
        If `config` is none of the types of `Config`.
    """
    if not isinstance(config, os.PathLike):
        return build(_load(config))
    path = Path(config)
    try:
        return build(_load(path.read_bytes()))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except ConfigError as error:
        raise ConfigError([f"{path}: {problem}" for problem in error.problems]) from None


def _load(config: object) -> object:
    if isinstance(config, Mapping | list):
        return jsontext.plain(config)
    if not isinstance(config, Text):
        name = type(config).__name__
        raise TypeError(f"a layer is JSON (bytes or str), a Path, a dict or a list, not {name}")
    try:
        return jsontext.load(config)
    except EncodingError as error:
        raise ConfigError([str(error)]) from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        hint = jsontext.path_hint(config)
        raise ConfigError([f"not valid JSON at {place}: {error.msg}{hint}"]) from error


# ---------------------------------------------------------------- wording


def problems_of(
    error: ValidationError, model: type[Value], data: Mapping[str, Any], prefix: str = ""
) -> list[str]:
    """What is wrong with the data of a model, each problem as `path: what is wrong`."""
    errors = [*error.errors(), *_contradictions_of_the_rest(error, model, data)]
    return [problem for e in errors for problem in _describe(e, prefix)]


def _contradictions_of_the_rest(
    error: ValidationError, model: type[Value], data: Mapping[str, Any]
) -> Iterator[ErrorDetails]:
    """Contradictions in settings of which other keys are wrong by themselves.

    pydantic looks for them only if every key is right. Those that name a wrong key are left out:
    they may be gone once that is right.
    """
    is_layer = issubclass(model, LayerValue)
    inside = ("settings",) if is_layer else ()
    settings = data.get("settings") if is_layer else data
    places = [e["loc"][len(inside) :] for e in error.errors() if e["loc"][: len(inside)] == inside]
    wrong = {place[0] for place in places if place}
    if not wrong or not isinstance(settings, dict) or "like" in wrong:
        return  # what a preset would have given seems to be missing
    of_settings: Any = model.model_fields["settings"].annotation if is_layer else model
    try:
        of_settings.model_validate({key: v for key, v in settings.items() if key not in wrong})
    except ValidationError as found:
        for each in found.errors():
            problems = [
                problem
                for problem in each.get("ctx", {}).get("problems", ())
                if wrong.isdisjoint(re.findall(r"\w+", problem))
            ]
            if problems:
                yield {**each, "loc": inside, "ctx": {"problems": problems}}


_TAG_AT = 2  # behind gt_machine_color, where a path names the kind of its union, not a key


def _describe(error: ErrorDetails, prefix: str) -> Iterator[str]:
    path = prefix
    loc = error["loc"]
    at = 1 if loc[:1] == ("settings",) else 0
    if loc[at : at + 1] == ("gt_machine_color",):
        loc = (*loc[: at + _TAG_AT], *loc[at + _TAG_AT + 1 :])
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif re.fullmatch(r"[\w-]+", part):
            path += f".{part}" if path else part
        else:
            path += f"[{json.dumps(part, ensure_ascii=False)}]"
    value = error["input"]
    text = shown(value)
    limits = error.get("ctx", {})
    texts = {
        "missing": "is missing",
        "less_than_equal": f"{text} is above {limits.get('le')}",
        "greater_than_equal": f"{text} is below {limits.get('ge')}",
        "int_type": f"{text} is not a whole number",
        "bool_type": f"{text} is neither true nor false",
        "string_type": f"{text} is not a text",
        "string_unicode": f"{text} has half a character",
        "dict_type": f"{text} is not a mapping of classes to colours",
        "model_type": f"{text} is not an object",
        "tuple_type": f"{text} is not a list",
        "literal_error": f"{text} is not supported; possible: {limits.get('expected')}",
        "too_long": f"{len(value) if isinstance(value, dict) else 0} classes; at most {MAX_CLASSES}"
        " are supported",
        "too_short": "is empty",
        "string_too_short": "is empty",
    }
    for problem in limits.get("problems", [texts.get(error["type"], error["msg"])]):
        yield f"{path or 'layer'}: {problem}"
