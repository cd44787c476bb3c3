"""Makes the golden cases: small Supervisely projects and the masks that the reference SDK paints.

Usage: ``python tests/golden/make.py``. It needs the extra ``reference``: the `supervisely` SDK,
and through it OpenCV, NumPy and Pillow. The cases are in `cases.py` and `projects.py`. What it
writes, beside itself and over what an earlier run left (two runs give the same bytes):

=================  =============================  =======================
project            settings                       masks
=================  =============================  =======================
``project/``       ``save_masks.json``            ``expected/``
``project/``       ``save_masks_differ.json``     ``expected_differ/``
``project/``       ``save_masks_area.json``       ``expected_area/``
``project_more/``  ``save_masks_more.json``       ``expected_more/``
``project_more/``  ``save_masks_more_area.json``  ``expected_more_area/``
=================  =============================  =======================

A mask lies where its picture does: ``<dataset folder>/img/NAME.EXT`` becomes
``<dataset folder>/masks_machine/NAME.png`` and ``<dataset folder>/masks_human/NAME.png``.
"""

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from golden.cases import Case, Pixels
    from golden.projects import Project, projects
else:
    from projects import projects

sly: Any = import_module("supervisely")  # has no types of its own

HERE = Path(__file__).parent
ORIENTATION = 0x0112  # the EXIF tag
MARGIN = 8
THICK = (sly.Polyline, sly.Point, sly.GraphNodes)
Colors = dict[str, list[int]]


# ---------------------------------------------------------------- the projects


