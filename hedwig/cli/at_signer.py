"""Commands about DKIM keys, on the host that signs: the libraries that they need come with hedwig-postoffice, and the
daemons take new keys at a reload.
"""

import subprocess
from pathlib import Path
from typing import Any

import click

from hedwig.cli.lazy import installed

_CONFIG = Path("/etc/hedwig")
_SYSTEMD = Path("/run/systemd/system")
_UNITS = ("hedwig-postoffice.service", "hedwig-worker@*.service")


def module(name: str) -> Any:
    """The module that does it; ClickException on a host without postoffice."""
    return installed(name, "hedwig-postoffice is not installed here ({}); letters are signed where it runs")


def reload(config_dir: Path) -> None:
    """Have running daemons take the keys; where that is not for us or fails, the admin is told to."""
    said = "Then: systemctl reload hedwig-postoffice 'hedwig-worker@*'"
    if config_dir == _CONFIG and _SYSTEMD.is_dir():
        command = ["systemctl", "try-reload-or-restart", *_UNITS]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=90, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            said = f"`{' '.join(command)}` failed: {error}\n{said}"
        else:
            said = f"{done.stderr.strip()}\n{said}" if done.returncode else "postoffice and workers were reloaded"
    click.echo(said, err=True)
