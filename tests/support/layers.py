"""Layers of graphs, for tests."""

from typing import Any

Json = dict[str, Any]

MASKS: Json = {"masks_machine": True, "gt_machine_color": {"kiwi": [100, 100, 100]}}


def step(action: str, src: Any, dst: Any, **settings: Any) -> Json:
    """A layer; settings that are empty are left out."""
    layer = {"action": action, "src": src, "dst": dst}
    return layer | ({"settings": settings} if settings else {})


def data(src: Any = "lemons", dst: Any = "$0", **settings: Any) -> Json:
    return step("data", src, dst, **settings)


def rename(src: Any = "$0", dst: Any = "$1", **mapping: str) -> Json:
    return step("rename", src, dst, classes_mapping=mapping or {"kiwi": "fruit"})


def save_masks(src: Any = "$0", dst: Any = "masks", **settings: Any) -> Json:
    return step("save_masks", src, dst, **(MASKS | settings))


def save(src: Any = "$0", dst: Any = "copy", **settings: Any) -> Json:
    return step("save", src, dst, **settings)
