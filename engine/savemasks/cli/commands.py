"""The command line: arguments → run, retry, verify, report, check; the demo; the cache of kernels.

Exit codes: 0 all done; 1 some items failed or are damaged; 2 wrong usage or configuration, nothing
written; 130 interrupted, what was finished is whole.
"""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from .. import __version__
from ..remote import Url
from ..run.options import RunOptions, goes_in_chunks
from ..run.starting import first_process
from .console import (
    MAX_SHOWN_FAILURES,
    exit_code,
    exit_on_errors,
    print_summary,
    print_summary_and_exit,
    read_graph,
    run_hooks,
    say_failure,
    say_note,
)
from .help_sections import Group, set_color
from .init_command import init_command
from .look_commands import build_galleries_of, gallery_command, stats_command
from .shared_options import (
    Folder,
    below_option,
    cluster_option,
    config_argument,
    dry_run_option,
    durable_option,
    export_options,
    force_option,
    gallery_option,
    link_option,
    out_option,
    pack_options,
    part_option,
    projects_argument,
    quiet_option,
    restart_option,
    results_argument,
    threads_option,
    with_pack,
    workers_option,
)

if TYPE_CHECKING:
    from ..layers.graph import Graph
    from ..line.job import PackKind
    from ..projects.locations import Location
    from ..run.check import Survey
    from ..run.starting import Starter

PROCESSES = True
"""Whether workers are processes."""


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="savemasks")
@click.pass_context
def main(context: click.Context) -> None:
    """Turn annotated image data sets into masks."""
    set_color(context)
    context.obj = RunOptions(processes=PROCESSES)


