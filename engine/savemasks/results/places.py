"""Where the samples of a packed result lie: two tables of its journal.

`samples` has the place of every sample, `shards` the files. A row of `samples` names a shard that
`shards` has: when a shard is dropped, its rows go with it.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ..line.job import Extent

SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (
    dataset INTEGER NOT NULL, name BLOB NOT NULL,
    shard INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
    PRIMARY KEY (dataset, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS in_shards ON samples (shard, offset, length);
CREATE TABLE IF NOT EXISTS shards (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL, state INTEGER NOT NULL,
    samples INTEGER NOT NULL, size INTEGER NOT NULL
);
"""


class State(IntEnum):
    """How far a shard is.

    It grows; it is whole, and about to get its name; it has it; it goes; another one has its name,
    but samples are still copied from it.
    """

    GROWS = 0
    PENDING = 1
    WHOLE = 2
    GONE = 3
    REPLACED = 4


@dataclass(slots=True)
class Shard:
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
        How many samples it has, and where the last one ends; 0 while it grows.
    """

    number: int
    name: str
    state: State = State.GROWS
    samples: int = 0
    size: int = 0


class Places:
    """The tables, and the rows that wait for the journal's next commit."""

    def __init__(
        self,
        database: sqlite3.Connection,
        query: Callable[[str, tuple[object, ...]], list[tuple[Any, ...]]],
        number_of: Callable[[str], int],
    ) -> None:
        """Use a journal's database; `query` raises `OutputError`, `number_of` is for data sets."""
        self._database, self._query, self._number_of = database, query, number_of
        self._placed: list[tuple[int, bytes, int, int, int]] = []
        self._displaced: list[tuple[int, bytes]] = []

    # ------------------------------------------------------------ samples

    def __len__(self) -> int:
        """How many rows wait."""
        return len(self._placed) + len(self._displaced)

    def place(self, dataset: str, name: bytes, extent: Extent) -> None:
        """Add where an item's sample lies; a later commit writes it."""
        self._placed.append((self._number_of(dataset), name, *extent))

    def displace(self, dataset: str, name: bytes) -> None:
        """Forget an item's sample, before it gets another one; a later commit does it."""
        self._displaced.append((self._number_of(dataset), name))

    def write(self) -> None:
        """Write the rows that wait, in the transaction of a commit."""
        self._database.executemany(
            "DELETE FROM samples WHERE dataset = ? AND name = ?", self._displaced
        )
        self._database.executemany("REPLACE INTO samples VALUES (?, ?, ?, ?, ?)", self._placed)

    def clear(self) -> None:
        """Forget the rows that waited: they are written."""
        self._placed.clear()
        self._displaced.clear()

    def extent(self, dataset: str, name: bytes) -> Extent | None:
        """Where an item's sample lies, or None."""
        query = "SELECT shard, offset, length FROM samples WHERE dataset = ? AND name = ?"
        rows = self._query(query, (self._number_of(dataset), name))
        return Extent(*rows[0]) if rows else None

    def end_of(self, shard: int) -> int:
        """Where the last sample of a shard ends."""
        query = (
            "SELECT offset + length FROM samples WHERE shard = ? ORDER BY offset DESC, length DESC"
            " LIMIT 1"
        )
        rows = self._query(query, (shard,))
        return int(rows[0][0]) if rows else 0

    def is_empty(self, shard: int) -> bool:
        """Whether no sample lies in a shard any more."""
        return not self._query("SELECT 1 FROM samples WHERE shard = ? LIMIT 1", (shard,))

    def move(self, shard: int, end: int, new: int) -> None:
        """Note that the samples of a shard before an offset lie in another one, as they did."""
        query = "UPDATE samples SET shard = ? WHERE shard = ? AND offset < ?"
        self._query(query, (new, shard, end))

    # ------------------------------------------------------------ shards

    def shards(self) -> list[Shard]:
        """All shards, in the order in which they were begun."""
        query = "SELECT number, name, state, samples, size FROM shards ORDER BY number"
        return [
            Shard(number, os.fsdecode(name), State(state), *rest)
            for number, name, state, *rest in self._query(query, ())
        ]

    def begin(self, name: str) -> Shard:
        """Add a shard that grows."""
        query = "INSERT INTO shards VALUES (NULL, ?, ?, 0, 0) RETURNING number"
        rows = self._query(query, (os.fsencode(name), int(State.GROWS)))
        return Shard(int(rows[0][0]), name)

    def change(self, put: Iterable[Shard] = (), drop: Iterable[Shard] = ()) -> None:
        """Put and drop shards, and the samples in those that are dropped, at once."""
        self._query("BEGIN", ())
        try:
            for shard in put:
                self._query(
                    "UPDATE shards SET state = ?, samples = ?, size = ? WHERE number = ?",
                    (int(shard.state), shard.samples, shard.size, shard.number),
                )
            for shard in drop:
                self._query("DELETE FROM samples WHERE shard = ?", (shard.number,))
                self._query("DELETE FROM shards WHERE number = ?", (shard.number,))
            self._query("COMMIT", ())
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def forget(self) -> None:
        """All samples are to be made anew: their shards go."""
        shards = self.shards()
        for shard in shards:
            shard.state = State.GONE
        self._query("DELETE FROM samples", ())
        self.change(put=shards)
