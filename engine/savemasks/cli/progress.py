"""Progress on a terminal as a bar, elsewhere as plain lines now and then."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic

from tqdm import tqdm

from ..run.options import OnProgress

_SECONDS_BETWEEN_LINES = 10.0
_FEW_COLUMNS = 70
_NARROW = "{n_fmt}/{total_fmt} {rate_fmt} {remaining}{postfix}"


@contextmanager
def progress(quiet: bool, workers: int | None = None) -> Iterator[OnProgress | None]:
    """Yield the callback for the numbers of items done, failed and in all; None if quiet.

    A bar tells the number of workers, if it is given.
    """
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with ExitStack() as stack:
            yield _bar_updater(stack, workers)
    else:
        yield _line_printer()


def _bar(total: int, name: str | None, form: str | None) -> "tqdm[None]":
    return tqdm(total=total, desc=name, unit="img", bar_format=form, dynamic_ncols=True)


def _bar_updater(stack: ExitStack, workers: int | None) -> OnProgress:
    columns = shutil.get_terminal_size().columns
    form = _NARROW if columns < _FEW_COLUMNS else None
    name = f"{workers} workers" if workers and form is None else None
    bar: tqdm[None] | None = None

    def update(done: int, failed: int, total: int) -> None:
        nonlocal bar
        if bar is None:  # not before the first item, or the start would lower the rate
            bar = stack.enter_context(_bar(total, name, form))
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
