"""Results with galleries, and what the scripts of a gallery hand to its page."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from PIL import Image

from savemasks.cli.demo import CONFIG
from savemasks.gallery.building import build_galleries
from savemasks.layers.graph import Graph
from savemasks.results.report import Summary
from savemasks.run.export import run
from savemasks.run.options import RunOptions
from support.projects import Project

DS, NAME, WIDE, HIGH, COUNTS, HAS, PROBLEM, URL = range(8)
"""What the elements of a row are."""


def export(project: Project | Path, out: Path, config: Any = CONFIG, **options: Any) -> Summary:
    """Export a project with threads."""
    given: dict[str, Any] = {"workers": 1} | options
    folder = project if isinstance(project, Path) else project.folder
    return run(Graph.from_json(config), (folder,), out, RunOptions(**given))


class Gallery:
    """A gallery, read as its page reads it.

    Attributes
    ----------
    folder
        Where it is.
    index, rows
        What index.js and the files of rows have.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = arguments(folder / "data/index.js", "galleryIndex")[0]
        self.rows: list[list[Any]] = []
        for number in range(self.index["chunks"]):
            found = arguments(folder / f"data/rows-{number}.js", "galleryRows")
            assert found[0] == number
            self.rows += found[1]

    @classmethod
    def of(cls, out: Path, to: Path | None = None) -> "Gallery":
        """Build and read the gallery of the only result in a folder."""
        (page,) = build_galleries(out, to, workers=2)
        return cls(page.parent)

    def row(self, name: str) -> list[Any]:
        """The row of an image."""
        (found,) = [row for row in self.rows if row[NAME] == name]
        return found

    def labels(self, number: int) -> NDArray[np.uint8]:
        """The label map of an image, as the script gets it."""
        return label_picture(self.folder / f"items/0/{number}.js")

    def painted(self, number: int, title: str) -> NDArray[np.bool_]:
        """Which pixels of an image have a class."""
        titles = [each[0] for each in self.index["classes"]]
        values = [v for v, classes in self.index["values"] if titles.index(title) in classes]
        return np.isin(self.labels(number), values)

    def thumbnail(self, number: int) -> NDArray[np.uint8]:
        """A thumbnail."""
        return np.asarray(Image.open(self.folder / f"items/0/{number}.jpg"))


def label_picture(path: Path) -> NDArray[np.uint8]:
    """The label map in a script; must be named as it is asked for."""
    text = path.read_text()
    key, png = arguments(path, "galleryLabels")
    assert text.count("\n") == 1
    assert str(path.with_suffix("")).endswith(key)
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    assert image.mode in {"L", "RGB"}
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 2 else pixels[..., 0] + (pixels[..., 1].astype(np.uint16) << 8)


def arguments(path: Path, function: str) -> list[Any]:
    """With what a script calls a function."""
    found = re.fullmatch(rf"{function}\((.*)\)\n", path.read_text(), re.DOTALL)
    assert found
    content: list[Any] = orjson.loads(f"[{found[1]}]")
    return content
