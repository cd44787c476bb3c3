"""The files of a gallery: a page, a script, and data that the script reads also from `file://`.

A page that is opened as a file may not fetch other files. So data are scripts, which call a
function with what they have.
"""

import base64
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from jinja2 import Environment, PackageLoader, select_autoescape

from ..errors import printable

ROWS_PER_FILE = 2000
PER_PAGE = 200
GENERATOR = "savemasks gallery"
"""By this a gallery is known as one."""

_ASSETS = ("gallery.js", "gallery.css")
_ITEMS_PER_FOLDER = 1000
_UNENCODED = "/!$&'()*+,;=@~"  # what paths in URLs may have, without "%", "?" and "#"


class Site:
    """A gallery that is being written; its methods raise `OSError`.

    Attributes
    ----------
    folder
        Where it is.
    """

    def __init__(self, folder: Path) -> None:
        """Begin it in a folder that does not exist."""
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "data").mkdir()
        for name in _ASSETS:
            content = files(__package__).joinpath("assets", name).read_bytes()
            (folder / name).write_bytes(content)
        self._rows: list[list[Any]] = []
        self._chunks = 0

    def begin_items(self, number: int) -> None:
        """Make the folder of an item, if the last one was in another; in the order of items."""
        if number % _ITEMS_PER_FOLDER == 0:
            (self.folder / _folder_of(number)).mkdir(parents=True)

    def add_row(self, row: list[Any]) -> None:
        """Add what the page has to know of an item; in the order of items."""
        self._rows.append(row)
        if len(self._rows) == ROWS_PER_FILE:
            self._write_rows()

    def _write_rows(self) -> None:
        call = b"galleryRows(%d,%b)\n" % (self._chunks, orjson.dumps(self._rows))
        (self.folder / f"data/rows-{self._chunks}.js").write_bytes(call)
        self._rows.clear()
        self._chunks += 1

    def finish(self, index: Mapping[str, Any], page: Mapping[str, Any]) -> None:
        """Write the rows that wait, the index, and the page, which has `page` to show."""
        if self._rows:
            self._write_rows()
        whole = {**index, "chunks": self._chunks, "perPage": PER_PAGE}
        call = b"galleryIndex(%b)\n" % orjson.dumps(whole)
        (self.folder / "data/index.js").write_bytes(call)
        environment = Environment(
            loader=PackageLoader("savemasks.gallery", "templates"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        template = environment.get_template("index.html")
        text = template.render(generator=GENERATOR, **page)
        (self.folder / "index.html").write_text(text, encoding="utf-8")


def path_of_item(folder: Path, number: int) -> str:
    """Where the files of an item are in a gallery, without an ending."""
    return f"{folder}/{_folder_of(number)}/{number}"


def _folder_of(number: int) -> str:
    return f"items/{number // _ITEMS_PER_FOLDER}"


def put_labels(folder: Path, path: str, png: bytes) -> None:
    """Write a label map of a gallery, or a tile of one; `path` has no ending; raises `OSError`."""
    key = path[len(str(folder)) + 1 :]
    text = base64.b64encode(png)
    with open(f"{path}.js", "wb") as file:
        file.write(b"".join((b'galleryLabels("', key.encode(), b'","', text, b'")\n')))


def is_gallery(folder: Path) -> bool:
    """Whether a folder is a gallery that savemasks made; may raise `OSError`."""
    try:
        with open(folder / "index.html", "rb") as file:
            return f'content="{GENERATOR}'.encode() in file.read(1000)
    except FileNotFoundError:
        return False


def url_of(path: str) -> str:
    """A relative path as a URL, whatever bytes it has."""
    return quote(os.fsencode(path), safe=_UNENCODED)


def texts(titles: Sequence[str]) -> list[str]:
    """Titles as every browser and JSON take them."""
    return [printable(title) for title in titles]
