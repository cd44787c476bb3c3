"""The journal: a SQLite database in the output's hidden folder that records what is done.

For every item that was tried, it holds the stamps of the inputs and the names and sums of the
outputs, or the error. A row is written after the item's files are in their places, so the files of
a finished item are there. The rows of the last moments of a killed run may be missing; their items
are made again.

A `Lock` ensures that only one process has the journal open. That allows SQLite's exclusive mode, in
which write-ahead logging needs no shared memory and so works on file systems without it.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import orjson

from ..errors import OutputError
from ..line.job import Files, Outcome
from ..projects.parts import Part
from ..system.file_calls import sync_folder
from .lock import Folders, write_refusal
from .places import SCHEMA as PLACES_SCHEMA
from .places import Places
from .record import Record
from .report import describe

JOURNAL = "journal.sqlite"
"""Its name in the hidden folder."""

_SECONDS_BETWEEN_COMMITS = 0.2
_MAX_PENDING_ROWS = 1024
_STUCK_PENDING_ROWS = 10_000  # the journal cannot be written, and the run should end
_ROWS_PER_PAGE = 1000
_CACHE_KIB = 4096

# The table `strangers` holds foreign files; its name stays so that older outputs can be resumed.
_SCHEMA = """
CREATE TABLE run (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE datasets (number INTEGER PRIMARY KEY, output BLOB UNIQUE NOT NULL);
CREATE TABLE items (
    dataset INTEGER NOT NULL, name BLOB NOT NULL, generation INTEGER NOT NULL,
    inputs BLOB, outputs BLOB, sums BLOB, error BLOB,
    PRIMARY KEY (dataset, name)
) WITHOUT ROWID;
CREATE INDEX failed ON items (dataset) WHERE error IS NOT NULL;
CREATE TABLE strangers (name BLOB PRIMARY KEY) WITHOUT ROWID;
"""
# Older journals do not have it.
_LATER_SCHEMA = """
CREATE TABLE IF NOT EXISTS counts (
    dataset INTEGER NOT NULL, name BLOB NOT NULL, counts BLOB NOT NULL,
    PRIMARY KEY (dataset, name)
) WITHOUT ROWID;
"""
_COLUMNS = ", ".join(Record._fields)


class Journal:
    """The journal of one output folder.

    Attributes
    ----------
    generation
        Number of the current settings; every row that is added gets it.
    problem
        Why the last commit failed, or None. The rows are kept, and written by a later commit.
    part
        The part of the result that it is of, or None for the whole.
    folders
        Where the result is, and the hidden folder with the journal.
    places
        Where samples lie, if the result is packed.
    before_commit
        Called before rows are written; may raise `OSError`.
    """

    def __init__(
        self,
        root: Path,
        part: Part | None = None,
        *,
        durable: bool = False,
        read_only: bool = False,
    ) -> None:
        """Open the journal of a result or of a part of it, or create an empty one.

        Raises `OutputError`.
        """
        self.generation = 0
        self.problem: str | None = None
        self._root, self._durable = root, durable
        self.part = part
        self.folders = Folders.of(root, part)
        self._path = self.folders.hidden / JOURNAL
        self._numbers: dict[str, int] = {}
        self._added: list[tuple[object, ...]] = []
        self._counted: list[tuple[int, bytes, bytes]] = []
        self.before_commit: Callable[[], None] | None = None
        self._deleted: list[tuple[int, bytes]] = []
        self._folders: set[str] = set()
        self._synced: set[str] = set()
        self._committed = monotonic()
        try:
            self._database = self._open(read_only)
        except sqlite3.Error as error:
            # SQLite says that the disk is at fault if it must not be written.
            refusal = write_refusal(self.folders.hidden, (JOURNAL, f"{JOURNAL}-wal"))
            problem = refusal or f"{self._path}: cannot be used as a journal: {error}"
            raise OutputError(problem) from error
        self.places = Places(self._database, self._all, self._number)

    def _open(self, read_only: bool) -> sqlite3.Connection:
        if read_only:
            address = f"file:{_quoted(self._path)}?mode=ro&immutable=1"
            return sqlite3.connect(address, uri=True, isolation_level=None)
        database = sqlite3.connect(self._path, isolation_level=None)
        try:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
            is_new = not database.execute("SELECT 1 FROM sqlite_master").fetchone()
            schema = (_SCHEMA if is_new else "") + _LATER_SCHEMA + PLACES_SCHEMA
            database.executescript(f"BEGIN; {schema} COMMIT;")
        except BaseException:
            database.close()
            raise
        return database

    # ------------------------------------------------------------ the run

    def get(self, key: str) -> bytes | None:
        """Return a value about the run as a whole, or None."""
        row = self._one("SELECT value FROM run WHERE key = ?", (key,))
        return None if row is None else bytes(row[0])

    def put(self, **values: bytes) -> None:
        """Store values about the run as a whole in one transaction; raises `OutputError`."""
        self._replace("REPLACE INTO run VALUES (?, ?)", values.items())

    @property
    def has_ended(self) -> bool:
        """Whether all items were tried; journals of earlier versions know only of killed runs."""
        is_begun = self.get("arguments") is not None
        return is_begun and self.get("open") != b"1" and not self.has_untried

    @property
    def has_untried(self) -> bool:
        """Whether runs have noted items that none of them tried, as one that is at work has."""
        return self.get("ended") == b"0"

    def add_foreign(self, names: Iterable[str]) -> None:
        """Store the names of foreign files and links; raises `OutputError`."""
        rows = ((os.fsencode(name),) for name in names)
        self._replace("REPLACE INTO strangers VALUES (?)", rows)

    def has_foreign(self) -> bool:
        """Whether there are foreign files."""
        return self._one("SELECT 1 FROM strangers", ()) is not None

    def is_foreign(self, name: str) -> bool:
        """Whether a file or link of that name is foreign; one that was moved away is forgotten."""
        key = (os.fsencode(name),)
        if self._one("SELECT 1 FROM strangers WHERE name = ?", key) is None:
            return False
        if os.path.lexists(self._root / name):
            return True
        self._all("DELETE FROM strangers WHERE name = ?", key)
        return False

    def foreign_below(self, folder: str) -> Iterator[str]:
        """Yield the names of foreign files and links in a folder, and in the folders in it."""
        begin = os.fsencode(f"{folder}/")
        query = "SELECT name FROM strangers WHERE name > ? AND name < ? ORDER BY name"
        # "0" follows "/".
        for (name,) in self._all(query, (begin, begin[:-1] + b"0")):
            yield os.fsdecode(name)

    # ------------------------------------------------------------ items

    def add_datasets(self, datasets: Iterable[str]) -> None:
        """Add data sets, whose items will follow; raises `OutputError`."""
        for dataset in datasets:
            self._number(dataset)

    def datasets(self) -> list[str]:
        """Return the outputs of all data sets in the journal."""
        return [os.fsdecode(row[0]) for row in self._all("SELECT output FROM datasets", ())]

    def count(self, dataset: str | None = None, *, failed: bool = False) -> int:
        """Count the items of one data set or of all; with `failed`, only those that failed."""
        conditions = ["error IS NOT NULL"] if failed else []
        parameters: tuple[object, ...] = ()
        if dataset is not None:
            conditions.append("dataset = ?")
            parameters = (self._number(dataset),)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        row = self._one(f"SELECT count(*) FROM items{where}", parameters)
        return int(row[0]) if row else 0

    def find(self, dataset: str, name: bytes) -> Record | None:
        """Return the record of one item, or None."""
        row = self._one(
            f"SELECT {_COLUMNS} FROM items WHERE dataset = ? AND name = ?",
            (self._number(dataset), name),
        )
        return None if row is None else Record(*row)

    def records(self, dataset: str) -> Iterator[Record]:
        """Yield the records of a data set, sorted by the bytes of their names.

        One page of rows is in memory at a time, and rows may be added meanwhile.
        """
        query = (
            f"SELECT {_COLUMNS} FROM items WHERE dataset = ? AND name >= ?"
            f" ORDER BY name LIMIT {_ROWS_PER_PAGE}"
        )
        number, start = self._number(dataset), b""
        while True:
            rows = self._all(query, (number, start))
            yield from map(Record._make, rows)
            if len(rows) < _ROWS_PER_PAGE:
                return
            start = rows[-1][0] + b"\0"

    def add(
        self,
        outcome: Outcome,
        dataset: str,
        written: Files,
        counts: bytes | None = None,
    ) -> None:
        """Add the outcome of an item, and where its sample lies; a later commit writes the rows.

        Parameters
        ----------
        outcome
            What became of it.
        dataset
            Its data set in this result.
        written
            Its files in this result, if it has not failed.
        counts
            What was counted in its masks, or None if nothing is.
        """
        number, name = self._number(dataset), os.fsencode(outcome.item.name)
        row: tuple[object, ...]
        if outcome.error is not None:
            row = (None, None, None, orjson.dumps(describe(outcome.error, outcome.item)))
        else:
            row = (*written, None)
            if self._durable and self.before_commit is None:  # else the packer sees to it
                names = (f"{dataset}/{name}" for name, _ in written.each())
                self._folders.update(name.rpartition("/")[0] for name in names)
        self._added.append((number, name, self.generation, *row))
        if counts is not None:
            self._counted.append((number, name, counts))
        if outcome.extent is not None:
            self.places.place(dataset, name, outcome.extent)
        self.commit_if_due()

    def has_all_counts(self) -> bool:
        """Whether something was counted in all items of which `counts` is.

        Runs of older versions did not.
        """
        query = (
            "SELECT 1 FROM items LEFT JOIN counts USING (dataset, name)"
            " WHERE error IS NULL AND generation = ? AND counts IS NULL LIMIT 1"
        )
        return not self._all(query, (self.generation,))

    def counts(self) -> Iterator[bytes]:
        """What was counted in the masks of every item that is finished with these settings."""
        query = (
            "SELECT counts, dataset, name FROM counts JOIN items USING (dataset, name)"
            " WHERE error IS NULL AND generation = ? AND (dataset, name) > (?, ?)"
            f" ORDER BY dataset, name LIMIT {_ROWS_PER_PAGE}"
        )
        last: tuple[int, bytes] = -1, b""
        while rows := self._all(query, (self.generation, *last)):
            yield from (bytes(row[0]) for row in rows)
            last = rows[-1][1], rows[-1][2]

    def counts_of(self, dataset: str, name: bytes) -> bytes:
        """What was counted in the masks of one item; empty if nothing was."""
        query = "SELECT counts FROM counts WHERE dataset = ? AND name = ?"
        row = self._one(query, (self._number(dataset), name))
        return b"" if row is None else bytes(row[0])

    def add_failure(self, dataset: str, name: bytes, error: bytes) -> None:
        """Add why an item, or with an empty name its whole data set, failed."""
        self._add_row(dataset, name, (None, None, None, error))

    def add_damage(self, dataset: str, record: Record, error: bytes) -> None:
        """Add that the files of a finished item are damaged; it must be made anew."""
        row = (record.inputs, record.outputs, record.sums, error)
        self._add_row(dataset, record.name, row)

    def errors(self, limit: int) -> list[str]:
        """Messages of the first items that failed."""
        query = "SELECT error FROM items WHERE error IS NOT NULL ORDER BY dataset, name LIMIT ?"
        return [orjson.loads(row[0])["message"] for row in self._all(query, (limit,))]

    def delete(self, dataset: str, name: bytes) -> None:
        """Delete an item; a later commit does it."""
        self._deleted.append((self._number(dataset), name))

    def _add_row(self, dataset: str, name: bytes, row: tuple[object, ...]) -> None:
        self._added.append((self._number(dataset), name, self.generation, *row))
        self.commit_if_due()

    def commit_if_due(self) -> None:
        """Write the pending rows if some wait long enough, or enough of them."""
        now = monotonic()
        late = now - self._committed >= _SECONDS_BETWEEN_COMMITS
        waiting = len(self._added) + len(self.places)
        if late or (waiting >= _MAX_PENDING_ROWS and not self.problem):
            self.commit()

    @property
    def is_stuck(self) -> bool:
        """Whether so many rows wait to be written that the run should end."""
        waiting = len(self._added) + len(self.places) if self.problem else 0
        return waiting >= _STUCK_PENDING_ROWS

    def commit(self) -> None:
        """Write the pending rows. If that fails, `problem` says why, and they stay pending."""
        self._committed = monotonic()
        if not self._added and not self._deleted and not self.places:
            return
        try:
            self._sync_folders()
            if self.before_commit:
                self.before_commit()
            self._database.execute("BEGIN")
            for table in ("items", "counts"):
                query = f"DELETE FROM {table} WHERE dataset = ? AND name = ?"
                self._database.executemany(query, self._deleted)
            self._database.executemany(
                f"REPLACE INTO items (dataset, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                self._added,
            )
            self._database.executemany("REPLACE INTO counts VALUES (?, ?, ?)", self._counted)
            self.places.write()
            self._database.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            self._roll_back()
            self.problem = str(self._failure(error))
            return
        self.problem = None
        self._added.clear()
        self._counted.clear()
        self.places.clear()
        self._deleted.clear()
        self._folders.clear()

    def _sync_folders(self) -> None:
        """Sync the folders of all files whose items are about to be called done."""
        top = str(self._root.parent)
        for name in self._folders:
            folder = f"{self._root}/{name}"
            sync_folder(folder)
            while folder != top and folder not in self._synced:
                self._synced.add(folder)
                folder = os.path.dirname(folder)
                sync_folder(folder)

    def close(self) -> None:
        """Write the pending rows if possible, and close the database."""
        self.commit()
        with suppress(sqlite3.Error):  # on a full disk the write-ahead log stays
            self._database.close()

    # ------------------------------------------------------------ SQLite

    def _number(self, dataset: str) -> int:
        number = self._numbers.get(dataset)
        if number is None:
            output = os.fsencode(dataset)
            row = self._one("SELECT number FROM datasets WHERE output = ?", (output,))
            if row is None:
                row = self._one(
                    "INSERT INTO datasets (output) VALUES (?) RETURNING number", (output,)
                )
            assert row is not None
            number = self._numbers[dataset] = int(row[0])
        return number

    def _one(self, query: str, parameters: tuple[object, ...]) -> tuple[Any, ...] | None:
        rows = self._all(query, parameters)
        return rows[0] if rows else None

    def _all(self, query: str, parameters: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _replace(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Write rows in one transaction."""
        try:
            self._database.execute("BEGIN")
            self._database.executemany(query, rows)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise self._failure(error) from error

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            self._database.execute("ROLLBACK")

    def _failure(self, error: Exception) -> OutputError:
        return OutputError(f"{self._path}: the journal cannot be used: {error}")


def _quoted(path: Path) -> str:
    from urllib.parse import quote  # rarely needed

    return quote(os.fsencode(path.absolute()))
