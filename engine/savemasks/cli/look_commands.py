"""Commands that show what there is: the gallery of a result."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..run.options import RunOptions
from .console import exit_on_errors, run_hooks
from .shared_options import Folder, quiet_option, results_argument, threads_option

if TYPE_CHECKING:
    from ..results.report import Summary


@click.command("gallery")
@results_argument
@click.option("--to", type=Folder, metavar="DIR", help="Where to put it. [default: OUT/gallery]")
@threads_option
@quiet_option
def gallery_command(out: Path, to: Path | None, workers: int | None, quiet: bool) -> None:
    """Build a gallery of the results in OUT: pages that any browser opens without a server.

    They have thumbnails with filters, figures of the classes, and a viewer. A gallery that is
    there is replaced.
    """
    with exit_on_errors(), run_hooks(quiet) as hooks:
        from ..gallery.building import build_galleries

        pages = build_galleries(out, to, workers=workers, hooks=hooks)
    if hooks.stop.is_set():
        click.echo("interrupted: the gallery is as it was before", err=True)
        raise click.exceptions.Exit(130)
    if not quiet:
        _print_pages(pages)


def build_galleries_of(summary: "Summary", options: RunOptions, *, quiet: bool) -> int:
    """Build the galleries of a run's results; returns an exit code."""
    from ..errors import SavemasksError, printable
    from ..gallery.building import build_galleries

    pages = []
    try:
        with run_hooks(quiet) as hooks:
            for root in summary.results:
                pages += build_galleries(root, workers=options.workers, hooks=hooks)
    except SavemasksError as error:
        click.echo(f"error: {printable(error)}", err=True)
        return 1
    if hooks.stop.is_set():
        click.echo("interrupted: what was exported is whole", err=True)
        return 130
    if not quiet:
        _print_pages(pages)
    return 0


def _print_pages(pages: list[Path]) -> None:
    from ..errors import printable

    for page in pages:
        click.echo(f"open {printable(page)}")
