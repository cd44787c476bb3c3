"""Kernels that are not compiled yet are compiled by as many processes as there are cores.

This process goes through its steps one by one. Once the first kernel has to be compiled, others are
started that go through the same steps from the last one to the first. No kernel is compiled twice:
what one has compiled the others find in the cache. Where there is no cache, it goes on alone.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TypeAlias

from ..forks import FreshProcess, libvips_is_lost
from ..kernels.cache import cache_folder
from ..kernels.jit import when_compiling
from ..system.hardware import usable_cores
from .job import OnCompile

Step: TypeAlias = Callable[[], object]
"""Calls some kernels; does not depend on other steps."""


def share(
    steps_of: Callable[..., Sequence[Step]],
    args: tuple[object, ...],
    on_compile: OnCompile | None = None,
) -> None:
    """Go through the steps that `steps_of(*args)` lists, with help if they have to be compiled.

    Function and arguments are pickled if there is help. `on_compile` is called before the first
    kernel is compiled, and from then on whenever more steps are done.
    """
    steps = steps_of(*args)
    helpers: list[FreshProcess] = []
    done: set[int] = set()
    is_compiling = False
    told = -1

    def tell() -> None:
        nonlocal told
        for number in _finished(helpers):
            done.add(number)
        if on_compile and is_compiling and told != len(done):
            told = len(done)
            on_compile(told, len(steps))

    def begin() -> None:
        nonlocal is_compiling
        if not is_compiling:
            is_compiling = True
            tell()
            helpers.extend(_start(min(usable_cores(), len(steps)) - 1, steps_of, args))

    with _ended(helpers), when_compiling(begin):
        for number, step in enumerate(steps):
            step()
            done.add(number)
            tell()


def _start(
    count: int, steps_of: Callable[..., Sequence[Step]], args: tuple[object, ...]
) -> Iterator[FreshProcess]:
    """Start helpers; fewer if the system has no room for them, and none in a forked child."""
    if libvips_is_lost() or cache_folder() is None:
        return
    with suppress(OSError):
        for number in range(count):
            yield FreshProcess(_help, steps_of, args, number)


def _help(
    pipe: Connection,
    steps_of: Callable[..., Sequence[Step]],
    args: tuple[object, ...],
    skipped: int,
) -> None:
    """Go through the steps backwards, some of them at the end only; tell which are done."""
    gc.disable()  # the process ends soon
    steps = steps_of(*args)
    order = [*reversed(range(len(steps)))]
    skipped += 1  # the last one calls what others compile at the moment
    # If something is wrong with a step, whoever needs it finds out. If nobody listens, it ends.
    with suppress(Exception):
        for number in order[skipped:] + order[:skipped]:
            steps[number]()
            pipe.send_bytes(bytes([number]))


def _finished(helpers: Sequence[FreshProcess]) -> Iterator[int]:
    """Numbers of the steps that helpers have finished since the last call."""
    for helper in helpers:
        with suppress(EOFError, OSError):  # it has ended
            while helper.pipe.poll():
                yield from helper.pipe.recv_bytes()


@contextmanager
def _ended(helpers: Sequence[FreshProcess]) -> Iterator[None]:
    """End the helpers: what they might still do is done. They never leave half a file."""
    try:
        yield
    finally:
        for helper in helpers:
            helper.kill()
        for helper in helpers:
            helper.join()
            helper.pipe.close()
