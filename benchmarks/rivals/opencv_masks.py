"""The other masks by hand: maps of objects, objects and classes by themselves, classes in RGB.

As `opencv_script.py`, whose brushes it takes: orjson, OpenCV and a thread pool. Titles must be good
names of files, and an annotation may have 65,535 objects.
"""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import orjson

if TYPE_CHECKING:
    from benchmarks.rivals.interface import Job, read_job, run
    from benchmarks.rivals.opencv_script import BRUSHES, Object, Palette, geometry, paint, write
else:
    from interface import Job, read_job, run
    from opencv_script import BRUSHES, Object, Palette, geometry, paint, write

Maker = Callable[[list[Object], tuple[int, int], Path, str], None]
"""Makes the files of one annotation: its objects, height and width, where to, stem."""


class Exporter:
    """Makes the files of one annotation after the other."""

    def __init__(self, job: Job, kind: str) -> None:
        self._job = job
        self._titles = {**(job.machine or {}), **(job.human or {})}
        self._palette = Palette(job.human or {})
        makers: dict[str, Maker] = {
            "map": self._map,
            "objects": self._objects,
            "classes": self._classes,
            "semantic": self._semantic,
        }
        self._make = makers[kind]

    def annotations(self) -> list[Path]:
        """All annotations; the folders for what is made of them exist afterwards."""
        found: list[Path] = []
        for folder in sorted(self._job.project.rglob("ann")):
            out = self._job.out / folder.parent.relative_to(self._job.project)
            for name in ("img", "ann"):
                (out / name).mkdir(parents=True, exist_ok=True)
            found += sorted(folder.glob("*.json"))
        return found

    def export(self, annotation: Path) -> None:
        """One annotation and its image."""
        dataset, image_name = annotation.parents[1], annotation.name.removesuffix(".json")
        out = self._job.out / dataset.relative_to(self._job.project)
        content = orjson.loads(annotation.read_bytes())
        size = content["size"]["height"], content["size"]["width"]
        self._make(content["objects"], size, out, Path(image_name).stem)
        shutil.copyfile(dataset / "img" / image_name, out / "img" / image_name)
        shutil.copyfile(annotation, out / "ann" / annotation.name)

    def _known(self, objects: list[Object]) -> list[tuple[int, Object]]:
        """Numbers and objects of known classes."""
        return [
            (number, item)
            for number, item in enumerate(objects, start=1)
            if item["classTitle"] in self._titles and geometry(item) in BRUSHES
        ]

    def _map(self, objects: list[Object], size: tuple[int, int], out: Path, stem: str) -> None:
        canvas: Any = np.zeros(size, np.uint16)
        known = self._known(objects)
        for number, item in known:
            BRUSHES[geometry(item)](canvas, item, number)
        areas = np.bincount(canvas.ravel(), minlength=len(objects) + 1).tolist()
        table = {}
        for number, item in known:
            box = [*cv2.boundingRect(cv2.inRange(canvas, number, number))]
            entry = {"class": item["classTitle"], "area": areas[number]}
            table[str(number)] = entry | {"bbox": box if areas[number] else None}
            if "id" in item:
                table[str(number)]["id"] = item["id"]
        folder = _folder(out / "masks_instances")
        write(folder / f"{stem}.png", canvas)
        (folder / f"{stem}.json").write_bytes(orjson.dumps(table))

    def _objects(self, objects: list[Object], size: tuple[int, int], out: Path, stem: str) -> None:
        folder = out / "masks_instances" / stem
        counts: Counter[str] = Counter()
        for _, item in self._known(objects):
            canvas = np.zeros(size, np.uint8)
            BRUSHES[geometry(item)](canvas, item, 255)
            title = item["classTitle"]
            name = f"{title}_{counts[title]:02d}" if counts[title] else title
            counts[title] += 1
            write(_folder(folder) / f"{name}.png", canvas)

    def _classes(self, objects: list[Object], size: tuple[int, int], out: Path, stem: str) -> None:
        canvases: dict[str, Any] = {}
        for _, item in self._known(objects):
            title = item["classTitle"]
            if title not in canvases:
                canvases[title] = np.zeros(size, np.uint8)
            BRUSHES[geometry(item)](canvases[title], item, 255)
        for title, canvas in canvases.items():
            write(_folder(out / "masks_classes" / stem) / f"{title}.png", canvas)

    def _semantic(self, objects: list[Object], size: tuple[int, int], out: Path, stem: str) -> None:
        labels = paint(objects, self._palette, *size)
        colors = self._palette.machine_mask(labels)
        write(_folder(out / "masks_semantic_rgb") / f"{stem}.png", colors)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def main() -> None:
    """Run the program."""
    job, kind = read_job(__doc__, ("map", "objects", "classes", "semantic"))
    cv2.setNumThreads(1)  # the pool is the parallelism
    exporter = Exporter(job, kind)
    run(job, exporter.annotations(), exporter.export)


if __name__ == "__main__":
    main()
