"""Processes that this one starts or is forked into: signals for them, and how they ended."""

import os
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager


def at_fork(
    *,
    before: Callable[[], object] | None = None,
    in_parent: Callable[[], object] | None = None,
    in_child: Callable[[], object] | None = None,
) -> None:
    """Have functions called around every fork of this process, where processes can fork."""
    functions = {"before": before, "after_in_parent": in_parent, "after_in_child": in_child}
    if register := getattr(os, "register_at_fork", None):
        register(**{when: function for when, function in functions.items() if function})


@contextmanager
def signals_wait(numbers: Collection[signal.Signals]) -> Iterator[None]:
    """Let signals wait, also for the processes that are started meanwhile.

    Where they cannot be told to, they come at once.
    """
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        yield
        return
    before = mask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)


def ignore_signals(numbers: Collection[signal.Signals]) -> None:
    """Ignore signals, with those that wait since `signals_wait`."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    if mask := getattr(signal, "pthread_sigmask", None):
        mask(signal.SIG_UNBLOCK, numbers)


def signal_name(number: int) -> str:
    """The name of a signal, or its number if it has none here."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def exit_reason(code: int) -> str:
    """How a process ended, by its exit code: a verb and what belongs to it."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal_name(-code)
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
