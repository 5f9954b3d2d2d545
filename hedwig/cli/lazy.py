"""Commands that are loaded when they are called: `hedwig queue` must not wait for what `hedwig open` imports.

A group is given a table of its commands, name: (module, attribute), and imports a module when the command is asked for:
to run it, to complete it, or to list it in --help.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """`table` as above; what is added by `add_command` or `@group.command` is there as ever."""

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        self.table = table

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
