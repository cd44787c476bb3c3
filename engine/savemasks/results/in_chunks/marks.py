"""Marks: what is done of a result that is made in chunks.

A mark says of consecutive items of a data set what became of them. It is put when all of their
files are. Its name alone tells whether the items are as they were then:

    <id>-<count>-<failed>-<digest>

with an id of the data set and its first item, how many items there are, how many of them failed,
and a digest over names and stamps of the others. So whoever goes on lists the names of all marks
and reads only those with failed items.

Inside is JSON, compressed. Names of files need not be UTF-8, so each stands there as bytes that are
taken for Latin-1.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple, Self

import orjson
from isal import isal_zlib

from ...errors import OutputError
from ...line.job import Extent, Stamp
from ...projects.parts import Part
from ...store.files import Written
from ..lock import hidden_name

FORMAT = 1
UNREADABLE = "is not as savemasks wrote it"
"""What is said of files in the hidden folder that something has happened to."""
WRONG = (ValueError, LookupError, TypeError, AttributeError)
"""What is raised where such a file is taken apart."""
_KEY_BYTES = 12
_InflateError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub says Exception


def marks_folder(part: Part | None) -> str:
    """Where marks lie."""
    return f"{hidden_name(part)}/marks"


class MarkName(NamedTuple):
    """What the name of a mark says; `str` is the name."""

    id: str
    items: int
    failed: int
    digest: str

    def __str__(self) -> str:
        return f"{self.id}-{self.items}-{self.failed}-{self.digest}"

    @property
    def of_failure(self) -> Self:
        """That of a mark without items which lets all count as failed.

        The digest is that of no items, so it says of none that they are as they were.
        """
        return self._replace(failed=self.items, digest=digest_of(()))

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Read a name; None if it is that of something else."""
        parts = name.split("-")
        if len(parts) != 4 or not (parts[1].isdigit() and parts[2].isdigit()):
            return None
        return cls(parts[0], int(parts[1]), int(parts[2]), parts[3])


def mark_id(seed: bytes, place: str, first: str) -> str:
    """The id of the mark that begins with an item.

    `place` is that of its data set, and `seed` another one if something else is made of it.
    """
    text = os.fsencode(f"{place}\0{first}")
    return blake2b(text, digest_size=_KEY_BYTES, key=seed).hexdigest()


def item_key(names: Iterable[str | None], stamps: Iterable[Stamp | None]) -> bytes:
    """What changes if the names of an item's files change, or their stamps."""
    text = "\0".join(
        [name or "" for name in names] + [repr(stamp and tuple(stamp)) for stamp in stamps]
    )
    return blake2b(os.fsencode(text), digest_size=_KEY_BYTES).digest()


def digest_of(keys: Sequence[bytes], failed: Iterable[int] = ()) -> str:
    """The digest over the keys of a mark's items; those that failed are left out.

    What has failed may have been mended since, and is made again in any case.
    """
    left_out = {*failed}
    counted = keys if not left_out else [k for i, k in enumerate(keys) if i not in left_out]
    return blake2b(b"".join(counted), digest_size=_KEY_BYTES).hexdigest()


@dataclass(slots=True)
class MarkedItem:
    """What became of one item.

    Attributes
    ----------
    name
        The image's file name, or the one that its annotation stands for.
    dataset
        The place of its data set below the result.
    files
        What it became, by names below the result.
    counts
        Rows of label, objects and pixels, of the classes in its masks, one after the other.
    error
        Why it failed, as `describe` says it, or None.
    extent
        Where its sample lies in the shard, or None.
    """

    name: str
    dataset: str
    files: dict[str, Written] = field(default_factory=dict)
    counts: list[int] = field(default_factory=list)
    error: dict[str, Any] | None = None
    extent: Extent | None = None

    def rows(self) -> Iterator[tuple[int, int, int]]:
        """Label, objects and pixels of every class in its masks."""
        return zip(self.counts[::3], self.counts[1::3], self.counts[2::3], strict=True)

    def packed(self) -> list[Any]:
        """As plain data for JSON."""
        files = [[_plain(name), *written] for name, written in self.files.items()]
        extent = self.extent and [*self.extent]
        return [_plain(self.name), _plain(self.dataset), files, self.counts, self.error, extent]

    @classmethod
    def unpacked(cls, packed: Sequence[Any]) -> Self:
        """The item that `packed` made plain data of."""
        name, dataset, files, counts, error, extent = packed
        return cls(
            _named(name),
            _named(dataset),
            {_named(file): Written(size, checksum) for file, size, checksum in files},
            counts,
            error,
            extent and Extent(*extent),
        )


