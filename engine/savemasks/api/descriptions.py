"""What the values and colours of a painter's masks mean."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..layers.auto_colors import ClassColor, resolve_colors
from ..layers.class_table import ClassTable
from ..layers.legend import legend as legend_of
from ..layers.save_masks import SaveMasks, Settings
from ..projects.classes import ClassTemplate, mapped_meta
from .protocols import Described


class Description(NamedTuple):
    """What a legend is made of.

    Attributes
    ----------
    settings
        Those of the layer, with colours in place of "auto".
    classes
        Those of the sink's meta.json, in its order.
    shapes
        Their shapes by title.
    """

    settings: Settings
    classes: tuple[ClassColor, ...]
    shapes: Mapping[str, str | None]


def description_of(
    layer: SaveMasks, templates: Mapping[str, ClassTemplate], table: ClassTable
) -> Description:
    """What is to be said of a layer, and of the classes that a table makes of a project's."""
    listed = [
        {"title": title, "shape": template.shape, "color": template.color}
        for title, template in templates.items()
    ]
    entries = mapped_meta({"classes": listed}, table.titles, table.colors, table.backgrounds)
    classes = tuple(ClassColor(entry["title"], entry["color"]) for entry in entries["classes"])
    shapes = {entry["title"]: entry["shape"] for entry in entries["classes"]}
    return Description(resolve_colors(layer, classes).settings, classes, shapes)


def legend(self: Described) -> dict[str, Any]:
    """Say what the values and colours of the masks mean.

    Returns
    -------
    dict
        What `legend.json` of a run says, without its counts. "settings" is a digest of the
        layer's settings; "background" has the "machine" value and the "rgb" of what no object
        covers. "classes" has by title, in the order of meta.json, what a class has of "machine",
        its value in machine masks; "human", its colour in human masks; "rgb", that in semantic
        masks; "color" and "shape", those of meta.json; "file", how the names of files with its
        own masks begin.

    Examples
    --------
    >>> found = painter.legend()
    >>> found["background"]["machine"], found["classes"]["lemon"]["machine"]
    (0, 200)
    >>> found["classes"]["lemon"]["human"]
    [27, 0, 255]
    """
    settings, classes, shapes = self._described
    return legend_of(settings, classes, shapes=shapes)
