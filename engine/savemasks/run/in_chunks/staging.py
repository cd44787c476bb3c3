"""Files of a chunk that do not lie on this machine's disk: fetched before, and put after.

An object store answers in a tenth of a second, and an item takes a hundredth. So many files are
fetched and put at once, while the items before them are made.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ...errors import AnnotationError, ImageError, ItemError
from ...line.job import Outcome
from ...projects.items import Item
from ...remote import LARGE, Url, explained, in_groups, read_all, retrying
from ...results.in_chunks.depot import Depot


class Staging:
    """A folder of this machine for files on their way. May be shared by threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._inputs = folder / "in"

    def fetch(
        self, items: Sequence[Item], sources: Sequence[Url | None], sizes: Sequence[tuple[int, int]]
    ) -> list[Item | ItemError]:
        """Fetch the files of items; the same items with the paths where they are now.

        Instead of an item whose file cannot be read, the error. What is not there is left to the
        station that reads it.
        """
        staged: list[Item | ItemError] = []
        wanted: dict[Url, dict[str, int]] = {}
        for item, source, (image, annotation) in zip(items, sources, sizes, strict=True):
            if source is not None:
                names = wanted.setdefault(source, {})
                if item.image is not None and image:
                    names[f"img/{_name(item.image)}"] = image
                if item.annotation is not None:
                    names[f"ann/{_name(item.annotation)}"] = annotation
        failures = {source: self._fetch(source, names) for source, names in wanted.items()}
        for item, source in zip(items, sources, strict=True):
            if source is None:
                staged.append(item)
                continue
            staged.append(self._staged(item, source, failures[source]))
        return staged

    def _staged(self, item: Item, source: Url, failures: dict[str, OSError]) -> Item | ItemError:
        """An item with its paths here, or why it cannot be made."""
        folder = self._folder_of(source)
        paths: dict[str, str | None] = {}
        kinds = ("annotation", "ann", AnnotationError), ("image", "img", ImageError)
        for kind, below, failure in kinds:
            path: str | None = getattr(item, kind)
            name = path and f"{below}/{_name(path)}"
            if name in failures:
                error = failures[name]
                return failure(f"cannot be read: {explained(error)}", file=path)
            paths[kind] = name and f"{folder}/{name}"
        return replace(item, **paths)  # type: ignore[arg-type]

    def _fetch(self, source: Url, sizes: dict[str, int]) -> dict[str, OSError]:
        """Fetch files of a data set; why some of them cannot be read."""
        folder = self._folder_of(source)
        for below in ("img", "ann"):
            os.makedirs(f"{folder}/{below}", exist_ok=True)
        failures: dict[str, OSError] = {}
        for names in in_groups(_small(sizes)):
            try:
                found = read_all(source, names)
            except OSError as error:
                failures.update(dict.fromkeys(names, error))
                continue
            for name, content in found.items():
                try:
                    if isinstance(content, OSError):
                        raise content
                    Path(f"{folder}/{name}").write_bytes(content)
                except FileNotFoundError:
                    pass  # whoever reads it says so
                except OSError as error:
                    failures[name] = error
        for name in (name for name, size in sizes.items() if size >= LARGE):
            try:
                retrying(source.fs.get_file, f"{source.path}/{name}", f"{folder}/{name}")
            except FileNotFoundError:
                pass  # likewise
            except OSError as error:
                failures[name] = error
        return failures

    def release(self, item: Item | ItemError, source: Url | None) -> None:
        """Remove what was fetched for an item."""
        if source is not None and isinstance(item, Item):
            for path in filter(None, (item.image, item.annotation)):
                with suppress(FileNotFoundError):
                    os.unlink(path)

    def name_original(
        self,
        outcome: Outcome,
        item: Item,
        sources: Sequence[Url | None],
        depots: Sequence[Depot],
    ) -> None:
        """Let an outcome speak of the item as it is listed, not of files on their way."""
        outcome.item = item
        error = outcome.error
        if isinstance(error, ItemError):
            error.message = self.original(error.message, sources, depots)
            if error.file:
                error.file = self.original(error.file, sources, depots)

    def original(self, text: str, sources: Sequence[Url | None], depots: Sequence[Depot]) -> str:
        """A message, with addresses instead of the paths where files are for a while."""
        for source in dict.fromkeys(sources):
            if source is not None:
                text = text.replace(f"{self._folder_of(source)}/", f"{source}/")
        for number, depot in enumerate(depots):
            text = text.replace(f"{self.output(number)}/", f"{depot}/")
        return text

    def output(self, result: int) -> Path:
        """Where the files of a result are until they are put."""
        return self.folder / "out" / str(result)

    def put(self, result: int, depot: Depot, names: Sequence[str]) -> None:
        """Put files of a result, and remove them here; may raise `OSError`."""
        folder = self.output(result)
        sizes = {name: os.stat(folder / name).st_size for name in names}
        for group in in_groups(_small(sizes)):
            depot.put({name: (folder / name).read_bytes() for name in group})
        for name, size in sizes.items():
            if size >= LARGE:
                depot.put_file(name, str(folder / name))
        self.drop(result, names)

    def drop(self, result: int, names: Sequence[str]) -> None:
        """Remove files of a result here."""
        folder = self.output(result)
        for name in names:
            with suppress(FileNotFoundError):
                os.unlink(folder / name)

    def _folder_of(self, source: Url) -> str:
        return f"{self._inputs}/{source.protocol}/{source.path.strip('/')}"


def _small(sizes: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Names and sizes of the files that may be read at once."""
    return ((name, size) for name, size in sizes.items() if size < LARGE)


def _name(path: str) -> str:
    return path.rpartition("/")[2]
