"""What remains to be done in one result: its journal is compared with the items there are.

`ResultList` is about a result as a whole, `DatasetList` about one data set in it.
"""

import os
from collections import Counter
from dataclasses import dataclass

from ..errors import WriteError, printable
from ..layers.save import SaveSettings
from ..layers.save_masks import Settings
from ..line.job import (
    OWN_FOLDERS,
    Extent,
    Outcome,
    Stamp,
    is_own,
    mask_stem,
    needs_image,
    output_names,
    own_folders,
    own_names,
    pack_names,
    pack_stamps,
)
from ..projects.items import Entry, Item, Listing
from ..projects.locations import OpenFolder
from ..results.journal import Journal
from ..results.packer import Packer
from ..results.record import Record
from ..store.files import Store

WHOLE_DATASET = b""
"""The journal's item name for a data set that could not be listed."""

_MAX_VANISHED_NAMES = 3


@dataclass(frozen=True, slots=True)
class Target:
    """One result of a run, as the worklist sees it.

    Attributes
    ----------
    journal
        What is done.
    settings
        Of the layer that asks for it.
    store
        Where its files are.
    packer
        Puts samples into shards, if the result is packed.
    """

    journal: Journal
    settings: Settings | SaveSettings
    store: Store
    packer: Packer | None = None


class ResultList:
    """One result: its journal, and what is said of all of its data sets."""

    def __init__(self, target: Target) -> None:
        self.journal, self.settings, self.store = target.journal, target.settings, target.store
        self.packer = target.packer
        self.needs_image = needs_image(target.settings)
        self.total = 0  # items, done or not
        self.vanished = 0
        self.vanished_names: list[str] = []
        self._outputs: set[str] = set()
        self.has_foreign = not self.packer and self.journal.has_foreign()
        self._foreign_folders: dict[str, bool] = {}

    def add_dataset(self, output: str) -> None:
        """Add a data set, whose items will follow."""
        self._outputs.add(output)
        self.journal.add_datasets([output])

    def refuse_foreign(self, output: str, entry: Entry) -> None:
        """Raise `WriteError` for an item that would replace a foreign file."""
        if not self.has_foreign:
            return
        names = [*output_names(entry, self.settings), *own_names(entry, self.settings)]
        for name in own_folders(entry, self.settings):
            names.append(name)  # a link, or a file in its place
            below = self.journal.foreign_below(f"{output}/{name}")
            names += [found[len(output) + 1 :] for found in below]
        for file in names:
            name = f"{output}/{file}"
            folder = name.rpartition("/")[0]
            if self._is_foreign_folder(folder) or self.journal.is_foreign(name):
                problem = "exists and was not made by savemasks; move it away"
                raise WriteError(problem, file=f"{self.store.root}/{name}")

    def _is_foreign_folder(self, folder: str) -> bool:
        """Whether a folder, or one that it lies in, is a foreign file or link."""
        known = self._foreign_folders.get(folder)
        if known is None:
            parent = folder.rpartition("/")[0]
            known = self.journal.is_foreign(folder) or (
                bool(parent) and self._is_foreign_folder(parent)
            )
            self._foreign_folders[folder] = known
        return known

    def count_vanished_datasets(self) -> None:
        """Count the finished items of data sets that are gone."""
        for dataset in self.journal.datasets():
            if dataset not in self._outputs:
                for record in self.journal.records(dataset):
                    if record.error is None:
                        self.count_vanished(dataset, os.fsdecode(record.name))
                    if self.packer:
                        self.forget(dataset, record.name)

    def forget(self, dataset: str, name: bytes) -> None:
        """Forget an item, whose sample will be in no shard."""
        self.journal.delete(dataset, name)
        self.journal.places.displace(dataset, name)

    def count_vanished(self, dataset: str, name: str) -> None:
        """Count an item that was finished and is gone."""
        self.vanished += 1
        if len(self.vanished_names) < _MAX_VANISHED_NAMES:
            self.vanished_names.append(printable(f"{dataset}/{name}"))


