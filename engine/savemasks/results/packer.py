"""Shards: the archives of a packed result, written in the order of the items.

A shard is a tar archive. While it grows it is called `.part`; it gets its name when it is whole.
Samples are appended in the order of the items, so that the bytes of all shards depend on the items
alone. The journal knows where each sample lies, so a run that was killed goes on behind the last
one that the journal knows.

A run walks along the samples that are there. As long as each lies where it belongs, nothing is
written. From the first one that does not on, because an item before it has changed, is new, or is
gone, shards are written anew: samples that are there already are copied, in the system. So in the
end the shards are those of a run in which everything has been as it is now.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import orjson

from ..errors import OutputError, printable
from ..line.job import Extent, PackRules
from ..store.packs import SPOOL, Sample
from ..store.tar_members import END
from ..system import READ, copy_range, sync_folder, write_all
from .journal import Journal
from .lock import HIDDEN

PART = ".part"

_COPIED_AT_ONCE = 1 << 26


class _State(IntEnum):
    """How far a shard is: it grows; it is whole, and about to get its name; it has it."""

    GROWS = 0
    PENDING = 1
    WHOLE = 2


@dataclass(slots=True)
class _Shard:
    """The file of a shard.

    Attributes
    ----------
    number
        Never used again; what replaces a shard has another one.
    name
        Of the file, when it is whole.
    state
        How far it is.
    samples, size
        How many samples it has, and where the last one ends; of one that grows, what it began with.
    """

    number: int
    name: str
    state: _State = _State.GROWS
    samples: int = 0
    size: int = 0


class Packer:
    """Puts the samples of a result into shards, one item after the other."""

    def __init__(
        self, root: Path, rules: PackRules, journal: Journal, prelude: bytes, *, durable: bool
    ) -> None:
        """Look at what is there.

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
            If a shard that the journal knows cannot be opened.
        """
        self._root, self._rules, self._journal = root, rules, journal
        self._prelude, self._durable = prelude, durable
        self._files: dict[int, int] = {}  # that samples may be copied from, by number
        self._done: list[_Shard] = []
        self._target = -1
        _remove_spools(root)
        self._old = _settle(root, journal)
        self._next_number = max((shard.number for shard in self._old), default=0) + 1
        for shard in self._old:
            self._files[shard.number] = _open(root, shard)
        self._place = _Shard(0, "")  # how far the shard is that is walked along or written
        self._walked: _Shard | None = None  # the old one that nothing has differed from so far
        if durable:
            journal.before_commit = self._sync
        self._begin_shard()

    # ------------------------------------------------------------ samples in their order

    def has(self, extent: Extent) -> bool:
        """Whether the file that a sample lies in is there."""
        return extent.shard in self._files

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
        return self._append(self._files[extent.shard], extent.offset, extent.length)

    def add(self, sample: Sample) -> Extent:
        """Take the next sample, which is new.

        Raises `OutputError` if it cannot be written; the shard then ends where it ended before.
        """
        self._make_room(sample.length)
        self._stop_walking()
        source = os.open(sample.path, READ)
        try:
            return self._append(source, sample.offset, sample.length)
        finally:
            os.close(source)

    def finish(self) -> list[dict[str, Any]]:
        """End the last shard, and remove those that are no longer needed.

        Returns
        -------
        Name, samples and bytes of every shard.
        """
        if self._place.samples or not self._done:
            self._end_shard()
        elif self._walked is None:
            (self._root / (self._place.name + PART)).unlink(missing_ok=True)
        kept = {shard.name for shard in self._done}
        gone = [shard.name for shard in self._old if shard.name not in kept]
        self._old = []
        self._put_shards(None)
        for name in gone:
            for file in (name, name + PART):
                (self._root / file).unlink(missing_ok=True)
        return [
            {"name": shard.name, "samples": shard.samples, "bytes": shard.size + len(END)}
            for shard in self._done
        ]

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()

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
        stem = self._root.name
        name = f"{stem}-{count:05d}.tar" if self._rules.is_numbered else f"{stem}.tar"
        prelude = self._prelude if count == 0 else b""
        there = [shard for shard in self._old if shard.name == name]
        there.sort(key=lambda shard: shard.state)  # one that grows is to replace a whole one
        self._walked = there[0] if there else None
        if self._walked:
            self._place = _Shard(self._walked.number, name, size=len(prelude))
        else:
            self._open_new(name, [memoryview(prelude)] if prelude else [])

    def _open_new(self, name: str, content: list[memoryview]) -> None:
        """Begin to write a shard."""
        for file in (name, name + PART):
            if self._journal.is_foreign(file):
                raise OutputError(
                    f"{printable(self._root / file)}: exists and was not made by savemasks; move it"
                    " away"
                )
        self._place = _Shard(self._next_number, name)
        self._next_number += 1
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | READ
            self._target = os.open(self._root / (name + PART), flags, 0o666)
            self._files[self._place.number] = self._target
            self._place.size = sum(map(len, content))
            write_all(self._target, content)
        except OSError as error:
            raise self._failure(error) from error
        self._put_shards(self._place)

    def _stop_walking(self) -> None:
        """From here on, what is there differs from what belongs here."""
        walked, place = self._walked, self._place
        if walked is None:
            return
        self._walked = None
        self._journal.commit()
        file = self._files[walked.number]
        if walked.state is _State.GROWS and place.size >= self._journal.end_of(walked.number):
            self._target = file  # it ends here: what is new goes behind it
            os.lseek(file, place.size, os.SEEK_SET)
            return
        if walked.state is _State.GROWS:  # in the way of the new one; its file stays open
            (self._root / (walked.name + PART)).unlink(missing_ok=True)
            self._old.remove(walked)
        size, samples = place.size, place.samples
        self._open_new(place.name, [])
        try:
            copy_range(file, self._target, 0, size, _COPIED_AT_ONCE)
        except OSError as error:
            raise self._failure(error) from error
        self._place.size, self._place.samples = size, samples
        self._journal.move(walked.number, size, self._place.number)

    def _append(self, source: int, offset: int, length: int) -> Extent:
        place = self._place
        try:
            copy_range(source, self._target, offset, length, _COPIED_AT_ONCE)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._target, place.size)
                os.lseek(self._target, place.size, os.SEEK_SET)
            raise self._failure(error) from error
        extent = Extent(place.number, place.size, length)
        self._advance(length)
        return extent

    def _advance(self, length: int) -> None:
        self._place.samples += 1
        self._place.size += length

    def _end_shard(self) -> None:
        """Make the shard whole, unless it is and nothing differs."""
        walked, place = self._walked, self._place
        if walked is not None and walked.state is _State.WHOLE and place.size == walked.size:
            self._done.append(walked)
            self._walked = None
            return
        self._stop_walking()
        place = self._place
        try:
            os.ftruncate(self._target, place.size)
            os.lseek(self._target, place.size, os.SEEK_SET)
            write_all(self._target, [memoryview(END)])
            self._sync()
        except OSError as error:
            raise self._failure(error) from error
        self._journal.commit()
        place.state = _State.PENDING
        self._done.append(place)
        # First the journal knows that it is whole, then it gets its name: `_settle` does what is
        # missing if that is as far as it came.
        self._old = [shard for shard in self._old if shard.name != place.name]
        self._put_shards(None)
        os.replace(self._root / (place.name + PART), self._root / place.name)
        if self._durable:
            sync_folder(str(self._root))
        place.state = _State.WHOLE
        self._target = -1  # the file stays open: samples may be copied from it

    def _sync(self) -> None:
        if self._durable and self._target >= 0:
            os.fsync(self._target)

    def _put_shards(self, growing: _Shard | None) -> None:
        """Tell the journal which shards there are; raises `OutputError`."""
        done = {shard.number for shard in self._done}
        others = [shard for shard in self._old if shard.number not in done]
        shards = [*self._done, *([growing] if growing else ()), *others]
        rows = [[s.number, s.name, int(s.state), s.samples, s.size] for s in shards]
        self._journal.put(shards=orjson.dumps(rows))

    def _failure(self, error: OSError) -> OutputError:
        path = printable(self._root / (self._place.name + PART))
        return OutputError(f"{path}: cannot be written: {error.strerror}")


def read_shards(journal: Journal) -> list[tuple[int, str]]:
    """Number and file name of every shard that the journal knows."""
    return [
        (shard.number, shard.name + PART if shard.state is _State.GROWS else shard.name)
        for shard in _shards_in(journal)
    ]


def _shards_in(journal: Journal) -> list[_Shard]:
    rows = orjson.loads(journal.get("shards") or b"[]")
    return [_Shard(number, name, _State(state), *rest) for number, name, state, *rest in rows]


def _settle(root: Path, journal: Journal) -> list[_Shard]:
    """The shards that the journal knows; those that were about to get their names get them."""
    shards = _shards_in(journal)
    for shard in shards:
        part = root / (shard.name + PART)
        if shard.state is _State.PENDING:
            if part.exists() and part.stat().st_size == shard.size + len(END):
                part.replace(root / shard.name)
            shard.state = _State.WHOLE
    return shards


def _open(root: Path, shard: _Shard) -> int:
    path = root / (shard.name + (PART if shard.state is _State.GROWS else ""))
    try:
        return os.open(path, os.O_RDWR | READ)
    except OSError as error:
        raise OutputError(
            f"{printable(path)}: is a shard of this result, and cannot be opened:"
            f" {error.strerror}; --restart makes everything anew"
        ) from error


def _remove_spools(root: Path) -> None:
    """Remove what workers of a killed run have left."""
    for path in (root / HIDDEN).glob(f"{SPOOL}*"):
        path.unlink(missing_ok=True)