def scene(case: "Case") -> "Pixels":
    """Draw an original: flat tiles of random colours, which packs small and has every low bit."""
    width, height = case.size
    rng = np.random.default_rng([*case.name.encode()])
    tiles = rng.integers(0, 256, (height // 6 + 1, width // 7 + 1, 3), dtype=np.uint8)
    return tiles.repeat(6, axis=0).repeat(7, axis=1)[:height, :width].copy()


def deep(pixels: "Pixels") -> "Pixels":
    """Widen to 16 bits with low bytes that a reader has to drop."""
    return pixels.astype(np.uint16) * 256 + pixels[::-1]


def flat(pixels: "Pixels", mode: str) -> Image.Image:
    """Turn into a Pillow picture of one of the lesser modes."""
    if mode in {"RGBA", "LA"}:
        image = Image.fromarray(pixels).convert(mode)
        image.putalpha(Image.fromarray(pixels[:, ::-1, 0].copy()))
        return image
    if mode == "P":
        return Image.fromarray(pixels).quantize(16, dither=Image.Dither.NONE)
    return Image.fromarray(pixels).convert(mode)


def save_picture(path: Path, pixels: "Pixels", kind: str) -> None:
    modes = {"gray": "L", "gray_alpha": "LA", "rgba": "RGBA", "palette": "P"}
    if kind == "gray16":
        write_image(path, deep(pixels[:, :, 0]))
    elif kind == "rgb16":
        write_image(path, deep(pixels[:, :, ::-1]))
    elif kind == "palette_clear":
        flat(pixels, "P").save(path, transparency=0)
    elif kind == "turned":  # stored on its side; the tag says how to turn it upright
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        Image.fromarray(np.rot90(pixels).copy()).save(path, exif=exif)
    elif kind in modes:
        flat(pixels, modes[kind]).save(path)
    else:
        Image.fromarray(pixels).save(path)


def write_image(path: Path, pixels: "Pixels") -> None:
    if not cv2.imwrite(str(path), pixels):
        raise OSError(f"OpenCV would not write {path}")


def write_json(path: Path, data: object) -> None:
    """Write in ASCII, for the SDK reads in whatever charset the locale has."""
    path.write_text(json.dumps(data) + "\n", encoding="ascii")


def write_case(folder: Path, case: "Case") -> None:
    width, height = case.size
    save_picture(folder / "img" / case.name, scene(case), case.kind)
    size = {"height": height, "width": width}
    annotation = {"description": "", "tags": [], "size": size, "objects": case.objects}
    write_json(folder / "ann" / f"{case.name}.json", annotation)


def write_project(root: Path, project: "Project") -> None:
    shutil.rmtree(root, ignore_errors=True)
    for dataset, table in project.tables.items():
        for part in ("img", "ann"):
            (root / dataset / part).mkdir(parents=True)
        for case in table:
            write_case(root / dataset, case)
    write_json(root / "meta.json", project.meta)


# ---------------------------------------------------------------- the masks


def paint(annotation: Any, colors: Colors, settings: dict[str, Any]) -> "Pixels":
    """Paint as the layer does; thick lines on a canvas with a margin.

    OpenCV rounds otherwise where a thick line leaves its canvas.
    """
    height, width = annotation.img_size
    canvas = np.zeros((height + 2 * MARGIN, width + 2 * MARGIN, 3), np.uint8)
    inside = canvas[MARGIN:-MARGIN, MARGIN:-MARGIN]
    labels = annotation.labels
    if settings.get("paint_order") == "area":
        labels = sorted(labels, key=lambda label: float(label.geometry.area), reverse=True)
    for label in labels:
        color = colors.get(label.obj_class.name)
        if color is None:
            continue
        if isinstance(label.geometry, THICK):
            moved = label.translate(MARGIN, MARGIN)
            moved.draw(canvas, color, thickness=settings.get("line_width", 1))
        else:
            label.draw(inside, color)
    return inside


def page(original: "Pixels", painted: "Pixels") -> "Pixels":
    """Set the original, a green column and the mixed picture side by side."""
    mixed = (0.5 * painted + 0.5 * original).astype(np.uint8)
    bare = ~painted.any(axis=2)
    mixed[bare] = original[bare]
    bar = np.zeros((original.shape[0], 1, 3), np.uint8)
    bar[:, :, 1] = 255
    return np.hstack((original, bar, mixed))


def check_inside(source: Path, name: str, meta: Any) -> None:
    """Refuse a case whose objects leave the canvas: the SDK would cut them before it paints."""
    data = json.loads((source / "ann" / f"{name}.json").read_bytes())
    frame = sly.Rectangle.from_size((data["size"]["height"], data["size"]["width"]))
    for number, item in enumerate(data["objects"]):
        if not frame.contains(sly.Label.from_json(item, meta).geometry.to_bbox()):
            raise ValueError(f"{name}: object {number} leaves the canvas")


def paint_case(source: Path, target: Path, name: str, meta: Any, settings: dict[str, Any]) -> None:
    check_inside(source, name, meta)
    annotation = sly.Annotation.load_json_file(str(source / "ann" / f"{name}.json"), meta)
    original = sly.image.read(str(source / "img" / name))
    if original.shape[:2] != annotation.img_size:
        raise ValueError(f"{name}: the SDK reads {original.shape}, annotated {annotation.img_size}")
    pictures = {"masks_machine": paint(annotation, settings["gt_machine_color"], settings)}
    if settings["masks_human"]:
        colors = settings["gt_human_color"].items()
        human = {title: color if any(color) else [1, 1, 1] for title, color in colors}
        pictures["masks_human"] = page(original, paint(annotation, human, settings))
    for kind, picture in pictures.items():
        path = target / kind / f"{Path(name).stem}.png"
        write_image(path, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def paint_project(root: Path, target: Path, settings: dict[str, Any], project: "Project") -> None:
    shutil.rmtree(target, ignore_errors=True)
    meta = sly.ProjectMeta.from_json(json.loads((root / "meta.json").read_bytes()))
    for dataset, table in project.tables.items():
        for kind in ("masks_machine", "masks_human"):
            if settings[kind]:
                (target / dataset / kind).mkdir(parents=True)
        for case in table:
            paint_case(root / dataset, target / dataset, case.name, meta, settings)


# ---------------------------------------------------------------- all of it


def main() -> None:
    for project in projects():
        root = HERE / project.folder
        write_project(root, project)
        for suffix, layer in project.layers.items():
            write_json(HERE / f"save_masks{suffix}.json", layer)
            paint_project(root, HERE / f"expected{suffix}", layer["settings"], project)


if __name__ == "__main__":
    main()
