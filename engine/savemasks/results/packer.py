"""Shards: the archives of a packed result, written in the order of the items.

A shard is a tar archive. While it grows it is a `.part` in the hidden folder; it is moved to its
place when it is whole. Samples are appended in the order of the items, so that the bytes of all
shards depend on the items alone. The journal knows where each sample lies, so a run that was killed
goes on behind the last one that the journal knows.

A run walks along the samples that are there. As long as each lies where it belongs, nothing is
written. From the first one that does not on, because an item before it has changed, is new, or is
gone, shards are written anew: samples that are there already are copied, in the system. So in the
end the shards are those of a run in which everything has been as it is now.

A sample that is in a worker's memory gets its place here, and is written there by that worker.
Meanwhile other samples get theirs, also in the next shards: several may grow at a time. A shard is
whole when nothing is missing in it.
"""

import os
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import OutputError, printable
from ..line.job import Extent, PackRules
from ..store.pack_members import END
from ..store.packs import Sample
from ..system.file_calls import copy_range, read_at, sync_folder, write_all
from .descriptors import Descriptors
from .growing import Growing
from .journal import Journal
from .places import Shard, State
from .shards import described, path_of, put_in_place, settle, unlink_shards

_COPIED_AT_ONCE = 1 << 26


class Packer:
    """Puts the samples of a result into shards, one item after the other.

    Attributes
    ----------
    notes
        What the user should know of shards, one line each.
    """

    def __init__(
        self, root: Path, rules: PackRules, journal: Journal, prelude: bytes, *, durable: bool
    ) -> None:
        """Look at what is there, and complete what a killed run has left undone.

        Parameters
        ----------
        root
            Folder of the result.
        rules
            How it is packed.
        journal
            Knows samples and shards.
        prelude
            Members that the first shard begins with.
        durable
            Whether something counts as written only when the disk holds it.

        Raises
        ------
        OutputError
            If a file that is in the way cannot be removed, or the journal cannot be used.
        """
        self.notes: list[str] = []
        self._root, self._rules, self._journal = root, rules, journal
        self._places = journal.places
        self._prelude, self._durable = prelude, durable
        found = settle(journal)
        self.notes += found.notes
        self._readable = found.readable
        self._intact = found.intact
        self._old = {shard.number: shard for shard in found.shards}
        # Others have their names, and samples are still copied from them.
        self._replaced = {n: s for n, s in self._old.items() if s.state is State.REPLACED}
        for number in self._replaced:
            del self._old[number]
        self._files = Descriptors(self._path_of)
        self._done: list[Shard] = []
        self._growing: deque[Growing] = deque()  # the last one gets samples, unless it is full
        self._oversized: list[str] = []
        self._place = Shard(0, "")  # how far the shard is that is walked along or written
        self._walked: Shard | None = None  # the old one that nothing has differed from so far
        if durable:
            journal.before_commit = self._sync
        self._begin_shard()

    # ------------------------------------------------------------ samples in their order

    def has(self, extent: Extent) -> bool:
        """Whether the file that a sample lies in is there."""
        return extent.offset + extent.length <= self._readable.get(extent.shard, 0)

    def keep(self, extent: Extent) -> Extent | None:
        """Take the next sample, which is there already; return its new place, None if it stays.

        Raises `OutputError`, as `add` does.
        """
        self._make_room(extent.length)
        walked = self._walked
        if walked is not None and extent[:2] == (walked.number, self._place.size):
            self._advance(extent.length)
            return None
        self._stop_walking()
        try:
            source = self._files.of_shard(extent.shard)
        except OSError as error:
            raise self._failure(error) from error
        return self._append(source, extent.offset, extent.length)

    def add(self, sample: Sample) -> Extent:
        """Take the next sample, which is new and in a spool.

        Raises `OutputError` if it cannot be written; the shard then ends where it ended before.
        """
        self._make_room(sample.length)
        self._stop_walking()
        try:
            source = self._files.of_spool(sample.path)
        except OSError as error:
            raise self._failure(error) from error
        return self._append(source, sample.offset, sample.length)

    def reserve(self, length: int) -> tuple[Extent, str]:
        """Give the next sample, which is new, its place; somebody else will write it there.

        Returns
        -------
        The place, and the path of the file.

        Raises
        ------
        OutputError
            If a shard cannot be written.
        """
        self._make_room(length)
        self._stop_walking()
        growing, place = self._growing[-1], self._place
        extent = Extent(place.number, place.size, length)
        growing.missing += 1
        self._advance(length)
        return extent, growing.path

    def shard_of(self, extent: Extent) -> Path:
        """Where the shard will be that a sample has its place in."""
        names = [each.place.name for each in self._growing if each.place.number == extent.shard]
        return self._root / next(iter(names), "")

    def note_written(self, extent: Extent) -> None:
        """Note that a sample is in its place, and known to the journal; raises `OutputError`."""
        for growing in self._growing:
            if growing.place.number == extent.shard:
                growing.missing -= 1
        self._end_full_ones()

    def let_go(self, spool: str) -> None:
        """Remove a spool of which every sample is in a shard."""
        self._files.close_one(spool)
        with suppress(OSError):
            os.unlink(spool)

    def finish(self) -> list[dict[str, Any]]:
        """End the last shard, and remove those that are no longer needed.

        Returns
        -------
        Name, samples and bytes of every shard.

        Raises
        ------
        OutputError
            If a shard cannot be written.
        """
        if self._place.samples or not self._done:
            self._end_shard()
        elif self._walked is None:
            self._old[self._place.number] = self._place  # nothing has come into it
        self._close_growing()
        self._journal.commit()
        gone = [*self._old.values(), *self._replaced.values()]
        self._old.clear()
        self._replaced.clear()
        unlink_shards(self._journal.folders, self._places, gone)
        return [*map(described, self._done)]

    def oversized_note(self) -> str | None:
        """What to say of samples that are larger than a shard may be."""
        if not self._oversized:
            return None
        return (
            f"{len(self._oversized)} archives are larger than --pack-size, as one image alone is:"
            f" {', '.join(self._oversized[:3])}{', ...' if len(self._oversized) > 3 else ''}"
        )

    def close(self) -> None:
        """Close all files."""
        self._close_growing()
        self._files.close()

    # ------------------------------------------------------------ one shard

    def _make_room(self, length: int) -> None:
        """Go to the next shard if this one is full."""
        place, rules = self._place, self._rules
        is_full = rules.items is not None and place.samples >= rules.items
        if rules.size is not None and place.samples:
            is_full |= place.size + length + len(END) > rules.size
        if is_full:
            self._end_shard()
            self._begin_shard()

    def _begin_shard(self) -> None:
        """Walk along the shard that is there, or begin to write one."""
        count = len(self._done)
        stem = self._journal.folders.stem
        name = f"{stem}-{count:05d}.tar" if self._rules.is_numbered else f"{stem}.tar"
        prelude = self._prelude if count == 0 else b""
        # The newest one: an unfinished one is there to replace a whole one.
        there = [shard for shard in self._old.values() if shard.name == name]
        self._walked = there[-1] if there and self._begins_with(there[-1], prelude) else None
        if self._walked:
            self._place = Shard(self._walked.number, name, size=len(prelude))
        else:
            self._open_new(name, [memoryview(prelude)] if prelude else [])

    def _begins_with(self, shard: Shard, prelude: bytes) -> bool:
        if not prelude:
            return True
        try:
            return read_at(self._files.of_shard(shard.number), len(prelude), 0) == prelude
        except OSError:
            return False

    def _open_new(self, name: str, content: list[memoryview]) -> None:
        """Begin to write a shard."""
        if self._journal.is_foreign(name):
            raise OutputError(
                f"{printable(self._root / name)}: exists and was not made by savemasks; move it"
                " away"
            )
        self._place = self._places.begin(name)
        self._place.size = sum(map(len, content))
        try:
            growing = Growing.new(self._place, self._path_of(self._place.number))
            self._growing.append(growing)
            write_all(growing.file, content)
            self._sync_folder(os.path.dirname(growing.path))
        except OSError as error:
            raise self._failure(error) from error

    def _stop_walking(self) -> None:
        """From here on, what is there differs from what belongs here."""
        walked, place = self._walked, self._place
        if walked is None:
            return
        self._walked = None
        self._commit()
        samples, size = place.samples, place.size
        try:
            grows = walked.state is State.GROWS
            if grows and size >= self._places.end_of(walked.number):
                # It ends here: what is new goes behind it.
                self._growing.append(Growing.old(place, self._path_of(walked.number)))
                return
            self._open_new(place.name, [])
            source = self._files.of_shard(walked.number)
            copy_range(source, self._growing[-1].file, 0, size, _COPIED_AT_ONCE)
            self._sync()
        except (OSError, EOFError) as error:
            raise self._failure(error) from error
        self._place.size, self._place.samples = size, samples
        self._places.move(walked.number, size, self._place.number)

    def _append(self, source: int, offset: int, length: int) -> Extent:
        place, file = self._place, self._growing[-1].file
        try:
            os.lseek(file, place.size, os.SEEK_SET)
            copy_range(source, file, offset, length, _COPIED_AT_ONCE)
        except (OSError, EOFError) as error:
            with suppress(OSError):
                os.ftruncate(file, place.size)
            raise self._failure(error) from error
        extent = Extent(place.number, place.size, length)
        self._advance(length)
        return extent

    def _advance(self, length: int) -> None:
        place, size = self._place, self._rules.size
        if size is not None and not place.samples and place.size + length + len(END) > size:
            self._oversized.append(printable(place.name))
        place.samples += 1
        place.size += length

    def _end_shard(self) -> None:
        """Let the shard have no more samples, unless it is whole and nothing differs."""
        walked, place = self._walked, self._place
        if walked is not None and walked.number in self._intact and place.size == walked.size:
            self._done.append(self._old.pop(walked.number))
            self._walked = None
            return
        self._stop_walking()
        self._growing[-1].is_full = True
        self._done.append(self._place)
        self._end_full_ones()

    def _end_full_ones(self) -> None:
        """Make the shards whole that are full and in which nothing is missing, in their order."""
        while self._growing and self._growing[0].is_whole:
            growing = self._growing[0]
            place = growing.place
            try:
                growing.write_end()
                self._sync()
            except OSError as error:
                raise self._failure(error, self._root / place.name) from error
            self._commit()
            os.close(growing.file)
            self._growing.popleft()
            self._old.pop(place.number, None)
            self._put_in_place(place)
            self._remove_empty()

    def _put_in_place(self, shard: Shard) -> None:
        """Move a whole shard to where it belongs, instead of the one that was there.

        First the journal knows of it, then it is done: `settle` does what is missing if a run was
        killed in between. Samples that come later are still copied from the old one, so it stays,
        under another name, until it is empty.
        """
        there = [old for old in self._old.values() if old.name == shard.name]
        for old in there:
            if old.state is State.WHOLE:
                old.state = State.REPLACED
            self._replaced[old.number] = self._old.pop(old.number)
        shard.state = State.PENDING
        self._places.change(put=[shard, *there])
        try:
            put_in_place(self._journal.folders, shard, there)
            self._sync_folder(str(self._journal.folders.hidden))
            self._sync_folder(str(self._root))
        except OSError as error:
            raise self._failure(error, self._root / shard.name) from error
        shard.state = State.WHOLE
        self._places.change(put=[shard])

    def _remove_empty(self) -> None:
        """Remove shards that were replaced, and of which all samples are in others."""
        empty = [old for old in self._replaced.values() if self._places.is_empty(old.number)]
        for old in empty:
            self._files.close_one(old.number)
            del self._replaced[old.number]
        unlink_shards(self._journal.folders, self._places, empty)

    def _path_of(self, number: int) -> str:
        # What is walked along has a place of its own, which does not know how far the file is.
        shard = self._old.get(number) or self._replaced.get(number, self._place)
        return str(path_of(self._journal.folders, shard))

    def _commit(self) -> None:
        self._journal.commit()
        if self._journal.problem is not None:
            raise OutputError(self._journal.problem)

    def _sync(self) -> None:
        if self._durable:
            for growing in self._growing:
                os.fsync(growing.file)

    def _sync_folder(self, path: str) -> None:
        if self._durable:
            sync_folder(path)

    def _close_growing(self) -> None:
        while self._growing:
            os.close(self._growing.popleft().file)

    def _failure(self, error: Exception, path: Path | None = None) -> OutputError:
        if isinstance(error, OutputError):
            return error
        shown = printable(path or self._root / self._place.name)
        reason = error.strerror if isinstance(error, OSError) else "what it is made of is too short"
        return OutputError(f"{shown}: cannot be written: {reason}")
