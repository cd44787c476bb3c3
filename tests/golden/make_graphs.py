"""Makes the golden graphs: a project, configs, and what the reference SDK makes of them.

Usage: ``python tests/golden/make_graphs.py``; see `make.py` for what it needs. The graphs are in
`graphs.py`. It writes ``project_graphs/``, and for every graph ``graph_NAME.json`` and
``expected_graph_NAME/DST/`` for each of its results:

================================  ==================================================
``classes.json``                  title, shape and colour of every class, in order
``objects.json``                  title and geometry of every object, by item
``<data set>/masks_machine/``,
``masks_human/``, ``visualize/``  pictures
================================  ==================================================

Layers act on the SDK's labels one after the other, as the reference's do. They differ from it where
savemasks does on purpose: many classes may become one, whose first entry stays, and the edges of
graphs are drawn in pages.
"""

import shutil
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from golden.cases import Object, Pixels
    from golden.graphs import GRAPHS, PROJECT, graph_project
    from golden.make import (
        MARGIN,
        check_inside,
        page,
        paint,
        write_image,
        write_json,
        write_project,
    )
else:
    from graphs import GRAPHS, PROJECT, graph_project
    from make import MARGIN, check_inside, page, paint, write_image, write_json, write_project

sly: Any = import_module("supervisely")  # has no types of its own

HERE = Path(__file__).parent
GRAY = [128, 128, 128]  # of a background's class that is new; the SDK's is drawn by chance
DROPPED, KEPT, OTHER, MERGE = "__ignore__", "__default__", "__other__", "__merge__"


class Data:
    """What flows from layer to layer: the classes, and the items with their annotations."""

    def __init__(self, classes: list[Any], items: dict[str, Any]) -> None:
        self.classes = classes
        self.items = items

    def mapped(self, table: dict[str, Any]) -> "Data":
        """Every class replaced by another one, or dropped if that is None."""
        classes: dict[str, Any] = {}
        for old in self.classes:
            new = table[old.name]
            if new is None:
                continue
            first = classes.setdefault(new.name, new)
            if first.geometry_type is not new.geometry_type:
                classes[new.name] = first.clone(geometry_type=sly.AnyGeometry)
        items = {}
        for name, annotation in self.items.items():
            kept = [label for label in annotation.labels if table[label.obj_class.name]]
            labels = [
                label.clone(obj_class=classes[table[label.obj_class.name].name]) for label in kept
            ]
            items[name] = annotation.clone(labels=labels)
        return Data(list(classes.values()), items)

    def renamed(self, titles: dict[str, str]) -> "Data":
        """Give some classes other titles."""
        return self.mapped({c.name: c.clone(name=titles.get(c.name, c.name)) for c in self.classes})


# ---------------------------------------------------------------- layers


def load(entry: str, mapping: "str | Object", meta: Any) -> Data:
    """Act as the data layer: the items of an entry, and the classes of its mapping."""
    parts = entry.split("/")[1:] or ["*"]
    alone = "/datasets/".join(part for part in parts if part != "*")
    items = {}
    for dataset, listed in graph_project().tables.items():
        if dataset != alone and not (parts[-1] == "*" and dataset.startswith(alone)):
            continue
        for case in listed:
            source = HERE / PROJECT / dataset
            check_inside(source, case.name, meta)
            path = str(source / "ann" / f"{case.name}.json")
            items[f"{dataset}/img/{case.name}"] = sly.Annotation.load_json_file(path, meta)
    data = Data(list(meta.obj_classes), items)
    if isinstance(mapping, str):
        return data
    table: dict[str, Any] = {}
    for each in data.classes:
        new = mapping[each.name if each.name in mapping else OTHER]
        title = each.name if new == KEPT else new
        table[each.name] = None if new == DROPPED else each.clone(name=title)
    return data.mapped(table)


def with_background(data: Data, title: str) -> Data:
    """Put a rectangle of the whole picture before all labels."""
    found = next((each for each in data.classes if each.name == title), None)
    floor = found or sly.ObjClass(title, sly.Rectangle, GRAY)
    items = {}
    for name, annotation in data.items.items():
        whole = sly.Label(sly.Rectangle.from_size(annotation.img_size), floor)
        items[name] = annotation.clone(labels=[whole, *annotation.labels])
    return Data(data.classes if found else [*data.classes, floor], items)


