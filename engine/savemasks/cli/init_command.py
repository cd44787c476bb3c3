"""`savemasks init`: a configuration to begin with."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .console import exit_on_errors
from .help_sections import Command
from .path_types import LocalPath
from .shared_options import projects_argument

if TYPE_CHECKING:
    from ..projects.locations import Location

_FILE = "save_masks.json"
# Colours of classes that have none in meta.json.
_SPARE = ((230, 25, 75), (60, 180, 75), (67, 99, 216), (245, 130, 49), (145, 30, 180))


@click.command("init", cls=Command)
@projects_argument
@click.option(
    "--to",
    type=LocalPath(path_type=Path, dir_okay=False),
    default=Path(_FILE),
    show_default=True,
    metavar="FILE",
    help="File to write; it must not exist.",
)
def init_command(projects: "tuple[Location, ...]", to: Path) -> None:
    """Write a configuration with all classes of PROJECTs, to begin with.

    Classes get the grays 1, 2, ... in machine masks, and their colours of meta.json in human
    masks. Edit the file as you like: classes that you remove are not painted.
    """
    if not projects:
        raise click.UsageError("Missing argument 'PROJECT...'.")
    with exit_on_errors():
        from ..errors import OutputError, printable

        content, classes = _config(projects)
        try:
            with open(to, "x", encoding="utf-8") as file:
                file.write(content)
        except FileExistsError:
            raise OutputError(
                f"{printable(to)}: exists, and stays as it is; --to names another file"
            ) from None
        except OSError as error:
            raise OutputError(f"{printable(to)}: cannot be written: {error.strerror}") from error
    click.echo(f"wrote {printable(to)} with {classes} classes; edit it, or export with")
    command = ["savemasks", "run", str(to), *map(str, projects), "--out", "results", "--gallery"]
    click.echo(f"  {printable(shlex.join(command))}")


def _config(projects: "tuple[Location, ...]") -> tuple[str, int]:
    """The configuration as text, with a class a line, and the number of classes."""
    import json
    from contextlib import closing

    from ..layers.auto_colors import ClassColor, grays_of, parse_color
    from ..projects.supervisely import Project

    colors: dict[str, object] = {}
    for path in projects:
        with closing(Project.open(path)) as project:
            for title, template in project.templates.items():
                colors.setdefault(title, template.color)
    grays = grays_of(ClassColor(title) for title in colors)
    seen = {
        title: parse_color(color) or _SPARE[number % len(_SPARE)]
        for number, (title, color) in enumerate(colors.items())
    }

    def mapping(found: dict[str, tuple[int, int, int]]) -> str:
        rows = [f"      {json.dumps(title)}: {[*color]}" for title, color in found.items()]
        return "{\n" + ",\n".join(rows) + "\n    }" if rows else "{}"

    text = f"""{{
  "action": "save_masks",
  "src": ["$0"],
  "dst": "masks",
  "settings": {{
    "masks_machine": true,
    "masks_human": true,
    "gt_machine_color": {mapping(grays)},
    "gt_human_color": {mapping(seen)}
  }}
}}
"""
    return text, len(colors)
