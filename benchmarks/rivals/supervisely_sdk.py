"""The rival that Supervisely's users have: the layer's steps, taken with the `supervisely` SDK.

Needs the extra `reference`. The SDK loads the annotation and draws every label in RGB, in the
annotation's order, once for each kind of mask; NumPy mixes; OpenCV writes three channels.
"""

import shutil
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from benchmarks.rivals.interface import Color, Job, read_job, run, visible
else:
    from interface import Color, Job, read_job, run, visible

sly: Any = import_module("supervisely")  # has no types of its own

Pixels = NDArray[np.uint8]


def drawing(annotation: Any, colors: dict[str, Color]) -> Pixels:
    """All labels that have a colour, on black, RGB."""
    height, width = annotation.img_size
    canvas = np.zeros((height, width, 3), np.uint8)
    for label in annotation.labels:
        if label.obj_class.name in colors:
            label.draw(canvas, colors[label.obj_class.name])
    return canvas


def human_page(original: Pixels, painted: Pixels) -> Pixels:
    """The original, a green column, and the original mixed half and half where it is painted."""
    mean = (original * 0.5 + painted * 0.5).astype(np.uint8)
    is_painted = painted.any(axis=2, keepdims=True)
    column = np.full((len(original), 1, 3), (0, 255, 0), np.uint8)
    return np.concatenate((original, column, np.where(is_painted, mean, original)), axis=1)


class Exporter:
    """Makes the files of one item after the other."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._human = visible(job.human) if job.human else None
        self._project = sly.Project(str(job.project), sly.OpenMode.READ)

    def items(self) -> list[Any]:
        """Paths of all items; the folders for what is made of them exist afterwards."""
        found = []
        for dataset in self._project:
            own = [dataset.get_item_paths(name) for name in dataset]
            found += own
            for folder in {Path(paths.img_path).parents[1] for paths in own}:
                self._job.prepare(folder.relative_to(self._job.project))
        return found

    def export(self, paths: Any) -> None:
        """One item."""
        image, annotation = Path(paths.img_path), Path(paths.ann_path)
        out = self._job.out / image.parents[1].relative_to(self._job.project)
        labels = sly.Annotation.load_json_file(str(annotation), self._project.meta)
        mask_name = f"{image.stem}.png"
        if self._job.machine:
            _write(out / "masks_machine" / mask_name, drawing(labels, self._job.machine))
        if self._human:
            page = human_page(sly.image.read(str(image)), drawing(labels, self._human))
            _write(out / "masks_human" / mask_name, page)
        shutil.copyfile(image, out / "img" / image.name)
        shutil.copyfile(annotation, out / "ann" / annotation.name)


def _write(path: Path, rgb: Pixels) -> None:
    if not cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)):
        raise OSError(f"{path}: cannot be written")


def main() -> None:
    """Run the program."""
    job, _ = read_job(__doc__)
    exporter = Exporter(job)
    run(job, exporter.items(), exporter.export)


if __name__ == "__main__":
    main()