def with_colors(data: Data, colors: "Object") -> Data:
    table = {}
    for each in data.classes:
        color = colors.get(each.name, each.color)
        rgb = sly.color.hex2rgb(color) if isinstance(color, str) else color
        table[each.name] = each.clone(color=rgb)
    return data.mapped(table)


def applied(action: str, settings: "Object", data: Data) -> Data:
    """What a layer between a source and a result makes."""
    match action:
        case "rename" | "rename_classes" | "merge_classes":
            titles = settings["classes_mapping"]
            return data.renamed({old: new.removeprefix(MERGE) for old, new in titles.items()})
        case "drop_obj_by_class" | "drop_object_by_class":
            gone = settings["classes"]
            return data.mapped({c.name: None if c.name in gone else c for c in data.classes})
        case "color_class" | "change_class_color":
            return with_colors(data, settings["classes_color_mapping"])
        case "background":
            return with_background(data, settings["class"])
    raise ValueError(f"unknown action {action}")


def only(names: "str | list[str]") -> str:
    (name,) = [names] if isinstance(names, str) else names
    return name


def results(graph: list["Object"], meta: Any) -> dict[str, tuple["Object", Data]]:
    """The layers that write, by the name of the result, each with what flows into it."""
    makers = {only(layer["dst"]): layer for layer in graph}

    def flow(name: str) -> Data:
        layer = makers[name]
        settings, source = layer["settings"], only(layer["src"])
        if layer["action"] in {"data", "images_project"}:
            return load(source, settings["classes_mapping"], meta)
        return applied(layer["action"], settings, flow(source))

    sinks = {dst: layer for dst, layer in makers.items() if not dst.startswith("$")}
    return {dst: (layer, flow(only(layer["src"]))) for dst, layer in sinks.items()}


# ---------------------------------------------------------------- pictures


def outline(annotation: Any) -> "Pixels":
    """Paint as the layer does that saves a project with pages: what is not filled is a contour."""
    height, width = annotation.img_size
    thickness = max(1, int((max(width, height) + 1) / 300))
    canvas = np.zeros((height + 2 * MARGIN, width + 2 * MARGIN, 3), np.uint8)
    inside = canvas[MARGIN:-MARGIN, MARGIN:-MARGIN]
    for label in annotation.labels:
        color = label.obj_class.color if any(label.obj_class.color) else [1, 1, 1]
        if isinstance(label.geometry, sly.Bitmap | sly.Polygon):
            label.draw(inside, color)
        else:
            label.translate(MARGIN, MARGIN).draw_contour(canvas, color, thickness)
    return inside


def pictures(annotation: Any, original: "Pixels", settings: "Object") -> dict[str, "Pixels"]:
    made = {}
    if settings.get("masks_machine"):
        made["masks_machine"] = paint(annotation, settings["gt_machine_color"], settings)
    if settings.get("masks_human"):
        colors = settings["gt_human_color"].items()
        human = {title: color if any(color) else [1, 1, 1] for title, color in colors}
        made["masks_human"] = page(original, paint(annotation, human, settings))
    if settings.get("visualize") or settings.get("visualise"):
        made["visualize"] = page(original, outline(annotation))
    return made


def write_result(target: Path, settings: "Object", data: Data) -> None:
    objects = {}
    for name, annotation in data.items.items():
        labels = (label.to_json() for label in annotation.labels)
        objects[name] = [[each["classTitle"], each["geometryType"]] for each in labels]
        original = sly.image.read(str(HERE / PROJECT / name))
        dataset, image = name.split("/img/")
        for kind, picture in pictures(annotation, original, settings).items():
            path = target / dataset / kind / f"{Path(image).stem}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    classes = [each.to_json() for each in data.classes]
    shown = [[each["title"], each["shape"], each["color"].lower()] for each in classes]
    write_json(target / "classes.json", shown)
    write_json(target / "objects.json", objects)


def main() -> None:
    project = graph_project()
    write_project(HERE / PROJECT, project)
    meta = sly.ProjectMeta.from_json(project.meta)
    for name, graph in GRAPHS.items():
        write_json(HERE / f"graph_{name}.json", graph)
        root = HERE / f"expected_graph_{name}"
        shutil.rmtree(root, ignore_errors=True)
        for dst, (layer, data) in results(graph, meta).items():
            (root / dst).mkdir(parents=True)
            write_result(root / dst, layer["settings"], data)


if __name__ == "__main__":
    main()
