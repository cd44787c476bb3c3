"""Open files that samples are copied from: a bounded number of them."""

import os
from collections import OrderedDict
from collections.abc import Callable

from ..system.file_calls import READ

_MOST = 64


class Descriptors:
    """Files of shards, by their number, and spools, by their path.

    The least recently used ones are closed.
    """

    def __init__(self, path_of: Callable[[int], str]) -> None:
        """Find shards by `path_of`."""
        self._path_of = path_of
        self._open: OrderedDict[int | str, int] = OrderedDict()

    def of_shard(self, number: int) -> int:
        """The descriptor of a shard; may raise `OSError`."""
        return self._get(number, "")

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

    def close_one(self, key: int | str) -> None:
        """Close a shard or a spool if it is open."""
        file = self._open.pop(key, None)
        if file is not None:
            os.close(file)

    def close(self) -> None:
        """Close all."""
        for file in self._open.values():
            os.close(file)
        self._open.clear()
