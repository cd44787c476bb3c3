"""A shard while it is written."""

import os
from dataclasses import dataclass

from ..store.pack_members import END
from ..system.file_calls import NEW_TO_READ, READ_AND_WRITE, write_all
from .places import Shard


@dataclass(slots=True)
class Growing:
    """A shard that is written; its methods may raise `OSError`.

    Attributes
    ----------
    place
        How far it is.
    path, file
        Where its file is, and its descriptor.
    missing
        Samples that have their place in it, but are not there.
    is_full
        Whether it gets no more samples.
    """

    place: Shard
    path: str
    file: int
    missing: int = 0
    is_full: bool = False

    @classmethod
    def new(cls, place: Shard, path: str) -> "Growing":
        """Begin a file."""
        return cls(place, path, os.open(path, NEW_TO_READ, 0o666))

    @classmethod
    def old(cls, place: Shard, path: str) -> "Growing":
        """Go on with a file behind its last sample that counts."""
        growing = cls(place, path, os.open(path, READ_AND_WRITE))
        try:
            os.ftruncate(growing.file, place.size)
        except OSError:
            os.close(growing.file)
            raise
        return growing

    @property
    def is_whole(self) -> bool:
        """Whether all of its samples are there."""
        return self.is_full and not self.missing

    def write_end(self) -> None:
        """Close the archive behind its last sample."""
        os.ftruncate(self.file, self.place.size)
        os.lseek(self.file, self.place.size, os.SEEK_SET)
        write_all(self.file, [memoryview(END)])
