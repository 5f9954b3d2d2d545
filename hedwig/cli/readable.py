"""Whether this user may look into CONFIGDIR at all; asked before each command."""

import os
from pathlib import Path

import click

from hedwig.cli.terminal import clean


def readable(directory: Path) -> None:
    """ClickException where the directory is there and closed to us: without it nothing can be told of its files."""
    if directory.exists() and not os.access(directory, os.R_OK | os.X_OK):
        raise click.ClickException(f"{clean(str(directory))} is closed to this user: run it as root")