@main.command("run")
@config_argument
@projects_argument
@below_option
@out_option
@link_option
@restart_option
@force_option
@durable_option
@pack_options
@part_option
@cluster_option
@gallery_option
@dry_run_option
@export_options
@click.pass_obj
def run_command(
    options: RunOptions,
    config: Path,
    projects: "tuple[Location, ...]",
    below: "tuple[Location, ...]",
    out: "Location",
    pack: "PackKind | None",
    pack_items: int | None,
    pack_size: int | None,
    gallery: bool,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Export PROJECTs (Supervisely folders or archives) through the layers in CONFIG.

    A PROJECT may also be an address that fsspec knows, such as s3://bucket/project.

    CONFIG is a save_masks or save layer alone, which takes all PROJECTs, or a graph of layers,
    whose data layers name projects.

    The same command again goes on where an earlier one ended: finished items are left as they are,
    unless their image or annotation has changed.
    """
    options = with_pack(options, pack, pack_items, pack_size)
    if options.part and gallery:
        raise click.UsageError(
            "--gallery is of all parts: run `savemasks gallery OUT` when they are finished."
        )
    in_chunks = goes_in_chunks((*projects, *below), out, options)
    if gallery and isinstance(out, Url) and out.folder is None:
        raise click.UsageError(
            "--gallery does not go with an address as --out: run `savemasks gallery OUT --to DIR`"
            " when it is finished."
        )
    processes = options.processes and (dry_run or not in_chunks)
    with exit_on_errors(), first_process(processes=processes) as starter:
        graph = _read_graph(config, projects, below)
        if dry_run:
            _check_and_exit(graph, projects, below, options, starter, quiet=quiet)
        with run_hooks(quiet, options.worker_count, starter) as hooks:
            from ..run.export import run

            summary = run(graph, projects, out, options, hooks, below=below)
    print_summary(summary, quiet)
    code = exit_code(summary)
    if gallery and not summary.interrupted:
        code = build_galleries_of(summary, options, quiet=quiet) or code
    sys.exit(code)


def _read_graph(
    config: Path, projects: "tuple[Location, ...]", below: "tuple[Location, ...]"
) -> "Graph":
    """The graph in a file; one without data layers needs projects, and looks for none."""
    graph = read_graph(config)
    if not graph.sources and below:
        raise click.UsageError(
            "--projects is for data layers, and CONFIG has none: name each PROJECT by its folder."
        )
    if not graph.sources and not projects:
        raise click.UsageError("Missing argument 'PROJECT...'.")
    return graph


@main.command("retry")
@results_argument
@cluster_option
@export_options
@click.pass_obj
def retry_command(options: RunOptions, out: "Location", quiet: bool) -> None:
    """Export once more what failed, or what verify found damaged, in the results in OUT."""
    with exit_on_errors(), run_hooks(quiet, options.worker_count) as hooks:
        from ..run.export import retry

        summary = retry(out, options, hooks)
    print_summary_and_exit(summary, quiet)


@main.command("verify")
@results_argument
@threads_option
@quiet_option
def verify_command(out: "Location", workers: int | None, quiet: bool) -> None:
    """Read all results in OUT again, and say which are missing or damaged.

    Masks are decoded, all files are compared by size and checksum with what was written. Then
    `savemasks retry` makes anew what is damaged.
    """
    with exit_on_errors():
        from ..errors import printable
        from ..results.verify import verify

        def print_damage(damage: str) -> None:
            say_failure("damaged", printable(damage))

        result = verify(out, workers=workers, on_damage=print_damage)
    if not quiet:
        if result.failed:
            say_note(f"{result.failed} items failed and have no results")
        for line in result.missing:
            say_note(line)
        click.echo(f"{result.files} files of {result.items} images read, {result.damaged} damaged")
    sys.exit(1 if result.damaged or result.missing else 0)


@main.command("report")
@results_argument
def report_command(out: "Location") -> None:
    """Sum up what the results in OUT have, and how far each part is if they are made in parts."""
    with exit_on_errors():
        from ..results.overview import MAX_MESSAGES, look_over

        found = look_over(out)
    for message in found.messages:
        click.echo(f"failed: {message}", err=True)
    if found.failed and found.failed > MAX_MESSAGES:
        click.echo(f"... and {found.failed - MAX_MESSAGES} more", err=True)
    for line in found.lines():
        click.echo(line)
    sys.exit(0 if found.is_whole else 1)


@main.command("check")
@config_argument
@projects_argument
@below_option
@workers_option
@quiet_option
@click.pass_obj
def check_command(
    options: RunOptions,
    config: Path,
    projects: "tuple[Location, ...]",
    below: "tuple[Location, ...]",
    quiet: bool,
) -> None:
    """Read PROJECTs as `run` would, write nothing, and say what to expect."""
    with exit_on_errors(), first_process(processes=options.processes) as starter:
        graph = _read_graph(config, projects, below)
        _check_and_exit(graph, projects, below, options, starter, quiet=quiet)


def _check_and_exit(
    graph: "Graph",
    projects: "tuple[Location, ...]",
    below: "tuple[Location, ...]",
    options: RunOptions,
    starter: "Starter | None",
    *,
    quiet: bool,
) -> NoReturn:
    with run_hooks(quiet, options.worker_count, starter) as hooks:
        from ..run.check import check

        survey = check(graph, projects, options, hooks, below=below)
    _print_survey_and_exit(survey, quiet)


def _print_survey_and_exit(survey: "Survey", quiet: bool) -> NoReturn:
    for failure in survey.failures[:MAX_SHOWN_FAILURES]:
        say_failure("would fail", str(failure))
    if survey.failed > MAX_SHOWN_FAILURES:
        click.echo(f"... and {survey.failed - MAX_SHOWN_FAILURES} more", err=True)
    if not quiet:
        for note in survey.notes():
            say_note(note)
        click.echo(f"{survey.items} items read, of which {survey.failed} would fail")
        click.echo(survey.forecast())
    if survey.interrupted:
        click.echo("interrupted: not all was read", err=True)
        sys.exit(130)
    sys.exit(1 if survey.failed else 0)


main.add_command(init_command)
main.add_command(gallery_command)
main.add_command(stats_command)


@main.command("cache")
@click.option("--where", is_flag=True, help="Print the folders that are looked at (the default).")
@click.option("--clear", is_flag=True, help="Remove what is compiled.")
def cache_command(where: bool, clear: bool) -> None:
    """Say where compiled kernels are kept, or remove them."""
    from ..kernels.cache import cache_folders, clear_cache

    if where or not clear:
        found = [folder for folder in cache_folders() if folder.is_dir()]
        for folder in found:
            click.echo(os.fspath(folder))
        if not found:
            click.echo("nothing has been compiled yet", err=True)
    if clear:
        removed, left = clear_cache()
        click.echo(f"removed {removed} files")
        for folder in left:
            click.echo(f"{folder}: cannot be written", err=True)
        sys.exit(1 if left else 0)


@main.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of a CONFIG, with which editors complete and check it."""
    import json

    from ..layers.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@main.command()
@click.argument("folder", required=False, metavar="[DIR]", type=Folder)
@click.pass_obj
def demo(options: RunOptions, folder: Path | None) -> None:
    """Write a small project of kiwis and lemons into DIR, export it, and say where to look."""
    with exit_on_errors():
        from .demo import write_demo

        folder = folder or _unused_folder()
        project, config, everything = write_demo(folder)
        click.echo(f"wrote the project {project}, {config} and {everything}")
        with run_hooks(quiet=False) as hooks:
            from ..run.export import run

            usual = run(read_graph(config), (project,), folder, options, hooks)
            others = folder / "all"
            summary = usual
            if not (usual.failed or usual.interrupted):
                graph = read_graph(everything)
                summary = run(graph, (), others, options, hooks, below=(folder,))
    code = exit_code(summary)
    click.echo(f"look at {usual.out}/market/masks_human and masks_machine; this was made by")
    click.echo(f"  {_command(config, project, '--out', folder)}")
    click.echo(f"and at {others} for masks of all other kinds, made by")
    click.echo(f"  {_command(everything, '--projects', folder, '--out', others)}")
    print_summary(summary, quiet=False)
    if not code:
        code = build_galleries_of(summary, options, quiet=True)
        code = build_galleries_of(usual, options, quiet=False) or code
    sys.exit(code)


def _command(*arguments: object) -> str:
    """What to paste to run something again."""
    return shlex.join(["savemasks", "run", *map(str, arguments), "--gallery"])


def _unused_folder() -> Path:
    """Return the first of savemasks-demo, savemasks-demo-2, ... that does not exist."""
    folder, number = Path("savemasks-demo"), 2
    while folder.exists():
        folder, number = Path(f"savemasks-demo-{number}"), number + 1
    return folder
