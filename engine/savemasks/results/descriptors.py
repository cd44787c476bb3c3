"""Open files that samples are copied from: a bounded number of them."""

import os
from collections import OrderedDict
from collections.abc import Callable

from ..system import READ

_MOST = 64


class Descriptors:
    """Files of shards, by their number, and spools, by their path.

    The least recently used ones are closed, except for those of shards that were replaced: they
    have no name any more, and are closed when no sample is needed from them.
    """

    def __init__(self, path_of: Callable[[int], str]) -> None:
        """Find shards by `path_of`."""
        self._path_of = path_of
        self._open: OrderedDict[int | str, int] = OrderedDict()
        self._held: dict[int, int] = {}
        self._needed: dict[int, int] = {}

    def of_shard(self, number: int) -> int:
        """The descriptor of a shard; may raise `OSError`."""
        held = self._held.get(number)
        return self._get(number, "") if held is None else held

    def of_spool(self, path: str) -> int:
        """The descriptor of a spool; may raise `OSError`."""
        return self._get(path, path)

    def _get(self, key: int | str, path: str) -> int:
        file = self._open.get(key)
        if file is None:
            file = self._open[key] = os.open(path or self._path_of(int(key)), READ)
            if len(self._open) > _MOST:
                os.close(self._open.popitem(last=False)[1])
        else:
            self._open.move_to_end(key)
        return file

    def hold(self, number: int, samples: int) -> None:
        """Keep a shard, whose name another one gets, until so many samples were copied from it."""
        if samples:
            self._held[number] = self.of_shard(number)
            self._needed[number] = samples
            del self._open[number]

    def count_out(self, number: int) -> None:
        """Note that a sample was copied from a shard."""
        if number in self._needed:
            self._needed[number] -= 1
            if not self._needed[number]:
                del self._needed[number]
                os.close(self._held.pop(number))

    def close_spool(self, path: str) -> None:
        """Close a spool if it is open."""
        file = self._open.pop(path, None)
        if file is not None:
            os.close(file)

    def close(self) -> None:
        """Close all."""
        for file in (*self._open.values(), *self._held.values()):
            os.close(file)
        self._open.clear()
        self._held.clear()
