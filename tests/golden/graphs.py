"""The golden graphs: a project for them, and configs of several layers, as plain data.

`make_graphs.py` has the reference SDK do what they say; `../test_golden_graphs.py` has savemasks do
it. Nothing here knows either.
"""

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golden import cases
    from golden.cases import Case, Colors, Object
    from golden.projects import Project
else:
    import cases
    from cases import Case

    from projects import Project

PROJECT = "project_graphs"


def blob(title: str, x: int, y: int, seed: int) -> "Object":
    """A bitmap of noise."""
    return cases.bitmap(title, x, y, zlib.compress(cases.png(cases.blob(15, 11, seed) * 255)))


def crowd(size: tuple[int, int]) -> list["Object"]:
    """An object of every geometry and class, each over the last, near the middle of a picture."""
    x, y = size[0] // 2 - 24, size[1] // 2 - 20
    front = cases.box(x + 24, y + 24, x + 34, y + 34)
    parts = [[cases.box(x + 2, y + 24, x + 14, y + 36), cases.box(x + 5, y + 27, x + 9, y + 31)],
             [cases.wheel(x + 18, y + 30, 5, 7)]]  # fmt: skip
    return [
        cases.rectangle("plum", x + 4, y + 4, x + 40, y + 32),
        cases.polygon("kiwi", cases.box(x + 2, y + 2, x + 24, y + 18),
                      cases.box(x + 8, y + 6, x + 18, y + 13)),
        blob("lemon", x + 20, y + 8, 1),
        cases.vector("Käse", "line", [[x + 2, y + 36], [x + 20, y + 20], [x + 45, y + 37]]),
        cases.vector("kiwi", "point", [[x + 12, y + 10]]),
        cases.rectangle("lemon", x + 36, y + 2, x + 44, y + 14),
        cases.multipolygon("Käse", *parts),
        cases.oriented("kiwi", [[x + 28, y + 14], [x + 44, y + 22]], 0.4),
        cases.cuboid("lemon", front, [6, -5]),
        cases.skeleton([x + 8, y + 20], [x + 14, y + 24], [x + 10, y + 28], [x + 6, y + 32],
                       [x + 12, y + 36]),
    ]  # fmt: skip


def graph_project() -> "Project":
    """Two data sets, one in the other; wide pictures, for their outlines are wider."""
    sizes = {"small.png": (48, 40), "wide.png": (640, 44), "tall.png": (52, 920)}
    rows = [Case(name, size, crowd(size)) for name, size in sizes.items()]
    twice = crowd((48, 40))[1:5]
    deep = [
        Case("empty.png", (20, 16), []),
        Case("pile.jpg", (48, 40), [*twice, blob("plum", 4, 4, 2), *twice[::-1]]),
    ]
    classes: list[Object] = [
        {"title": "kiwi", "shape": "any", "color": "#ff8000", "hotkey": "K"},
        {"title": "lemon", "shape": "any", "color": "#ffff00"},
        {"title": "plum", "shape": "any", "color": "#000000"},
        {"title": "Käse", "shape": "any", "color": "#0102fe"},
        {"title": "skeleton", "shape": "graph", "color": "#20c0c0",
         "geometry_config": cases.SKELETON},
        {"title": "unused", "shape": "polygon", "color": "#112233"},
    ]  # fmt: skip
    meta = {"classes": classes, "tags": [], "projectType": "images"}
    tables = {"rows": rows, "rows/datasets/deep": deep}
    return Project(PROJECT, meta, tables, {})


# ---------------------------------------------------------------- layers


def node(action: str, src: str | list[str], dst: str | list[str], **keys: object) -> "Object":
    return {"action": action, "src": src, "dst": dst, "settings": keys}


def masks(src: str, dst: str, machine: "Colors", human: "Colors") -> "Object":
    colors = {"gt_machine_color": machine, "gt_human_color": human}
    return node("save_masks", src, dst, masks_machine=True, masks_human=True, **colors)


def grays(**classes: int) -> "Colors":
    return {title: [gray] * 3 for title, gray in classes.items()}


MAPPED = {
    "kiwi": "fruit", "lemon": "fruit", "plum": "__ignore__", "Käse": "cheese",
    "__other__": "__default__",
}  # fmt: skip
FRUIT = {"fruit": [200, 10, 0], "skeleton": [0, 0, 0]}
LISTED = {"kiwi": "__default__", "lemon": "plum", "plum": "kiwi", "__other__": "__ignore__"}

GRAPHS: dict[str, list["Object"]] = {
    # As the specification shows a graph: a data layer that maps classes, and masks of them.
    "mapped": [
        node("data", [f"{PROJECT}/*"], "$0", classes_mapping=MAPPED),
        masks("$0", "masks", grays(fruit=100, cheese=50, skeleton=200), FRUIT),
    ],
    # Every layer of classes one after the other, into two results.
    "chain": [
        node("images_project", f"{PROJECT}/rows", ["$data"], classes_mapping="default",
             tags_mapping="default"),
        node("rename_classes", ["$data"], "$named", classes_mapping={"kiwi": "lime"}),
        node("merge_classes", "$named", ["$merged"],
             classes_mapping={"lime": "__merge__green", "Käse": "green"}),
        node("drop_object_by_class", "$merged", "$less", classes=["plum", "unused"]),
        node("background", "$less", "$whole", **{"class": "floor"}),
        node("change_class_color", "$whole", "$colored",
             classes_color_mapping={"green": [0, 200, 10], "floor": "#804000"}),
        node("export_archive", "$colored", "archive", visualize=True),
        masks("$colored", "masks", grays(floor=10, green=20, lemon=30),
              {"green": [0, 255, 0], "floor": [90, 90, 90]}),
    ],
    # Names that are exchanged, classes of the map alone, and a background that is there already.
    "swap": [
        node("save", "$last", "saved", visualise=True),
        node("color_class", "$floor", "$last", classes_color_mapping={"kiwi": "#0a0b0c"}),
        node("background", "$named", "$floor", **{"class": "kiwi"}),
        node("drop_obj_by_class", "$few", "$rest", classes=["kiwi"]),
        node("rename", "$rest", "$named", classes_mapping={"plum": "kiwi"}),
        node("data", f"{PROJECT}/rows/*", "$few", classes_mapping=LISTED),
    ],
    # Nothing is mapped: what is stroked, and in which colours.
    "as_it_is": [
        node("data", PROJECT, "$0", classes_mapping="default"),
        node("save", "$0", "all", visualize=True),
    ],
}  # fmt: skip
