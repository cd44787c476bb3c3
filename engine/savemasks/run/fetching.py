"""Items at addresses for workers that read files: fetched ahead, and removed when they are read."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ..errors import ItemError
from ..line.job import Outcome, needs_image
from ..projects.items import Entry, Item, Listing
from ..projects.remote_places import RemoteFolder, RemotePath
from ..remote import Url
from .in_chunks.staging import Staging
from .routes import Routing

_BATCH = 32  # items that are fetched at once


class Wanted(NamedTuple):
    """An item whose files are wanted: where they are, and the sizes of image and annotation."""

    item: Item
    source: Url
    sizes: tuple[int, int]


class Fetching:
    """Fetches the files of items, a batch ahead of those who take them."""

    def __init__(self, routing: Routing) -> None:
        self._stack = ExitStack()
        folder = os.devnull
        self._is_needed = any(isinstance(each.folder, RemotePath) for each in routing.datasets)
        if self._is_needed:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="savemasks-"))
        self._staging = Staging(Path(folder))
        self._needs_image = [
            any(needs_image(routing.results[number].layer.settings) for number in numbers)
            for numbers in routing.sinks
        ]
        self._originals: dict[tuple[int, str, str], tuple[Wanted, Item]] = {}

    def wanted(self, listing: Listing, entry: Entry) -> Item | Wanted:
        """An item, and where to fetch it if it is at an address."""
        item, place = listing.item(entry), listing.dataset.folder
        if not isinstance(place, RemotePath):
            return item
        images, annotations = listing.folders()
        has_image = entry.has_image and self._needs_image[item.flow]
        image = _size(images, entry.name if has_image else None)
        return Wanted(item, place.url, (image, _size(annotations, entry.annotation)))

    def ahead(self, listed: Iterator[Item | Wanted | Outcome]) -> Iterator[Item | Outcome]:
        """The same items with their files on this machine; a failure in place of what is not."""
        if not self._is_needed:
            yield from (each for each in listed if not isinstance(each, Wanted))  # there is none
            return
        with ThreadPoolExecutor(1) as pool:
            batch = [*islice(listed, _BATCH)]
            fetched = self._submit(pool, batch)
            while batch:
                here = iter(fetched.result())
                following = [*islice(listed, _BATCH)]
                fetched = self._submit(pool, following)
                for each in batch:
                    yield self._told(each, next(here)) if isinstance(each, Wanted) else each
                batch = following

    def _submit(
        self, pool: ThreadPoolExecutor, batch: list[Item | Wanted | Outcome]
    ) -> Future[list[Item | ItemError]]:
        wanted = [each for each in batch if isinstance(each, Wanted)]
        items, sources = [w.item for w in wanted], [w.source for w in wanted]
        return pool.submit(self._staging.fetch, items, sources, [w.sizes for w in wanted])

    def _told(self, wanted: Wanted, here: Item | ItemError) -> Item | Outcome:
        if isinstance(here, ItemError):
            return Outcome(wanted.item, error=here)
        self._originals[_key(here)] = wanted, here
        return here

    def settle(self, outcome: Outcome) -> None:
        """Remove the files of an item; its outcome then speaks of its addresses."""
        found = self._originals.pop(_key(outcome.item), None)
        if found is not None:
            wanted, here = found
            self._staging.release(here, wanted.source)
            self._staging.name_original(outcome, wanted.item, [wanted.source], [])

    def close(self) -> None:
        """Remove all that was fetched."""
        self._stack.close()


def _key(item: Item) -> tuple[int, str, str]:
    return item.flow, item.dataset, item.name


def _size(folder: object, name: str | None) -> int:
    """Size of a file; at least 1 for what is to be fetched."""
    found = folder.find(name) if name is not None and isinstance(folder, RemoteFolder) else None
    return max(1, found.st_size) if found else 0
