"""What the arguments of a result are in its journal, and in words how they differ from others.

The order of classes in a configuration counts where masks number classes in it. So what is stored
has the classes in their order.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from ..errors import printable, shown
from ..line.job import PackRules

_MAX_NAMED_DIFFERENCES = 5


_ORDER = "order"
"""A key of arguments: the order in which classes are numbered. Older versions sorted classes."""


def encoded(arguments: Mapping[str, Any]) -> bytes:
    """Arguments as they are stored, with the classes as the configuration has them.

    The paths of the projects, which need not be UTF-8, are replaced by their bytes in hex.
    """
    projects = [os.fsencode(path).hex() for path in arguments["projects"]]
    return orjson.dumps({**arguments, "projects": projects})


def are_same(first: bytes, second: bytes) -> bool:
    """Whether arguments that are stored, perhaps by an older version, are the same."""
    before, now = orjson.loads(first), orjson.loads(second)
    if _ORDER not in before or _ORDER not in now:
        before.pop(_ORDER, None)
        now.pop(_ORDER, None)
    return bool(before == now)


def differences(stored: bytes, wanted: bytes) -> str:
    """Describe in words how the arguments that are stored differ from those of a run."""
    before, now = orjson.loads(stored), orjson.loads(wanted)
    named = [*_layer_differences(before, now)]
    if before.get("pack") != now.get("pack"):
        named.append(f"--pack was {_shown_pack(before)} and is {_shown_pack(now)}")
    if not named and before.get(_ORDER, now[_ORDER]) != now[_ORDER]:
        named.append("the classes were in another order, and masks number them in it")
    if before.get("format") != now["format"]:
        named.append("it is of another version of savemasks")
    if before.get("projects") != now["projects"]:
        paths = [os.fsdecode(bytes.fromhex(name)) for name in before.get("projects", [])]
        named.append(f"the projects were {', '.join(map(printable, paths))}")
    elif before.get("classes") != now["classes"]:
        named.append("shapes, names or shown colours of the classes in meta.json have changed")
    more = len(named) - _MAX_NAMED_DIFFERENCES
    shown_ones = "; ".join(named[:_MAX_NAMED_DIFFERENCES]) or "src or dst of the layer"
    return shown_ones + (f"; and {more} more" if more > 0 else "")


def _layer_differences(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """What of the layers differs: settings of the same layer, or whole layers of a graph."""
    old, new = before.get("graph", before.get("layer")), now.get("graph", now.get("layer"))
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _setting_differences("", old, new)
    elif isinstance(old, list) and isinstance(new, list):
        if [layer["action"] for layer in old] != [layer["action"] for layer in new]:
            actions = [", ".join(layer["action"] for layer in layers) for layers in (old, new)]
            yield f"the layers were {actions[0]} and are {actions[1]}"
            return
        for number, (first, second) in enumerate(zip(old, new, strict=True), start=1):
            name = f"layer {number} of this result ({first['action']}): "
            yield from _setting_differences(name, first, second)
            for key in ("src", "dst"):
                if first.get(key) != second.get(key):
                    yield f"{name}{key} was {shown(first.get(key))} and is {shown(second.get(key))}"
    else:
        yield "it was made by a layer alone, and the config is a graph, or the other way around"


def _setting_differences(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    before, now = old.get("settings", {}), new.get("settings", {})
    for key in now:
        if before.get(key) != now[key]:
            yield f"{name}settings.{key} was {shown(before.get(key))} and is {shown(now[key])}"


def _shown_pack(arguments: dict[str, Any]) -> str:
    """How a result is packed, in words."""
    pack = arguments.get("pack")
    return "none" if pack is None else str(PackRules(**pack))
