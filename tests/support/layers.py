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


EVERY_LAYER = [
    data("lemons/*", "$0", classes_mapping={"kiwi": "__default__", "__other__": "__ignore__"}),
    step("rename", "$0", "$1", classes_mapping={"kiwi": "fruit"}),
    step("merge_classes", "$1", "$2", classes_mapping={"plum": "__merge__fruit"}),
    step("drop_obj_by_class", ["$2"], ["$3"], classes=["leaf"]),
    step("color_class", "$3", "$4", classes_color_mapping={"fruit": "#FF0000", "x": [1, 2, 3]}),
    step("background", "$4", "$5", **{"class": "bg"}),
    save_masks("$5"),
    save("$5", visualize=True),
]
