"""All options of the commands, each defined once.

An option that belongs to a run is named as its field of `RunOptions` and sets that field: the
options of a command meet in one object, and the defaults are those of `RunOptions`. A command gets
the object by `click.pass_obj`.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from ..projects.parts import Part
from ..run.options import DEFAULT_OPTIONS, OnError, RunOptions
from .path_types import FolderOrUrl, LocalPath, ProjectPlace
from .sizes import parse_size

if TYPE_CHECKING:
    from ..line.job import PackKind

_Command = TypeVar("_Command", bound=Callable[..., Any])

Folder = LocalPath(path_type=Path, file_okay=False)
_Location = FolderOrUrl(path_type=Path, file_okay=False)


def _set_field(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Put the value of an option that was given into the command's `RunOptions`."""
    if value is not None:
        field: dict[str, Any] = {option.name or "": value}
        context.obj = replace(context.obj, **field)


def _set_memory(context: click.Context, option: click.Parameter, value: str | None) -> None:
    try:
        _set_field(context, option, None if value is None else parse_size(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _run_option(name: str, **attributes: Any) -> Callable[[_Command], _Command]:
    """Make an option that sets the field of `RunOptions` of the same name."""
    attributes = {"callback": _set_field, **attributes}
    return click.option(name, expose_value=False, **attributes)


def _set_part(context: click.Context, option: click.Parameter, value: str | None) -> None:
    try:
        _set_field(context, option, None if value is None else Part.parse(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _set_cluster(context: click.Context, option: click.Parameter, value: str | None) -> None:
    if value == "":
        raise click.BadParameter("an empty text is no address; is a variable not set?")
    _set_field(context, option, value)


part_option = _run_option(
    "--part",
    metavar="I/N",
    callback=_set_part,
    help="Make one of N parts, numbered from 1; other jobs may make the others, at once.",
)
cluster_option = _run_option(
    "--cluster",
    metavar="ADDRESS",
    callback=_set_cluster,
    help="Dask scheduler whose workers do the work, as tcp://scheduler:8786; or local.",
)
workers_option = _run_option(
    "--workers", type=click.IntRange(1), help="Number of processes. [default: one per core]"
)
threads_option = click.option(
    "--workers", type=click.IntRange(1), help="Number of threads. [default: one per core]"
)
on_error_option = _run_option(
    "--on-error",
    type=click.Choice(get_args(OnError)),
    default=DEFAULT_OPTIONS.on_error,
    show_default=True,
    help="What to do after an item that fails.",
)
max_errors_option = _run_option(
    "--max-errors", type=click.IntRange(1), help="End the run when so many items have failed."
)
memory_option = _run_option(
    "--memory",
    metavar="SIZE",
    callback=_set_memory,
    help="Memory for large pictures, of all workers together, as 800M or 8G. [default: half]",
)
report_option = _run_option(
    "--report",
    type=LocalPath(path_type=Path, dir_okay=False),
    help="File that receives a JSON report.",
)
link_option = _run_option(
    "--link",
    is_flag=True,
    help="Hard links to images and annotations instead of copies, where the file system can.",
)
restart_option = _run_option(
    "--restart", is_flag=True, help="Make everything anew, also with other settings."
)
force_option = _run_option(
    "--force", is_flag=True, help="Accept a folder with foreign files, which are never replaced."
)
durable_option = _run_option(
    "--durable", is_flag=True, help="Wait for the disk, so that a loss of power loses nothing."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")


def _log_to_terminal(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from .console import log_to_terminal

        log_to_terminal()


verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_log_to_terminal,
    help="Print every failure and note as it comes.",
)


def _config_given(_: click.Context, __: click.Parameter, value: Path | None) -> Path:
    if value is None:
        raise click.UsageError(
            "Missing argument 'CONFIG', the JSON file with the layers. `savemasks init PROJECT`"
            " writes one, with all classes of a project; `savemasks demo` shows what comes out."
        )
    return value


def _size(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    try:
        return None if value is None else parse_size(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def pack_options(command: _Command) -> _Command:
    """Add the options by which a result is packed into archives."""
    for option in (
        click.option(
            "--pack-size", metavar="SIZE", callback=_size, help="Most bytes of an archive, as 4G."
        ),
        click.option("--pack-items", type=click.IntRange(1), help="Most images of an archive."),
        click.option(
            "--pack",
            type=click.Choice(["tar", "webdataset"]),
            help="Write archives: of the tree, or of samples under keys (1000 an archive).",
        ),
    ):
        command = option(command)
    return command


def with_pack(
    options: RunOptions, pack: "PackKind | None", items: int | None, size: int | None
) -> RunOptions:
    """The options of a run, with what those for archives say."""
    if pack is None:
        if items is not None or size is not None:
            raise click.UsageError("--pack-items and --pack-size are for --pack.")
        return options
    from ..line.job import PackRules

    try:
        return replace(options, pack=PackRules.of(pack, items, size))
    except ValueError as error:
        raise click.UsageError(f"--pack: {error}.") from None


out_option = click.option(
    "--out",
    required=True,
    type=_Location,
    help="Folder that receives the layer's dst, or its address, as s3://bucket/folder.",
)

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Do what `savemasks check` does: read all, write nothing."
)
gallery_option = click.option(
    "--gallery", is_flag=True, help="Then build a gallery of every result, as `savemasks gallery`."
)

config_argument = click.argument(
    "config",
    type=LocalPath(path_type=Path),
    required=False,
    metavar="CONFIG",
    callback=_config_given,
)
projects_argument = click.argument(
    "projects",
    nargs=-1,
    metavar="PROJECT...",
    type=ProjectPlace(path_type=Path, file_okay=False),
)
below_option = click.option(
    "--projects",
    "below",
    multiple=True,
    type=_Location,
    metavar="DIR",
    help="Folder in which data layers of CONFIG find projects by name.",
)
results_argument = click.argument("out", type=_Location)


def export_options(command: _Command) -> _Command:
    """Add the options of all commands that export."""
    for option in (
        quiet_option,
        verbose_option,
        report_option,
        memory_option,
        max_errors_option,
        on_error_option,
        workers_option,
    ):
        command = option(command)
    return command
