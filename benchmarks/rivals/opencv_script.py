"""The rival that a good engineer would write: orjson, OpenCV and a thread pool.

One label map per image goes through a look-up table to the machine mask and the human page;
OpenCV paints, decodes and encodes. It knows polygons with holes, bitmaps, rectangles, lines and
points, at most 255 classes, and expects the annotation of IMG.EXT in IMG.EXT.json. Errors end it.
"""

import base64
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import orjson
from numpy.typing import NDArray

if TYPE_CHECKING:
    from benchmarks.rivals.interface import Color, Job, read_job, run, visible
else:
    from interface import Color, Job, read_job, run, visible

Pixels = NDArray[np.uint8]
Object = dict[str, Any]

GREEN = (0, 255, 0)


class Palette:
    """Labels of one colour mapping, and the BGR colours to look them up in."""

    def __init__(self, colors: dict[str, Color]) -> None:
        if len(colors) > 255:
            raise ValueError(f"{len(colors)} classes: a label map of bytes has room for 255")
        self.labels = {title: label for label, title in enumerate(colors, start=1)}
        self.table = np.zeros((1, 256, 3), np.uint8)
        self.table[0, 1 : len(colors) + 1] = [(b, g, r) for r, g, b in colors.values()]
        self.is_gray = bool((self.table == self.table[..., :1]).all())

    def machine_mask(self, labels: Pixels) -> Pixels:
        """Colours of a label map, in one channel if they are all gray."""
        if self.is_gray:
            return _bytes(cv2.LUT(labels, self.table[..., 0]))
        return _bytes(cv2.LUT(cv2.merge([labels] * 3), self.table))

    def human_page(self, labels: Pixels, original: Pixels) -> Pixels:
        """The original, a green column, and the original mixed half and half with the colours."""
        height, width = labels.shape
        page = np.empty((height, 2 * width + 1, 3), np.uint8)
        page[:, :width] = original
        page[:, width] = GREEN
        right = page[:, width + 1 :]
        right[:] = original
        x, y, w, h = cv2.boundingRect(labels)
        if w and h:
            rows, columns = slice(y, y + h), slice(x, x + w)
            painted = labels[rows, columns]
            over = _bytes(cv2.LUT(cv2.merge([painted] * 3), self.table))
            under = original[rows, columns]
            mixed = (under & over) + ((under ^ over) >> 1)  # the mean, rounded down, in 8 bits
            right[rows, columns] = cv2.copyTo(mixed, painted, under.copy())
        return page


def paint(objects: list[Object], palette: Palette, height: int, width: int) -> Pixels:
    """Label map of an annotation; later objects cover earlier ones."""
    canvas = np.zeros((height, width), np.uint8)
    for item in objects:
        label = palette.labels.get(item["classTitle"])
        brush = BRUSHES.get(geometry(item))
        if label is not None and brush is not None:
            brush(canvas, item, label)
    return canvas


def geometry(item: Object) -> str:
    """The geometry of an object, also in old projects."""
    named = item.get("geometryType") or item.get("shape")
    return str(named or ("bitmap" if item.get("bitmap") else "polygon"))


def _bytes(array: Any) -> Pixels:
    """What OpenCV returns, with the type it has."""
    pixels: Pixels = array
    return pixels


def _ring(points: list[Any]) -> NDArray[np.int32]:
    array = np.asarray(points)
    return (np.floor(array) if array.dtype.kind == "f" else array).astype(np.int32)


def _polygon(canvas: Pixels, item: Object, label: int) -> None:
    exterior = _ring(item["points"]["exterior"])
    holes = [_ring(hole) for hole in item["points"].get("interior") or () if hole]
    if not holes:
        cv2.fillPoly(canvas, [exterior], label)
        return
    left, top = np.maximum(exterior.min(axis=0), 0).tolist()
    right, bottom = np.minimum(exterior.max(axis=0) + 1, canvas.shape[::-1]).tolist()
    if left < right and top < bottom:  # what a hole shows must survive: a canvas of its own
        own = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(own, [exterior], 1, offset=(-left, -top))
        cv2.fillPoly(own, holes, 0, offset=(-left, -top))
        np.putmask(canvas[top:bottom, left:right], own.view(np.bool_), label)


