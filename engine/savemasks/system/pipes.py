"""Pipes between processes: which have something to read, and what."""

import os
import select
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_READ_AT_ONCE = 1 << 18  # bytes


def _end_of_message(data: bytearray, at: int) -> tuple[int, int] | None:
    """Where a message begins behind its length, and where it ends; None if that is not there yet.

    `Connection` writes lengths so: in four bytes, or -1 and eight bytes.
    """
    begin = at + 4
    if len(data) < begin:
        return None
    length = int.from_bytes(data[at:begin], "big", signed=True)
    if length >= 0:
        return begin, begin + length
    begin += 8
    if len(data) < begin:
        return None
    return begin, begin + int.from_bytes(data[begin - 8 : begin], "big")


def has_message(pipe: "Connection") -> bool:
    """Whether something has come through a pipe, or its other end was closed."""
    if not hasattr(select, "poll"):
        return pipe.poll(0)
    poll = select.poll()  # takes a quarter of the time of `pipe.poll`
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(0))


class Pipes:
    """Pipes from which something may come, each with what belongs to it."""

    def __init__(self) -> None:
        self._owners: dict[Connection, Any] = {}
        self._begun: dict[Connection, bytearray] = {}
        # Windows can wait for pipes, but not select them.
        self._selector = selectors.DefaultSelector() if hasattr(select, "poll") else None

    def add(self, pipe: "Connection", owner: object) -> None:
        """Begin to wait for a pipe."""
        self._owners[pipe] = owner
        if self._selector:
            self._selector.register(pipe, selectors.EVENT_READ, owner)

    def remove(self, pipe: "Connection") -> None:
        """Wait for a pipe no more; it must still be open."""
        del self._owners[pipe]
        self._begun.pop(pipe, None)
        if self._selector:
            self._selector.unregister(pipe)

    def ready(self, seconds: float) -> list[Any]:
        """What belongs to the pipes from which something came, or whose other end was closed.

        Waits for the first, but not longer than told.
        """
        if self._selector:
            return [key.data for key, _ in self._selector.select(seconds)]
        from multiprocessing.connection import wait  # for Windows alone

        return [self._owners[pipe] for pipe in wait([*self._owners], seconds)]  # type: ignore[index]

    def read(self, pipe: "Connection") -> list[bytes]:
        """All messages that have come through a pipe, which must be ready.

        They may be none, if one has not come wholly. Raises `EOFError` if the other end was closed.
        """
        if not self._selector:
            return [pipe.recv_bytes()]
        data = os.read(pipe.fileno(), _READ_AT_ONCE)
        if not data:
            raise EOFError
        begun = self._begun.setdefault(pipe, bytearray())
        begun += data
        messages, at = [], 0
        while (end := _end_of_message(begun, at)) is not None and end[1] <= len(begun):
            messages.append(bytes(begun[end[0] : end[1]]))
            at = end[1]
        del begun[:at]
        return messages

    def close(self) -> None:
        """Wait for none of them."""
        if self._selector:
            self._selector.close()
