"""The rival from other data sets' world: Datumaro, writing class masks in the CamVid format.

Datumaro cannot read a project of images in Supervisely's format. So objects are painted one by one
and kept as run-length codes in Datumaro's own format, once for each job, beside its settings. The
clock runs while Datumaro reads that, paints, encodes, and copies the images. It makes machine masks
only. Afterwards its files get the names that the others give; annotations, which it does not write,
are copied then too. Needs `datumaro`.
"""

import shutil
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import orjson

if TYPE_CHECKING:
    from benchmarks.rivals.interface import Color, Job, read_job, report
    from benchmarks.rivals.opencv_script import BRUSHES, geometry
else:
    from interface import Color, Job, read_job, report
    from opencv_script import BRUSHES, geometry

dm: Any = import_module("datumaro")
rle: Any = import_module("pycocotools.mask")

BACKGROUND = "background"
Item = tuple[str, Path]
"""Name of its subset, and its annotation."""


def items_of(project: Path) -> list[Item]:
    """All annotations; every data set is a subset."""
    folders = enumerate(sorted(project.rglob("ann")))
    return [(f"set{n}", path) for n, folder in folders for path in sorted(folder.glob("*.json"))]


def title(label: int) -> str:
    """What Datumaro calls a class, whatever its title is."""
    return f"class {label}" if label else BACKGROUND


def convert(items: list[Item], colors: dict[str, Color], target: Path) -> None:
    """Write the project in Datumaro's own format."""
    labels = {name: label for label, name in enumerate(colors, start=1)}
    found = []
    for subset, annotation in items:
        content = orjson.loads(annotation.read_bytes())
        size = content["size"]["height"], content["size"]["width"]
        masks = []
        for item in content["objects"]:
            if item["classTitle"] in labels and geometry(item) in BRUSHES:
                canvas = np.zeros(size, np.uint8)
                BRUSHES[geometry(item)](canvas, item, 1)
                code = rle.encode(np.asfortranarray(canvas))
                masks.append(dm.RleMask(code, label=labels[item["classTitle"]]))
        image = dm.Image.from_file(path=str(image_of(annotation)), size=size)
        stem = image_of(annotation).stem
        found.append(dm.DatasetItem(stem, subset=subset, media=image, annotations=masks))
    categories = [title(label) for label in range(len(colors) + 1)]
    unfinished = target.with_name(f"{target.name}.part")
    dm.Dataset.from_iterable(found, categories=categories).export(
        str(unfinished), "datumaro", save_media=True
    )
    unfinished.rename(target)


def image_of(annotation: Path) -> Path:
    """The image of an annotation."""
    return annotation.parents[1] / "img" / annotation.name.removesuffix(".json")


def arrange(job: Job, items: list[Item], made: Path) -> None:
    """Give all files the places that others give them."""
    for subset, annotation in items:
        out = job.out / annotation.parents[1].relative_to(job.project)
        for folder in ("img", "ann", "masks_machine"):
            (out / folder).mkdir(parents=True, exist_ok=True)
        image = image_of(annotation)
        (made / subset / image.name).rename(out / "img" / image.name)
        mask, target = made / f"{subset}annot" / f"{image.stem}.png", out / "masks_machine"
        if mask.exists():
            mask.rename(target / mask.name)
        else:  # it writes none for an image without objects
            size = orjson.loads(annotation.read_bytes())["size"]
            black = np.zeros((size["height"], size["width"]), np.uint8)
            cv2.imwrite(str(target / mask.name), black)
        shutil.copyfile(annotation, out / "ann" / annotation.name)
    shutil.copyfile(job.project / "meta.json", job.out / "meta.json")
    shutil.rmtree(made)


def main() -> None:
    """Run the program."""
    job, _ = read_job(__doc__, ("machine",))
    colors, items = job.machine or {}, items_of(job.project)
    converted = job.config.with_suffix(".datumaro")
    if not converted.exists():
        convert(items, colors, converted)
    cv2.setNumThreads(1)
    made = job.out / "made"
    made.mkdir(parents=True)
    table = {title(label): color for label, color in enumerate(colors.values(), start=1)}
    started = perf_counter()
    dm.Dataset.import_from(str(converted), "datumaro").export(
        str(made), "camvid", save_media=True, label_map={BACKGROUND: (0, 0, 0), **table}
    )
    seconds = perf_counter() - started
    arrange(job, items, made)
    report(len(items), seconds)


if __name__ == "__main__":
    main()
