"""What the journal has of one item, as plain bytes."""

from collections.abc import Iterator
from typing import NamedTuple

from ..line.job import Files
from ..store.files import Written


class Record(NamedTuple):
    """The row of one item.

    Attributes
    ----------
    name
        Its name, in bytes.
    generation
        Number of the settings that it was made with; the latest have the highest number.
    inputs
        Stamps of its annotation and its image, as `pack_stamps` encodes them.
    outputs
        Names of its files, as `Files` has them; None if it failed.
    sums
        Size and CRC-32 of each of them.
    error
        The reason why it failed, as JSON, or None.
    """

    name: bytes
    generation: int
    inputs: bytes | None
    outputs: bytes | None
    sums: bytes | None
    error: bytes | None

    def files(self) -> Iterator[tuple[str, Written]]:
        """Yield its files: the name below the data set's folder, size and checksum."""
        return Files(names=self.outputs or b"", sums=self.sums or b"").each()
