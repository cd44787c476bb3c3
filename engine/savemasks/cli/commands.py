"""The command line: arguments → run, retry, verify, check; the demo.

Exit codes: 0 all done; 1 some items failed or are damaged; 2 wrong usage or configuration, nothing
written; 130 interrupted, what was finished is whole.
"""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from .console import SHOWN_FAILURES, errors_end_the_program, exporting, finish

if TYPE_CHECKING:
    from ..run.check import Survey

PROCESSES = True
"""Whether workers are processes."""

Folder = click.Path(path_type=Path, file_okay=False)
_Command = Callable[..., None]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="savemasks")
def main() -> None:
    """Turn annotated image data sets into masks."""


def _bytes(_context: click.Context, _option: click.Parameter, memory: str | None) -> int | None:
    from ..line.budget import parse_memory  # noqa: PLC0415

    try:
        return None if memory is None else parse_memory(memory)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _export_options(command: _Command) -> _Command:
    """Options of all commands that export."""
    options = (
        click.option(
            "--workers", type=click.IntRange(1), help="Processes. [default: one per core]"
        ),
        click.option(
            "--on-error",
            type=click.Choice(["skip", "stop"]),
            default="skip",
            show_default=True,
            help="What to do after an item that fails.",
        ),
        click.option(
            "--max-errors", type=click.IntRange(1), help="End the run when so many items failed."
        ),
        click.option(
            "--memory",
            callback=_bytes,
            help="For large pictures, of all workers together, as 800M or 8G. [default: half]",
        ),
        click.option(
            "--report", type=click.Path(path_type=Path, dir_okay=False), help="JSON report."
        ),
        click.option("--quiet", is_flag=True, help="Print nothing but errors."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@main.command("run")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("projects", nargs=-1, required=True, metavar="PROJECT...", type=Folder)
@click.option("--out", required=True, type=Folder, help="Folder that receives the layer's dst.")
@click.option(
    "--link",
    is_flag=True,
    help="Hard links to images and annotations instead of copies, where the file system can.",
)
@click.option("--restart", is_flag=True, help="Make everything anew, also with other settings.")
@click.option(
    "--force", is_flag=True, help="Take a folder with other files, none of which is replaced."
)
@click.option(
    "--durable", is_flag=True, help="Wait for the disk, so that a loss of power loses nothing."
)
@_export_options
def run_command(
    config: Path, projects: tuple[Path, ...], out: Path, quiet: bool, **options: Any
) -> None:
    """Export PROJECTs (Supervisely folders) through the save_masks layer in CONFIG.

    The same command again goes on where an earlier one ended: finished items are left as they are,
    unless their image or annotation has changed.
    """
    with errors_end_the_program():
        from ..layers.save_masks import SaveMasks  # noqa: PLC0415  (keeps --help fast)

        layer = SaveMasks.from_json(config)
        with exporting(quiet) as watched:
            from ..run.export import run  # noqa: PLC0415

            summary = run(layer, projects, out, processes=PROCESSES, **watched, **options)
    finish(summary, quiet)


@main.command("retry")
@click.argument("out", type=Folder)
@_export_options
def retry_command(out: Path, quiet: bool, **options: Any) -> None:
    """Export once more what failed, or what verify found damaged, in the results in OUT."""
    with errors_end_the_program(), exporting(quiet) as watched:
        from ..run.export import retry  # noqa: PLC0415

        summary = retry(out, processes=PROCESSES, **watched, **options)
    finish(summary, quiet)


@main.command("verify")
@click.argument("out", type=Folder)
@click.option("--workers", type=click.IntRange(1), help="Threads. [default: one per core]")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def verify_command(out: Path, workers: int | None, quiet: bool) -> None:
    """Read all results in OUT again, and say which are missing or damaged.

    Masks are decoded, all files are compared by size and checksum with what was written. Then
    `savemasks retry` makes anew what is damaged.
    """
    with errors_end_the_program():
        from ..errors import printable  # noqa: PLC0415
        from ..results.verify import verify  # noqa: PLC0415

        def tell(damage: str) -> None:
            click.echo(f"damaged: {printable(damage)}", err=True)

        found = verify(out, workers=workers, on_damage=tell)
    if not quiet:
        if found.failed:
            click.echo(f"note: {found.failed} items failed and have no results")
        click.echo(f"{found.files} files of {found.items} images read, {found.damaged} damaged")
    sys.exit(1 if found.damaged else 0)


@main.command("check")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("projects", nargs=-1, required=True, metavar="PROJECT...", type=Folder)
@click.option("--workers", type=click.IntRange(1), help="Processes. [default: one per core]")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def check_command(
    config: Path, projects: tuple[Path, ...], workers: int | None, quiet: bool
) -> None:
    """Read PROJECTs as `run` would, write nothing, and say what to expect."""
    with errors_end_the_program():
        from ..layers.save_masks import SaveMasks  # noqa: PLC0415

        layer = SaveMasks.from_json(config)
        with exporting(quiet) as watched:
            from ..run.check import check  # noqa: PLC0415

            survey = check(layer, projects, workers=workers, processes=PROCESSES, **watched)
    _tell(survey, quiet)


def _tell(survey: "Survey", quiet: bool) -> None:
    """Print what a check has found, and exit."""
    for failure in survey.failures[:SHOWN_FAILURES]:
        click.echo(f"would fail: {failure}", err=True)
    if survey.failed > SHOWN_FAILURES:
        click.echo(f"... and {survey.failed - SHOWN_FAILURES} more", err=True)
    if not quiet:
        for note in survey.notes():
            click.echo(f"note: {note}")
        click.echo(f"{survey.items} items read, of which {survey.failed} would fail")
        click.echo(survey.forecast())
    if survey.interrupted:
        click.echo("interrupted: not all was read", err=True)
        sys.exit(130)
    sys.exit(1 if survey.failed else 0)


@main.command()
@click.argument("folder", required=False, metavar="[DIR]", type=Folder)
def demo(folder: Path | None) -> None:
    """Write a small project of kiwis and lemons into DIR, export it, and say where to look."""
    with errors_end_the_program():
        import orjson  # noqa: PLC0415

        from ..errors import OutputError  # noqa: PLC0415
        from ..layers.save_masks import SaveMasks  # noqa: PLC0415
        from .demo import CONFIG, write_project  # noqa: PLC0415

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
        with exporting(quiet=False) as watched:
            from ..run.export import run  # noqa: PLC0415

            summary = run(layer, (folder / "lemons",), folder, processes=PROCESSES, **watched)
    click.echo(f"look at {summary.out}/market/masks_human and masks_machine; this was made by")
    where = [str(folder / "save_masks.json"), str(folder / "lemons"), "--out", str(folder)]
    click.echo(f"  {shlex.join(['savemasks', 'run', *where])}")
    finish(summary, quiet=False)


def _free_folder() -> Path:
    """The first of savemasks-demo, savemasks-demo-2, ... that does not exist."""
    folder, number = Path("savemasks-demo"), 2
    while folder.exists():
        folder, number = Path(f"savemasks-demo-{number}"), number + 1
    return folder
