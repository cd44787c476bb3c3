"""Help whose commands and options stand in sections, and hints for mistyped commands."""

import os
from collections.abc import Mapping, Sequence

import click

from ..errors import did_you_mean

_COMMANDS: Mapping[str, Sequence[str]] = {
    "Begin": ("demo", "init"),
    "Export": ("check", "run", "retry", "verify"),
    "Look": ("gallery", "stats", "report"),
    "Other": ("cache", "schema"),
}
_OPTIONS: Mapping[str, Sequence[str]] = {
    "What and where to": (
        "below",
        "out",
        "part",
        "to",
        "config",
        "link",
        "force",
        "restart",
        "dry_run",
    ),
    "Archives": ("pack", "pack_items", "pack_size"),
    "How to work": ("workers", "cluster", "memory", "durable", "on_error", "max_errors"),
    "What to tell": ("report", "gallery", "as_json", "verbose", "quiet"),
}
_LEAST_FOR_SECTIONS = 8  # options; fewer are read at a glance


class Command(click.Command):
    """A command whose many options stand in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        found = {each.name: row for each in options if (row := each.get_help_record(ctx))}
        if len(found) < _LEAST_FOR_SECTIONS:
            super().format_options(ctx, formatter)
            return
        for title, names in _OPTIONS.items():
            section = [row for name in names if (row := found.pop(name, None))]
            if section:
                with formatter.section(title):
                    formatter.write_dl(section)
        with formatter.section("Other options"):
            formatter.write_dl([*found.values()])


class Group(click.Group):
    """Commands in sections; an unknown one gets a hint."""

    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands."""
        room = formatter.width - 6 - max(map(len, self.list_commands(ctx)))
        for title, names in _COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(room)) for name in names]
                )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called."""
        name = args[0]
        if name not in self.commands and not name.startswith("-") and not ctx.resilient_parsing:
            hint = did_you_mean(name, self.commands)
            raise click.UsageError(f"No such command '{name}'{hint}.", ctx)
        return super().resolve_command(ctx, args)


def set_color(context: click.Context) -> None:
    """Let the environment forbid colours; click has none anyway where there is no terminal."""
    if os.environ.get("NO_COLOR"):
        context.color = False
