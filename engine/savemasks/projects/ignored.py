"""What lies in a data set's folders and is no item: which names are pictures', and what is noted.

People open these folders in file managers, cloud drives and other tools, and all of them leave
files there.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..errors import printable

_PICTURE_ENDINGS = (
    ".avif", ".bif", ".bmp", ".btf", ".dcm", ".dib", ".exr", ".fits", ".gif", ".heic",
    ".heif", ".hif", ".j2c", ".j2k", ".jfif", ".jif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf",
    ".jpg", ".jpx", ".jxl", ".mpo", ".ndpi", ".nrrd", ".pbm", ".pfm", ".pgm", ".png", ".pnm",
    ".ppm", ".scn", ".svs", ".tf8", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""Endings of files that Supervisely or libvips takes for pictures.

Formats of cameras (RAW) are not among them, for they lie beside the JPEG of the same name; nor is
what describes or draws other things as a rule: hdr, ico, pdf, psd, svg.
"""

_SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found"})

_MAX_NAMES = 3


def is_picture(name: str) -> bool:
    """Whether a file's name ends as that of a picture, in whatever case."""
    return name.lower().endswith(_PICTURE_ENDINGS)


def is_hidden(name: str) -> bool:
    """Whether nobody means a file or folder of that name to be data, such as .DS_Store."""
    return (name[0] == "." and name[:2] != "..") or name in _SYSTEM_FOLDERS


@dataclass(slots=True)
class Names:
    """A count of files, and the names of the first few."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, names: Iterable[str]) -> None:
        """Count files."""
        for name in names:
            self.count += 1
            if len(self.first) < _MAX_NAMES:
                self.first.append(name)

    def merge(self, other: "Names", folder: str) -> None:
        """Count the files of a folder."""
        self.add(f"{folder}/{name}" for name in other.first)
        self.count += other.count - len(other.first)

    def __str__(self) -> str:
        return ", ".join(map(printable, self.first)) + (
            ", ..." if self.count > len(self.first) else ""
        )


@dataclass(slots=True)
class Ignored:
    """Files of one or more data sets that are no items.

    Attributes
    ----------
    images
        Those in `img` that have neither an annotation nor the ending of a picture.
    annotations
        Those in `ann` that are no annotations.
    below
        Pictures in folders below `img`.
    """

    images: Names = field(default_factory=Names)
    annotations: Names = field(default_factory=Names)
    below: Names = field(default_factory=Names)

    def merge(self, other: "Ignored", dataset: str) -> None:
        """Add the files of one data set."""
        self.images.merge(other.images, f"{dataset}/img")
        self.annotations.merge(other.annotations, f"{dataset}/ann")
        self.below.merge(other.below, f"{dataset}/img")

    def notes(self) -> list[str]:
        """What the user should know, one line each."""
        said = (
            (self.images, "files in img/ that are no pictures and have no annotation"),
            (self.annotations, "files in ann/ that are no annotations"),
            (self.below, "pictures in folders below img/, where no item is looked for"),
        )
        return [f"{text}: {names.count} ({names})" for names, text in said if names.count]


def pictures_below(folder: str, subfolders: Iterable[str]) -> Iterator[str]:
    """Names of the pictures in folders of a folder; of a linked one, only those directly in it."""
    for subfolder in subfolders:
        top = f"{folder}/{subfolder}"
        for path, folders, files in os.walk(top):
            folders[:] = [] if os.path.islink(top) else filter(_is_seen, folders)
            for name in files:
                if is_picture(name) and not is_hidden(name):
                    yield f"{path[len(folder) + 1 :]}/{name}"


def _is_seen(name: str) -> bool:
    return not is_hidden(name)
