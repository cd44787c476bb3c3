"""The OpenCV script, writing all files into one tar archive with Python's tarfile.

It makes the same pixels in the same way. A lock lets one thread at a time append; pictures are
encoded outside of it.
"""

import io
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import orjson

if TYPE_CHECKING:
    from benchmarks.rivals.interface import Job, read_job, run
    from benchmarks.rivals.opencv_script import Exporter, Pixels, paint
else:
    from interface import Job, read_job, run
    from opencv_script import Exporter, Pixels, paint


class Packer(Exporter):
    """Makes the members of one annotation after the other."""

    def __init__(self, job: Job, archive: tarfile.TarFile) -> None:
        super().__init__(job)
        self._archive, self._lock = archive, threading.Lock()

    def annotations(self) -> list[Path]:
        """All annotations; there are no folders to make."""
        project = self._job.project
        return [
            path
            for folder in sorted(project.rglob("ann"))
            for path in sorted(folder.glob("*.json"))
        ]

    def member(self, dataset: str, folder: str, name: str) -> str:
        """What a file of an image is called in the archive: as in the tree."""
        return f"{dataset}/{folder}/{name}"

    def export(self, annotation: Path) -> None:
        """One annotation and its image."""
        dataset, image_name = annotation.parents[1], annotation.name.removesuffix(".json")
        place = dataset.relative_to(self._job.project).as_posix()
        mask_name = f"{Path(image_name).stem}.png"
        note, image = annotation.read_bytes(), (dataset / "img" / image_name).read_bytes()
        content = orjson.loads(note)
        objects, size = content["objects"], (content["size"]["height"], content["size"]["width"])
        members: dict[tuple[str, str], bytes] = {}
        labels = None
        if self._machine:
            labels = paint(objects, self._machine, *size)
            members["masks_machine", mask_name] = _png(self._machine.machine_mask(labels))
        if self._human:
            if labels is None or not self._shared:
                labels = paint(objects, self._human, *size)
            original = _decoded(image)
            members["masks_human", mask_name] = _png(self._human.human_page(labels, original))
        members["img", image_name], members["ann", annotation.name] = image, note
        with self._lock:
            for (folder, name), data in members.items():
                info = tarfile.TarInfo(self.member(place, folder, name))
                info.size = len(data)
                self._archive.addfile(info, io.BytesIO(data))


def _png(pixels: Pixels) -> bytes:
    done, data = cv2.imencode(".png", pixels)
    if not done:
        raise ValueError("a mask cannot be encoded")
    return data.tobytes()


def _decoded(content: bytes) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError("an image cannot be decoded")
    return pixels.astype(np.uint8, copy=False)


def pack(packer_class: type[Packer] = Packer) -> None:
    """Run the program, with names of members as a class gives them."""
    job, _ = read_job(__doc__)
    cv2.setNumThreads(1)  # the pool is the parallelism
    job.out.mkdir(parents=True, exist_ok=True)
    with tarfile.open(job.out / f"{job.out.name}.tar", "w") as archive:
        packer = packer_class(job, archive)
        run(job, packer.annotations(), packer.export)


if __name__ == "__main__":
    pack()
