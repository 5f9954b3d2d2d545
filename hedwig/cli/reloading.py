"""Daemons take changed files at a reload: where systemd runs them on the files of its units, that is done at once."""

import subprocess
from pathlib import Path

import click

CONFIG = Path("/etc/hedwig")  # what the units' daemons read
SYSTEMD = Path("/run/systemd/system")  # there while systemd runs (sd_booted(3))


def reload(config_dir: Path, *units: str) -> None:
    """Those of `units` (names or patterns) that run; where that is not for us, or fails, the admin is told to."""
    said = f"Then: systemctl reload {' '.join(repr(unit) if '*' in unit else unit for unit in units)}"
    if config_dir == CONFIG and SYSTEMD.is_dir():
        command = ["systemctl", "try-reload-or-restart", *units]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=90, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            said = f"`{' '.join(command)}` failed: {error}\n{said}"
        else:
            said = f"{done.stderr.strip()}\n{said}" if done.returncode else f"reloaded: {', '.join(units)}"
    click.echo(said, err=True)