def _bitmap(canvas: Pixels, item: Object, label: int) -> None:
    packed = base64.b64decode(item["bitmap"]["data"])
    png = packed if packed.startswith(b"\x89PNG") else zlib.decompress(packed)
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise ValueError("bitmap.data holds no picture")
    mask = _bytes(picture)
    if mask.ndim == 3:
        mask = mask[..., 3] if mask.shape[2] == 4 else mask.max(axis=2)
    x, y = (int(np.floor(side)) for side in item["bitmap"]["origin"])
    mask = mask[max(-y, 0) :, max(-x, 0) :]
    place = canvas[max(y, 0) : max(y, 0) + mask.shape[0], max(x, 0) : max(x, 0) + mask.shape[1]]
    np.putmask(place, mask[: place.shape[0], : place.shape[1]] != 0, label)


def _rectangle(canvas: Pixels, item: Object, label: int) -> None:
    one, other = _ring(item["points"]["exterior"]).tolist()
    cv2.rectangle(canvas, one, other, label, cv2.FILLED)


def _line(canvas: Pixels, item: Object, label: int) -> None:
    cv2.polylines(canvas, [_ring(item["points"]["exterior"])], False, label)


def _point(canvas: Pixels, item: Object, label: int) -> None:
    x, y = _ring(item["points"]["exterior"])[0].tolist()
    if 0 <= y < canvas.shape[0] and 0 <= x < canvas.shape[1]:
        canvas[y, x] = label


BRUSHES: dict[str, Callable[[Pixels, Object, int], None]] = {
    "polygon": _polygon,
    "bitmap": _bitmap,
    "rectangle": _rectangle,
    "line": _line,
    "polyline": _line,
    "point": _point,
}


class Exporter:
    """Makes the files of one annotation after the other."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._machine = Palette(job.machine) if job.machine else None
        self._human = Palette(visible(job.human)) if job.human else None
        self._shared = bool(job.machine and job.human and [*job.machine] == [*job.human])

    def annotations(self) -> list[Path]:
        """All annotations; the folders for what is made of them exist afterwards."""
        found: list[Path] = []
        for folder in sorted(self._job.project.rglob("ann")):
            self._job.prepare(folder.parent.relative_to(self._job.project))
            found += sorted(folder.glob("*.json"))
        return found

    def export(self, annotation: Path) -> None:
        """One annotation and its image."""
        dataset, image_name = annotation.parents[1], annotation.name.removesuffix(".json")
        image = dataset / "img" / image_name
        out = self._job.out / dataset.relative_to(self._job.project)
        mask_name = f"{Path(image_name).stem}.png"
        content = orjson.loads(annotation.read_bytes())
        objects, size = content["objects"], (content["size"]["height"], content["size"]["width"])
        labels = None
        if self._machine:
            labels = paint(objects, self._machine, *size)
            write(out / "masks_machine" / mask_name, self._machine.machine_mask(labels))
        if self._human:
            if labels is None or not self._shared:
                labels = paint(objects, self._human, *size)
            original = cv2.imread(str(image), cv2.IMREAD_COLOR)
            if original is None:
                raise ValueError(f"{image}: cannot be decoded")
            page = self._human.human_page(labels, _bytes(original))
            write(out / "masks_human" / mask_name, page)
        shutil.copyfile(image, out / "img" / image_name)
        shutil.copyfile(annotation, out / "ann" / annotation.name)


def write(path: Path, pixels: NDArray[Any]) -> None:
    """Write a picture."""
    if not cv2.imwrite(str(path), pixels):
        raise OSError(f"{path}: cannot be written")


def main() -> None:
    """Run the program."""
    job, _ = read_job(__doc__)
    cv2.setNumThreads(1)  # the pool is the parallelism
    exporter = Exporter(job)
    run(job, exporter.annotations(), exporter.export)


if __name__ == "__main__":
    main()