class DatasetList:
    """One data set in one result: which of its items remain there.

    Attributes
    ----------
    lists_anew
        Whether an earlier run could not list the data set.
    is_new
        Whether all of its items remain, and nothing is in their way.
    """

    def __init__(
        self,
        result: ResultList,
        output: str,
        listing: Listing,
        owners: "OutputOwners",
        *,
        only_failed: bool,
    ) -> None:
        self._result, self._output, self._listing, self._owners = result, output, listing, owners
        self._journal = result.journal
        self._known = self._journal.count(output)
        self._records = _Records(self._journal, output, self._known)
        self._unlisted = self._records.at(WHOLE_DATASET) if self._known else None
        self.lists_anew = self._unlisted is not None
        self._known -= self.lists_anew
        self._spares_finished = only_failed
        self._only_failed = only_failed and not self.lists_anew
        self._found = 0
        is_known = self._known or self.lists_anew or only_failed
        self.is_new = not (is_known or result.has_foreign)
        self._record: Record | None = None
        self._extent: Extent | None = None

    def remains(self, entry: Entry, images: OpenFolder, annotations: OpenFolder) -> bool:
        """Whether the next item of the listing is to be done."""
        record = self._records.at(os.fsencode(entry.name)) if self._known else None
        self._found += record is not None
        self._record = record
        if self._only_failed:
            return record is not None and (record.error is not None or self._is_lost(entry))
        return not (
            record
            and self._is_finished(record, entry, images, annotations)
            and not self._is_lost(entry)
        )

    def kept(self) -> Extent | None:
        """Where the sample lies of the item that was asked for last; None if there is none."""
        return None if self._record is None else self._extent

    def _is_lost(self, entry: Entry) -> bool:
        """Whether the item's sample is in no shard that is there."""
        packer = self._result.packer
        if packer is None:
            return False
        self._extent = self._journal.places.extent(self._output, os.fsencode(entry.name))
        return self._extent is None or not packer.has(self._extent)

    def begin(self, item: Item, entry: Entry) -> Outcome | None:
        """Prepare the item that was asked for last; return its failure if that is known already.

        Files of an earlier run are removed.
        """
        if self._unlisted is not None and self._unlisted.error is not None:
            # The item stays known as failed if the run ends before its turn.
            name = os.fsencode(entry.name)
            self._journal.add_failure(self._output, name, self._unlisted.error)
        try:
            if self._record is not None:
                if self._result.packer:
                    self._remove_sample(self._record)
                self._remove_outputs(self._record, item)
            self._result.refuse_foreign(self._output, entry)
        except WriteError as error:
            return Outcome(item, error=error)
        return None

    def finish(self) -> None:
        """Count what is in the journal and not in the listing."""
        if self.lists_anew:
            self._journal.delete(self._output, WHOLE_DATASET)
        if self._found < self._known:
            self._count_vanished_items()

    def _is_finished(
        self, record: Record, entry: Entry, images: OpenFolder, annotations: OpenFolder
    ) -> bool:
        if record.error is not None or record.generation != self._journal.generation:
            return False
        if _names_of_every_item(record) != pack_names(output_names(entry, self._result.settings)):
            return False
        needs_image = entry.has_image and self._result.needs_image
        annotation = stamp_in(annotations, entry.annotation)
        image = stamp_in(images, entry.name if needs_image else None)
        return record.inputs == pack_stamps(annotation, image)

    def _remove_sample(self, record: Record) -> None:
        """Forget the sample of an item that is made anew: nothing of it will be in a shard."""
        self._journal.places.displace(self._output, record.name)
        if record.error is not None:  # it counts as failed until it is made again
            self._journal.add_failure(self._output, record.name, record.error)
        else:
            self._journal.delete(self._output, record.name)

    def _remove_outputs(self, record: Record, item: Item) -> None:
        """Remove the files of an item that is made anew, except those of other items now."""
        removed = False
        for name, _ in record.files():
            is_foreign = self._result.packer and self._journal.is_foreign(f"{self._output}/{name}")
            if not is_foreign and not self._owners.has_other_owner(name, item):
                self._result.store.remove(f"{self._output}/{name}")
                removed = True
                if is_own(name):
                    folder = name.rpartition("/")[0]
                    self._result.store.remove_empty_folder(f"{self._output}/{folder}")
        if removed and record.error is not None:  # it counts as failed until it is made again
            self._journal.add_failure(self._output, record.name, record.error)
        elif removed:
            self._journal.delete(self._output, record.name)

    def _count_vanished_items(self) -> None:
        """Count finished items that are gone, unless only failed ones count; forget failed ones."""
        names = set(self._listing.names)
        stems = {entry.stem for entry in self._listing}
        for record in self._journal.records(self._output):
            name = os.fsdecode(record.name)
            if name in names or record.name == WHOLE_DATASET:
                continue
            if self._result.packer:
                self._result.forget(self._output, record.name)
            elif record.error is None and self._spares_finished:
                continue
            elif record.error is not None or _stem_of(record) in stems:
                # It has no files, or they are another item's now.
                self._journal.delete(self._output, record.name)
            if record.error is None:
                self._result.count_vanished(self._output, name)


class _Records:
    """A data set's journal records, read along with its items, which have about the same order."""

    def __init__(self, journal: Journal, dataset: str, count: int) -> None:
        self._journal, self._dataset = journal, dataset
        self._records = journal.records(dataset) if count else iter(())
        self._next = next(self._records, None)

    def at(self, name: bytes) -> Record | None:
        """Return the record of an item, or None."""
        while self._next is not None and self._next.name < name:
            self._next = next(self._records, None)
        if self._next is not None and self._next.name == name:
            return self._next
        # Names that are not UTF-8 are sorted differently in the journal.
        return self._journal.find(self._dataset, name)


class OutputOwners:
    """Which items of a data set the names of output files belong to now."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._stems: set[str] | None = None
        self._annotations: Counter[str] | None = None

    def has_other_owner(self, name: str, item: Item) -> bool:
        """Whether a file that an item has made may be another item's now."""
        folder, _, file = name.partition("/")
        if folder == "ann":
            if file == f"{item.name}.json":
                return False
            if self._annotations is None:
                self._annotations = Counter(e.annotation for e in self._listing if e.annotation)
            own = (item.annotation or "").rpartition("/")[2] == file
            return self._annotations[file] > own
        stem = mask_stem(name)
        if folder == "img" or stem == mask_stem(f"{folder}/{item.mask_name}"):
            return False
        if self._stems is None:
            self._stems = {entry.stem for entry in self._listing}
        return stem in self._stems


def _names_of_every_item(record: Record) -> bytes | None:
    """The record's names of files without those of objects and classes."""
    outputs = record.outputs
    if outputs is None or not any(folder.encode() in outputs for folder in OWN_FOLDERS):
        return outputs
    names = map(os.fsdecode, outputs.split(b"\0"))
    return pack_names(name for name in names if not is_own(name))


def _stem_of(record: Record) -> str | None:
    for name, _ in record.files():
        if name.startswith(("masks_", "visualize/")):
            return mask_stem(name)
    return None


def stamp_in(folder: OpenFolder, name: str | None) -> Stamp | None:
    """Return what tells whether a file has changed, or None if there is none."""
    if name is None:
        return None
    try:
        status = folder.stat(name)
    except OSError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns)
