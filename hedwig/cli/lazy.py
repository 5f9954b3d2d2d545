"""Commands that are loaded when they are called: `hedwig queue` must not wait for what `hedwig open` imports.

A group is given a table of its commands, name: (module, attribute), and imports a module when the command is asked for:
to run it, to complete it, or to list it in --help.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import click

from hedwig.cli.terminal import clean

_MOST = 600  # characters of a line that says what is wrong: somebody may have pasted a letter


def _cut(line: str) -> str:
    return line if len(line) <= _MOST else f"{line[: _MOST // 2]} ... {line[-_MOST // 4 :]}"


def installed(name: str, elsewhere: str) -> Any:
    """The module `name`. ClickException where a library that it needs did not come with what is installed here;
    `elsewhere` says what is missing and where to go, with {} for the library."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hedwig"):
            raise
        raise click.ClickException(elsewhere.format(error.name)) from None


class LazyGroup(click.Group):
    """`table` as above; what is added by `add_command` or `@group.command` is there as ever."""

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        self.table = table

    def invoke(self, ctx: click.Context) -> Any:
        """As ever; what is said of a wrong option is fit for a terminal, whatever the option was."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            error.message = "\n".join(clean(_cut(line)) for line in error.message.split("\n"))
            raise

    def list_commands(self, ctx: click.Context | None) -> list[str]:
        """All names, sorted. Imports nothing."""
        return sorted({*self.commands, *self.table})

    def get_command(self, ctx: click.Context | None, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name in self.table:
            module, attribute = self.table[cmd_name]
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        return self.commands.get(cmd_name)
