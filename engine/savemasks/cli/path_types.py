"""What the commands take as paths and addresses.

An empty text, mostly a variable of the shell that is not set, would else be the current folder.
"""

import os
from pathlib import Path
from typing import Any

import click

from ..errors import RemoteError, printable
from ..projects.volumes import NUMBER_PARTS, TAKEN, is_archive, is_lettered_part, is_named_archive
from ..remote import Url, is_url

EMPTY = "an empty text is no path; is a variable not set?"


class LocalPath(click.Path):
    """A path of this machine."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check what was given; raises `click.BadParameter`."""
        if value == "":
            return self.fail(EMPTY, param, ctx)
        if is_url(value):
            shown = printable(Url(value))  # without credentials
            return self.fail(f"{shown}: is an address; here, only a path is taken.", param, ctx)
        return super().convert(value, param, ctx)


class FolderOrUrl(LocalPath):
    """A folder, or an address that fsspec knows."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check what was given; raises `click.BadParameter`."""
        if not is_url(value):
            return super().convert(value, param, ctx)
        try:
            return Url.parse(value)
        except RemoteError as error:
            return self.fail(printable(error), param, ctx)


class ProjectPlace(FolderOrUrl):
    """A folder or archive, given behind the configuration: mostly the two are mixed up."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check what was given; raises `click.BadParameter`."""
        if is_url(value) or not os.path.isfile(value):
            return super().convert(value, param, ctx)
        if is_archive(Path(value)):
            return Path(value)
        return self.fail(_no_project(value, ctx.params.get("config") if ctx else None), param, ctx)


def _no_project(file: str, config: Path | None) -> str:
    """What to say of a file in the place of a project."""
    shown = printable(file)
    if config is not None and os.path.isdir(config):
        first = printable(config)
        return (
            f"CONFIG and PROJECT are swapped: {first} is a folder, {shown} a file."
            f" Say them the other way round: {shown} {first}"
        )
    problem = f"{shown} is a file; a project is a folder, or a {TAKEN}."
    if is_named_archive(Path(file)):
        return f"{problem} Unpack it, or pack it as one of these."
    if is_lettered_part(Path(file)):
        return f"{problem} {NUMBER_PARTS.capitalize()}."
    if config is None:
        return problem
    return f"{problem} CONFIG, the layer's JSON file, comes once, before the projects."
