"""Errors of libvips with their own messages, whatever other threads do meanwhile."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import pyvips

from ..system.child_processes import at_fork

T = TypeVar("T")

# What has begun before in other threads may still disturb, each once.
_ENOUGH, _ATTEMPTS = 3, 20

_turn = threading.Lock()


def with_own_message(operation: Callable[[], T]) -> T:
    """Return what an operation of libvips makes, or raise the `pyvips.Error` that tells why not.

    libvips keeps what it has to say in one place for all threads, and also what it had to say about
    earlier pictures: the first error may tell of another picture, or of nothing. So what has failed
    is done again, while no other is begun, until it has failed some times in a row for the
    same reason. The operation must be one that can be repeated.
    """
    with _turn:
        pass  # whoever asks is disturbed by nothing that has not begun before
    with suppress(pyvips.Error):
        return operation()
    # No error is kept: a traceback that names itself would let go of its pictures whenever garbage
    # is looked for, which may be inside of libvips.
    with _turn:
        said: list[str] = []
        for _ in range(_ATTEMPTS):
            pyvips.vips_lib.vips_error_clear()
            try:
                return operation()
            except pyvips.Error as error:
                said.append(error.detail)
                if error.detail and said[-_ENOUGH:] == [error.detail] * _ENOUGH:
                    raise
        return operation()


def _begin_child() -> None:
    """A fork may have copied a lock that is held by a thread that it has not copied."""
    global _turn  # noqa: PLW0603  (it belongs to the process)
    _turn = threading.Lock()


at_fork(in_child=_begin_child)
