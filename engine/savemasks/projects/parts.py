"""Parts of a run: which items are this job's share, when several jobs make one result."""

import os
import zlib
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Part:
    """One of several parts of a run; `str` is what `--part` takes.

    Which part has an item depends on its name and that of its data set's folder alone. So all jobs
    agree, on every machine, and an item that is new changes nothing for others.

    Attributes
    ----------
    number
        From 1 on.
    count
        How many parts there are.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "2/3"; raises `ValueError`, which says what is wrong."""
        number, slash, count = text.partition("/")
        if not (slash and _is_number(number) and _is_number(count)):
            raise ValueError(f'must be a number, "/" and how many parts there are, as 2/3: {text}')
        return cls.of(int(number), int(count))

    @classmethod
    def of(cls, number: int, count: int) -> Self:
        """The part of that number; raises `ValueError` if there is none."""
        if count < 1:
            raise ValueError(f"there must be at least one part, not {count}")
        if not 1 <= number <= count:
            raise ValueError(f"of {count} parts, the number must be from 1 to {count}: {number}")
        return cls(number, count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def name(self) -> str:
        """For names of files: sorted, they are in the order of the parts."""
        return f"{self.number:0{len(str(self.count))}}-of-{self.count}"

    def takes(self, dataset: str, name: str) -> bool:
        """Whether the item of that name, in a data set's folder of that name, is in this part."""
        return zlib.crc32(os.fsencode(f"{dataset}/{name}")) % self.count == self.number - 1


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def stem_of(name: str, part: Part | None) -> str:
    """What the names of shards begin with, of the result of that name or of a part of it."""
    return name if part is None else f"{name}-{part.name}"


def unfinished_mark(part: Part | None) -> str:
    """What the names of a part's unfinished files begin with, after what all have in common."""
    return "" if part is None else f"p{part.number}-"
