"""The command line: arguments → run; progress; exit codes.

Exit codes: 0 all done; 1 some items failed; 2 wrong usage or configuration, nothing written;
130 interrupted, what was finished is whole.
"""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__

if TYPE_CHECKING:
    from .report import Summary
    from .settings import SaveMasks

_SHOWN_FAILURES = 20
_COMPILE_HINT_AFTER = 3.0
PROCESSES = True
"""Whether workers are processes."""

Folder = click.Path(path_type=Path, file_okay=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="savemasks")
def main() -> None:
    """Turn annotated image data sets into masks."""


@main.command("run")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("projects", nargs=-1, required=True, metavar="PROJECT...", type=Folder)
@click.option("--out", required=True, type=Folder, help="Folder that receives the layer's dst.")
@click.option("--workers", type=click.IntRange(1), help="Threads. [default: one per core]")
@click.option(
    "--on-error",
    type=click.Choice(["skip", "stop"]),
    default="skip",
    show_default=True,
    help="What to do after an item that fails.",
)
@click.option(
    "--link",
    is_flag=True,
    help="Hard links to images and annotations instead of copies, where the file system can.",
)
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="JSON report.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def run_command(
    config: Path,
    projects: tuple[Path, ...],
    out: Path,
    workers: int | None,
    on_error: str,
    link: bool,
    report: Path | None,
    quiet: bool,
) -> None:
    """Export PROJECTs (Supervisely folders) through the save_masks layer in CONFIG."""
    with _errors_end_the_program():
        from .settings import SaveMasks  # noqa: PLC0415  (keeps --help fast)

        layer = SaveMasks.from_json(config)
        options = {"workers": workers, "on_error": on_error, "link": link, "report": report}
        summary = _run(layer, projects, out, options, quiet)
    _finish(summary, quiet)


@main.command()
@click.argument("folder", required=False, metavar="[DIR]", type=Folder)
def demo(folder: Path | None) -> None:
    """Write a small project of kiwis and lemons into DIR, export it, and say where to look."""
    with _errors_end_the_program():
        import orjson  # noqa: PLC0415

        from .demo import CONFIG, write_project  # noqa: PLC0415
        from .errors import OutputError  # noqa: PLC0415
        from .settings import SaveMasks  # noqa: PLC0415

        folder = folder or _free_folder()
        try:
            if folder.exists() and any(folder.iterdir()):
                raise OutputError(f"{folder}: is not empty; choose another folder")
            write_project(folder / "lemons")
            config = orjson.dumps(CONFIG, option=orjson.OPT_INDENT_2)
            (folder / "save_masks.json").write_bytes(config)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
        click.echo(f"wrote the project {folder / 'lemons'} and {folder / 'save_masks.json'}")
        layer = SaveMasks.from_json(folder / "save_masks.json")
        summary = _run(layer, (folder / "lemons",), folder, {}, quiet=False)
    click.echo(f"look at {summary.out}/market/masks_human and masks_machine; this was made by")
    where = [str(folder / "save_masks.json"), str(folder / "lemons"), "--out", str(folder)]
    click.echo(f"  {shlex.join(['savemasks', 'run', *where])}")
    _finish(summary, quiet=False)


def _free_folder() -> Path:
    """The first of savemasks-demo, savemasks-demo-2, ... that does not exist."""
    folder, number = Path("savemasks-demo"), 2
    while folder.exists():
        folder, number = Path(f"savemasks-demo-{number}"), number + 1
    return folder


def _run(
    layer: "SaveMasks",
    projects: tuple[Path, ...],
    out: Path,
    options: dict[str, Any],
    quiet: bool,
) -> "Summary":
    """Run with a progress bar; `options` are further arguments of `run.run`."""
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
    stop = threading.Event()
    try:
        from .progress import progress  # noqa: PLC0415
        from .run import run  # noqa: PLC0415

        with _stopped_by_signals(stop), progress(quiet) as on_progress:
            return run(
                layer,
                projects,
                out,
                processes=PROCESSES,
                stop=stop,
                on_progress=on_progress,
                on_start=hint.cancel,
                **options,
            )
    finally:
        hint.cancel()


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C, or SIGTERM, end the run in good order, and a second one at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(*_: object) -> None:
        if stop.is_set():
            _end_at_once()
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


def _end_at_once() -> None:
    import multiprocessing  # noqa: PLC0415

    for process in multiprocessing.active_children():
        process.kill()
    os.write(2, b"\nstopped at once: files whose names begin with .savemasks- are unfinished\n")
    os._exit(130)


@contextmanager
def _errors_end_the_program() -> Iterator[None]:
    """Print what this package raises on purpose, and exit with 2."""
    from .errors import SavemasksError, printable  # noqa: PLC0415

    try:
        yield
    except SavemasksError as error:
        for line in str(error).splitlines():
            click.echo(f"error: {printable(line)}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        click.echo("interrupted before anything was exported", err=True)
        sys.exit(130)


def _finish(summary: "Summary", quiet: bool) -> None:
    """Print the summary and exit."""
    from .errors import printable  # noqa: PLC0415

    for failure in summary.failures[:_SHOWN_FAILURES]:
        click.echo(f"failed: {failure}", err=True)
    if summary.failed > _SHOWN_FAILURES:
        click.echo(f"... and {summary.failed - _SHOWN_FAILURES} more; see --report", err=True)
    if not quiet:
        for warning in summary.warnings:
            click.echo(f"note: {warning}")
        if summary.unsupported:
            counts = ", ".join(
                f"{n} x {printable(name)}" for name, n in sorted(summary.unsupported.items())
            )
            click.echo(f"note: objects that this version does not paint: {counts}")
        click.echo(
            f"{summary.images} images exported, {summary.failed} failed,"
            f" in {summary.seconds:.2f} s ({summary.images_per_s:.1f}/s,"
            f" {summary.pixels / 1e6 / max(summary.seconds, 1e-9):.1f} megapixels/s)"
            f" to {printable(summary.out)}"
        )
    if summary.report_problem:
        click.echo(f"error: {summary.report_problem}", err=True)
    if summary.interrupted:
        click.echo("interrupted: what was finished is whole", err=True)
        sys.exit(130)
    sys.exit(1 if summary.failed or summary.report_problem else 0)
