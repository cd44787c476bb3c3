"""Garbage collection in processes that are ours alone: workers, and the command line's.

Nearly all of their objects are plain data, which has no cycles to collect. As Python does it by
itself, looking for some took a third of what the leading process does for an item.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLD = 100_000  # objects more than before


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cycles while modules are loaded, nor ever among what they make: it stays."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def collect_rarely() -> None:
    """Look for cycles rarely, and never among what is there by now."""
    gc.freeze()
    gc.set_threshold(_THRESHOLD)


@contextmanager
def usual_collection_after() -> Iterator[None]:
    """Collect in the end as in the beginning."""
    before = gc.get_threshold()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
