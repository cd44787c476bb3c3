"""A config's parsed JSON → its layers, one by one; what is wrong with a layer by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from ..errors import did_you_mean, printable, shown
from .class_layers import BackgroundLayer, ColorClass, Drop, Rename
from .save import Save
from .save_masks import SaveMasks
from .sources import Data
from .validation import problems_of

Sink = SaveMasks | Save
Layer = Data | Rename | Drop | ColorClass | BackgroundLayer | SaveMasks | Save

MODELS: dict[str, type[Layer]] = {
    action: model
    for model in get_args(Layer)
    for action in get_args(model.model_fields["action"].annotation)
}
"""The model of every action."""

SINKS: tuple[type[Layer], ...] = get_args(Sink)
"""The models of layers that write."""

_MAX_ACTION = 40  # characters that are shown
_EXAMPLE = '{"action": "save_masks", ...}'


@dataclass(frozen=True, slots=True)
class Node:
    """A layer in a list, with the placeholders that join it to others.

    Attributes
    ----------
    number
        Its place in the list, from 1.
    name
        As errors name it: "layer 2 (rename)".
    model
        What the action stands for, or None if we do not know it.
    layer
        The layer, or None if something is wrong with it by itself.
    src, dst
        The placeholders that it takes, and those that it defines, each once.
    """

    number: int
    name: str
    model: type[Layer] | None
    layer: Layer | None
    src: tuple[str, ...]
    dst: tuple[str, ...]


def label(number: int, action: str | None) -> str:
    """Return "layer 2 (rename)"."""
    if action is None:
        return f"layer {number}"
    return f"layer {number} ({printable(action[:_MAX_ACTION])})"


def is_alone(data: object) -> bool:
    """Whether the parsed JSON is a sink that takes the projects of the command line.

    What has no action, or is no layer at all, is taken for one, and told what is wrong with it.
    """
    if isinstance(data, list):
        if len(data) != 1:
            return False
        data = data[0]
    if not isinstance(data, dict) or not isinstance(data.get("action"), str):
        return True
    return _model_of(data) in SINKS


def read_alone(data: object) -> Sink:
    """Validate a sink that stands alone, or in a list of one.

    Raises
    ------
    ConfigError
        With every problem.
    """
    layer = data[0] if isinstance(data, list) else data
    if isinstance(layer, dict) and _model_of(layer) is Save:
        return Save.of_parsed(data)
    return SaveMasks.of_parsed(data)


def read_nodes(layers: list[Any], problems: list[tuple[int, str]]) -> Iterator[Node]:
    """Validate each layer of a list; add what is wrong to `problems`, with the layer's number."""
    for number, raw in enumerate(layers, start=1):
        keys = raw if isinstance(raw, dict) else {}
        action = keys.get("action")
        name = label(number, action if isinstance(action, str) else None)
        model, layer = _model_of(keys), None
        if model is None:
            problems.append((number, f"{name}: {_wrong_action(raw)}"))
        else:
            try:
                layer = model.model_validate(raw)
            except ValidationError as error:
                problems += [
                    (number, f"{name}: {problem}") for problem in problems_of(error, model, keys)
                ]
        src = () if model is Data else _placeholders(keys.get("src"))
        dst = () if model in SINKS else _placeholders(keys.get("dst"))
        yield Node(number, name, model, layer, src, dst)


def _model_of(layer: dict[str, Any]) -> type[Layer] | None:
    action = layer.get("action")
    return MODELS.get(action) if isinstance(action, str) else None


def _wrong_action(layer: object) -> str:
    """Say why we do not know what this layer is."""
    if not isinstance(layer, dict):
        return f"a layer is a JSON object: {_EXAMPLE}"
    if "action" not in layer:
        return "action is missing"
    action = layer["action"]
    if not isinstance(action, str):
        return f"action: {shown(action)} is not a text"
    hint = did_you_mean(action, MODELS)
    return f"savemasks exports and does not transform{hint}; it takes {', '.join(MODELS)}"


def _placeholders(names: object) -> tuple[str, ...]:
    """Return what begins with "$", each once; what is wrong otherwise is told elsewhere."""
    several = names if isinstance(names, list | tuple) else [names]
    return tuple(dict.fromkeys(n for n in several if isinstance(n, str) and n.startswith("$")))
