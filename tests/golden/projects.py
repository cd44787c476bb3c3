"""The golden cases as projects: their classes, and the layers that they are painted by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golden import cases
    from golden.cases import Case, Colors, Object
else:
    import cases


def layer(machine: "Colors", human: "Colors") -> "Object":
    """Write the layer as its specification shows it."""
    colors = {"gt_machine_color": machine, "gt_human_color": human}
    options = {"masks_machine": True, "masks_human": True, **colors}
    return {"action": "save_masks", "src": ["$0"], "dst": "golden", "settings": options}


def grays(**classes: int) -> "Colors":
    return {title: [gray] * 3 for title, gray in classes.items()}


BOTH_MACHINE = grays(kiwi=100, lemon=200, plum=50, Käse=255, pit=0, coal=150)
BOTH_HUMAN = {
    "kiwi": [255, 0, 0],
    "lemon": [27, 0, 255],
    "plum": [0, 161, 1],
    "Käse": [255, 255, 255],
    "pit": [255, 255, 0],
    "coal": [0, 0, 0],
}
DIFFER_MACHINE = {
    "kiwi": [255, 0, 0],
    "lemon": [0, 128, 255],
    "Käse": [255, 0, 0],
    "pit": [0, 0, 0],
    "coal": [1, 2, 3],
}
DIFFER_HUMAN = {
    "ghost": [90, 91, 92],
    "coal": [0, 0, 0],
    "plum": [0, 255, 0],
    "lemon": [255, 200, 0],
}
MORE_MACHINE = {**grays(kiwi=100, lemon=200, plum=50, Käse=255, skeleton=180), "crate": cases.CRATE}
MORE_HUMAN = {
    **{title: BOTH_HUMAN[title] for title in (*cases.FRUITS, "Käse")},
    "skeleton": [255, 0, 255],
    "crate": cases.CRATE,
}


def meta(*titles: str, special: Sequence["Object"] = ()) -> "Object":
    classes = [{"title": title, "shape": "any", "color": "#208040"} for title in titles]
    return {"classes": [*classes, *special], "tags": [], "projectType": "images"}


@dataclass(frozen=True)
class Project:
    """A project to write, and the settings to paint it by, each under the suffix of its files."""

    folder: str
    meta: "Object"
    tables: dict[str, list["Case"]]  # the folder of a data set below the project's → its cases
    layers: dict[str, "Object"]


def application_layer(titles: list[str]) -> "Object":
    """Build what makes the masks of the `export-as-masks` application.

    Large objects lie below small ones, lines are two pixels thick, and the gray of a class is its
    position in meta.json, from 1.
    """
    colors = {title: [i, i, i] for i, title in enumerate(titles, start=1)}
    if "crate" in colors:
        colors["crate"] = cases.CRATE  # the SDK paints it in its own colour, whatever it is told
    made = layer(colors, {})
    made["settings"] |= {"masks_human": False, "paint_order": "area", "line_width": 2}
    del made["settings"]["gt_human_color"]
    return made


def projects() -> list[Project]:
    special: list[Object] = [
        {
            "title": "skeleton",
            "shape": "graph",
            "color": "#208040",
            "geometry_config": cases.SKELETON,
        },
        {
            "title": "crate",
            "shape": "cuboid_2d",
            "color": "#{:02x}{:02x}{:02x}".format(*cases.CRATE),
        },
    ]
    tables = {
        "vector": [*cases.polygon_cases(), *cases.random_cases(), *cases.other_vector_cases()],
        "vector/datasets/raster": [*cases.bitmap_cases(), *cases.mixed_cases()],
    }
    layers = {"": layer(BOTH_MACHINE, BOTH_HUMAN), "_differ": layer(DIFFER_MACHINE, DIFFER_HUMAN)}
    layers["_area"] = application_layer([*cases.PAINTED, "ghost"])
    rare = {"rare": cases.more_cases()}
    more = {
        "_more": layer(MORE_MACHINE, MORE_HUMAN),
        "_more_area": application_layer([*cases.FRUITS, "Käse", "skeleton", "crate"]),
    }
    return [
        Project("project", meta(*cases.PAINTED, "ghost"), tables, layers),
        Project("project_more", meta(*cases.FRUITS, "Käse", special=special), rare, more),
    ]
