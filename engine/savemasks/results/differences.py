"""What the arguments of a result are in its journal, and in words how they differ from others.

The order of classes in a configuration counts: masks number them in it. So what is stored has the
classes in their order.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from ..errors import printable, shown
from ..line.job import PackRules

_MAX_NAMED_DIFFERENCES = 5


_IN_ORDER = "in_order"
"""A key of arguments whose classes have their order; older versions sorted them."""


def encoded(arguments: Mapping[str, Any]) -> bytes:
    """Arguments as they are stored: equal bytes are equal arguments.

    The paths of the projects, which need not be UTF-8, are replaced by their bytes in hex.
    """
    found = dict(arguments)
    found["projects"] = [os.fsencode(path).hex() for path in arguments["projects"]]
    if "layer" in found:
        found["layer"] = _sorted(found["layer"])
    if "graph" in found:
        found["graph"] = [_sorted(layer) for layer in found["graph"]]
    return orjson.dumps({**dict(sorted(found.items())), _IN_ORDER: True})


def _sorted(layer: Mapping[str, Any]) -> dict[str, Any]:
    """A layer with its keys, and those of its settings, in an order of our own."""
    found = dict(sorted(layer.items()))
    if isinstance(settings := found.get("settings"), Mapping):
        found["settings"] = dict(sorted(settings.items()))
    return found


def are_same(first: bytes, second: bytes) -> bool:
    """Whether arguments that are stored, perhaps by an older version, are the same."""
    if first == second:
        return True
    found = orjson.loads(first), orjson.loads(second)
    are_in_order = [each.pop(_IN_ORDER, False) for each in found]
    return not all(are_in_order) and found[0] == found[1]


def differences(stored: bytes, wanted: bytes) -> str:
    """Describe in words how the arguments that are stored differ from those of a run."""
    before, now = orjson.loads(stored), orjson.loads(wanted)
    named = [*_layer_differences(before, now)]
    if before.get("pack") != now.get("pack"):
        named.append(f"--pack was {_shown_pack(before)} and is {_shown_pack(now)}")
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
        elif orjson.dumps(before.get(key)) != orjson.dumps(now[key]):
            yield f"{name}settings.{key} had its classes in another order: {shown(before[key])}"


def _shown_pack(arguments: dict[str, Any]) -> str:
    """How a result is packed, in words."""
    pack = arguments.get("pack")
    return "none" if pack is None else str(PackRules(**pack))