@dataclass(slots=True)
class Mark:
    """What became of consecutive items.

    Attributes
    ----------
    items
        All of them.
    shard
        Name, samples and bytes of the shard that has them, as the index says it, or None.
    left_out
        Positions of the items that are not in the digest: those that had failed when it was made.
    """

    items: list[MarkedItem]
    shard: dict[str, Any] | None = None
    left_out: list[int] = field(default_factory=list)

    @property
    def failed(self) -> list[int]:
        """The positions of those that failed."""
        return [i for i, item in enumerate(self.items) if item.error is not None]

    def named(self, id_: str, keys: Sequence[bytes]) -> MarkName:
        """Give it a digest, and return its name; `keys` are those of all items."""
        self.left_out = self.failed
        digest = digest_of(keys, self.left_out)
        return MarkName(id_, len(self.items), len(self.left_out), digest)

    def encoded(self) -> bytes:
        """As it is stored."""
        items = [item.packed() for item in self.items]
        content = {
            "format": FORMAT,
            "shard": self.shard,
            "left_out": self.left_out,
            "items": items,
        }
        return isal_zlib.compress(orjson.dumps(content))

    @classmethod
    def decoded(cls, content: bytes, shown: object) -> Self:
        """Read what was stored; raises `OutputError`."""
        try:
            found = orjson.loads(isal_zlib.decompress(content))
            items = [*map(MarkedItem.unpacked, found["items"])]
            return cls(items, found["shard"], found["left_out"])
        except (_InflateError, *WRONG) as error:
            raise OutputError(
                f"{shown}: {UNREADABLE}: savemasks verify notes that; then savemasks retry, or the"
                " same run, makes its images anew"
            ) from error

    def rows(self) -> Iterator[tuple[int, int, int]]:
        """Label, objects and pixels of every class in every item."""
        for item in self.items:
            yield from item.rows()


class MarkIndex:
    """The names of all marks of a result or part, by their ids, until they are used."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, str | tuple[str, ...]] = {}
        for name in names:
            if parsed := MarkName.parse(name):
                before = self._all(parsed.id)
                self._names[parsed.id] = (*before, name) if before else name

    def __contains__(self, id_: str) -> bool:
        return id_ in self._names

    def __len__(self) -> int:
        return len(self._names)

    def find(self, id_: str) -> list[MarkName]:
        """Marks that begin with an item: one, but if a run was killed maybe several."""
        parsed = map(MarkName.parse, self._all(id_))
        return sorted((name for name in parsed if name), key=lambda name: name.failed)

    def pop(self, id_: str) -> tuple[str, ...]:
        """Take the marks that begin with an item out of the index."""
        names = self._all(id_)
        self._names.pop(id_, None)
        return names

    def with_failures(self) -> list[str]:
        """The names of marks with items that failed."""
        return [name for name in self.rest() if (parsed := MarkName.parse(name)) and parsed.failed]

    def rest(self) -> list[str]:
        """The names of all marks that were not taken."""
        return [name for id_ in self._names for name in self._all(id_)]

    def _all(self, id_: str) -> tuple[str, ...]:
        names = self._names.get(id_, ())
        return (names,) if isinstance(names, str) else names


class Fingerprint:
    """A number that tells whether a set of marks is another one; the order does not matter."""

    def __init__(self, seed: bytes = b"") -> None:
        self._number = int.from_bytes(blake2b(seed, digest_size=16).digest())

    def add(self, name: str) -> None:
        """Add a mark."""
        self._number ^= int.from_bytes(blake2b(name.encode(), digest_size=16).digest())

    def __str__(self) -> str:
        return f"{self._number:032x}"


def add_rows(totals: dict[int, list[int]], rows: Iterable[tuple[int, int, int]]) -> None:
    """Add rows of items to totals: by label, objects, pixels, and items that have any."""
    for label, objects, pixels in rows:
        total = totals.setdefault(label, [0, 0, 0])
        total[0] += objects
        total[1] += pixels
        total[2] += 1


def add_totals(totals: dict[int, list[int]], others: Mapping[int, Sequence[int]]) -> None:
    """Add totals to others."""
    for label, numbers in others.items():
        total = totals.setdefault(label, [0, 0, 0])
        total[:] = [a + b for a, b in zip(total, numbers, strict=True)]


def _plain(name: str) -> str:
    return os.fsencode(name).decode("latin-1")


def _named(plain: str) -> str:
    return os.fsdecode(plain.encode("latin-1"))
