"""What the commands share on a terminal: progress, signals, the summary, exit codes."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..run.collecting import collect_rarely, usual_collection_after
from ..run.options import Hooks

if TYPE_CHECKING:
    from ..layers.graph import Graph
    from ..results.report import Summary
    from ..run.starting import Starter

MAX_SHOWN_FAILURES = 20
"""How many failures are printed; all are in errors.jsonl and reports."""

_COMPILE_HINT_AFTER = 3.0


class _TerminalHandler(logging.Handler):
    """Prints log records beside a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(f"{record.levelname.lower()}: {record.getMessage()}", file=sys.stderr)


def log_to_terminal() -> None:
    """Print what the package logs."""
    logger = logging.getLogger("savemasks")
    if not any(isinstance(handler, _TerminalHandler) for handler in logger.handlers):
        logger.addHandler(_TerminalHandler())
    logger.setLevel(logging.INFO)


def say_error(text: str) -> None:
    """Print an error; its first word in red where there are colours."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {text}", err=True)


def say_failure(kind: str, text: str) -> None:
    """Print what is wrong with an item."""
    click.echo(f"{click.style(kind + ':', fg='red')} {text}", err=True)


def say_note(text: str) -> None:
    """Print what the user should know."""
    click.echo(f"{click.style('note:', fg='yellow')} {text}")


@contextmanager
def run_hooks(
    quiet: bool, workers: int | None = None, starter: "Starter | None" = None
) -> Iterator[Hooks]:
    """Yield hooks that show progress, stop on signals, and hint at kernels being compiled."""
    from .progress import progress  # keeps --help fast

    hint = threading.Timer(
        _COMPILE_HINT_AFTER,
        lambda: click.echo(
            "preparing: kernels may have to be compiled, which takes about half a minute ...",
            err=True,
        ),
    )
    hint.daemon = True
    if not quiet:
        hint.start()

    def on_compile(done: int, total: int) -> None:
        hint.cancel()
        click.echo(f"compiling kernels, once on this machine: {done} of {total} parts", err=True)

    def on_start() -> None:
        hint.cancel()
        collect_rarely()

    def on_note(text: str) -> None:
        click.echo(text, err=True)

    stop = threading.Event()
    try:
        with (
            _stop_on_signals(stop),
            usual_collection_after(),
            progress(quiet, workers) as on_progress,
        ):
            yield Hooks(
                stop=stop,
                on_progress=on_progress,
                on_start=on_start,
                on_compile=None if quiet else on_compile,
                starter=starter,
                on_note=None if quiet else on_note,
            )
    finally:
        hint.cancel()


@contextmanager
def _stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C or SIGTERM set the stop event, and a second one end the program at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(*_: object) -> None:
        if stop.is_set():
            _kill_all()
        stop.set()

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    caught = [number for number, handler in previous.items() if handler is not signal.SIG_IGN]
    for number in caught:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, previous[number])


def _kill_all() -> None:
    import multiprocessing

    for process in multiprocessing.active_children():
        process.kill()
    unpacking = sys.modules.get("savemasks.projects.unpacking")
    if unpacking:
        unpacking.remove_all_unpacked()
    os.write(2, b"\nstopped at once: the same command goes on where this one was\n")
    os._exit(130)


def read_graph(config: Path) -> "Graph":
    """The layers in a file; raises `ConfigError`, which says so if it is a folder instead."""
    from ..errors import ConfigError
    from ..layers.graph import Graph  # keeps --help fast

    try:
        return Graph.from_json(config)
    except ConfigError as error:
        if not isinstance(error.__cause__, IsADirectoryError):
            raise
        hint = "CONFIG is the layer's JSON file, and comes before the projects"
        raise ConfigError([f"{problem}; {hint}" for problem in error.problems]) from None


@contextmanager
def exit_on_errors() -> Iterator[None]:
    """Print errors of this package and exit with 2."""
    from ..errors import SavemasksError, printable

    try:
        yield
    except SavemasksError as error:
        for line in str(error).splitlines():
            say_error(printable(line))
        sys.exit(2)
    except KeyboardInterrupt:
        click.echo("interrupted before anything was exported", err=True)
        sys.exit(130)


def print_summary_and_exit(summary: "Summary", quiet: bool) -> None:
    """Print failures to standard error and the totals to standard output, and exit."""
    print_summary(summary, quiet)
    sys.exit(exit_code(summary))


def exit_code(summary: "Summary") -> int:
    """The exit code of a run."""
    if summary.interrupted:
        return 130
    return 1 if summary.failed or summary.problems else 0


def print_summary(summary: "Summary", quiet: bool) -> None:
    """Print failures to standard error and the totals to standard output."""
    from ..errors import printable
    from ..results.notes import unsupported_text

    for failure in summary.failures[:MAX_SHOWN_FAILURES]:
        say_failure("failed", str(failure))
    if summary.failed > MAX_SHOWN_FAILURES:
        more = summary.failed - MAX_SHOWN_FAILURES
        where = " and ".join(map(printable, summary.error_logs))
        hint = f"; see {where}" if where else ""  # no log could be written
        click.echo(f"... and {more} more{hint}", err=True)
    if not quiet:
        for warning in summary.warnings:
            say_note(warning)
        if summary.unsupported:
            say_note(unsupported_text(summary.unsupported))
        if summary.skipped:
            click.echo(f"{summary.skipped} images were finished before and left as they are")
        click.echo(
            f"{summary.images} images exported, {summary.failed} failed,"
            f" in {summary.seconds:.2f} s ({summary.images_per_s:.1f}/s,"
            f" {summary.pixels / 1e6 / max(summary.seconds, 1e-9):.1f} megapixels/s)"
            f" to {printable(summary.out)}"
        )
    for problem in summary.problems:
        say_error(problem)
    if summary.stopped:
        click.echo("stopped early: the same command goes on where this one was", err=True)
    if summary.interrupted:
        click.echo("interrupted: what was finished is whole", err=True)
