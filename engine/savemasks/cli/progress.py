"""Progress on a terminal as a bar, elsewhere as plain lines now and then."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic

from tqdm import tqdm

from ..run.options import OnProgress

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress(quiet: bool) -> Iterator[OnProgress | None]:
    """Yield the callback for the numbers of items done, failed and in all; None if quiet."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with ExitStack() as stack:
            yield _bar_updater(stack)
    else:
        yield _line_printer()


def _bar_updater(stack: ExitStack) -> OnProgress:
    bar: tqdm[None] | None = None

    def update(done: int, failed: int, total: int) -> None:
        nonlocal bar
        if bar is None:  # not before the first item, or the start would lower the rate
            bar = stack.enter_context(tqdm(total=total, unit="img", dynamic_ncols=True))
        bar.total = total  # it shrinks by the items that are found finished
        bar.set_postfix(errors=failed, refresh=False)
        bar.update(done - bar.n)

    return update


def _line_printer() -> OnProgress:
    started = last = 0.0

    def update(done: int, failed: int, total: int) -> None:
        nonlocal started, last
        now = monotonic()
        if not started or done <= 1:  # the first item of a run; one command may make several
            started = last = now
        elif now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            rate = (done - 1) / (now - started)
            left = tqdm.format_interval((total - done) / rate)
            text = f"{done}/{total} images, {rate:.1f}/s, {failed} errors, about {left} left"
            print(text, file=sys.stderr, flush=True)

    return update
