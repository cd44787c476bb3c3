"""Commands that show what there is: the gallery of a result, figures of projects."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..run.options import RunOptions
from .console import (
    MAX_SHOWN_FAILURES,
    exit_on_errors,
    read_graph,
    run_hooks,
    say_error,
    say_failure,
)
from .help_sections import Command
from .path_types import LocalPath
from .shared_options import (
    Folder,
    below_option,
    projects_argument,
    quiet_option,
    results_argument,
    threads_option,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..gallery.figures import Figures
    from ..projects.locations import Location
    from ..results.report import Summary


@click.command("gallery", cls=Command)
@results_argument
@click.option("--to", type=Folder, metavar="DIR", help="Where to put it. [default: OUT/gallery]")
@threads_option
@quiet_option
@click.pass_obj
def gallery_command(
    options: RunOptions, out: "Location", to: Path | None, workers: int | None, quiet: bool
) -> None:
    """Build a gallery of the results in OUT: pages that any browser opens without a server.

    They have thumbnails with filters, figures of the classes, and a viewer. A gallery that is
    there is replaced. OUT may also be an address, with `--to`.
    """
    with exit_on_errors(), run_hooks(quiet) as hooks:
        from ..gallery.building import build_galleries

        processes = options.processes
        pages = build_galleries(out, to, workers=workers, processes=processes, hooks=hooks)
    if hooks.stop.is_set():
        click.echo("interrupted: the gallery is as it was before", err=True)
        raise click.exceptions.Exit(130)
    if not quiet:
        _print_pages(pages)


@click.command("stats", cls=Command)
@projects_argument
@click.option(
    "--config",
    type=LocalPath(path_type=Path),
    help="Layers whose classes are counted. [default: all classes of the projects]",
)
@below_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@threads_option
@quiet_option
def stats_command(
    projects: "tuple[Location, ...]",
    config: Path | None,
    below: "tuple[Location, ...]",
    as_json: bool,
    workers: int | None,
    quiet: bool,
) -> None:
    """Count objects, pixels and images of every class in PROJECTs, and write nothing.

    With `--config`, what its layers paint is counted, under the names that they give to classes.
    """
    with exit_on_errors():
        graph = None if config is None else read_graph(config)
        if not projects and not (graph and graph.sources):
            raise click.UsageError("Missing argument 'PROJECT...'.")
        with run_hooks(quiet) as hooks:
            from ..gallery.project_figures import ALL_CLASSES, project_figures
            from ..projects.locations import paths_of

            survey = project_figures(
                paths_of(projects, "stats"),
                graph or ALL_CLASSES,
                below=paths_of(below, "stats"),
                workers=workers,
                hooks=hooks,
            )
    for failure in survey.failures[:MAX_SHOWN_FAILURES]:
        say_failure("cannot be read", failure)
    if survey.failed > MAX_SHOWN_FAILURES:
        click.echo(f"... and {survey.failed - MAX_SHOWN_FAILURES} more", err=True)
    if as_json:
        found = {dst: figures.as_json() for dst, figures in survey.results.items()}
        content = found if len(found) > 1 else next(iter(found.values()))
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        _print_figures(survey.results)
    if hooks.stop.is_set():
        click.echo("interrupted: not all was read", err=True)
        sys.exit(130)
    sys.exit(1 if survey.failed else 0)


def _print_figures(results: "Mapping[str, Figures]") -> None:
    from .figures_table import figures_lines

    for dst, figures in results.items():
        if len(results) > 1:
            click.echo(f"{dst}:")
        for line in figures_lines(figures):
            click.echo(line)
        if len(results) > 1:
            click.echo()


def build_galleries_of(summary: "Summary", options: RunOptions, *, quiet: bool) -> int:
    """Build the galleries of a run's results; returns an exit code."""
    from ..errors import SavemasksError, printable
    from ..gallery.building import build_galleries

    pages = []
    try:
        with run_hooks(quiet) as hooks:
            for root in summary.results:
                pages += build_galleries(
                    root, workers=options.workers, processes=options.processes, hooks=hooks
                )
    except SavemasksError as error:
        say_error(printable(error))
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
