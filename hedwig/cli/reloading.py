"""Daemons take changed files at a reload: where systemd runs them on the files of its units, that is done at once."""

import subprocess
from pathlib import Path

import click

from hedwig.cli.language import told

CONFIG = Path("/etc/hedwig")  # what the units' daemons read
SYSTEMD = Path("/run/systemd/system")  # there while systemd runs (sd_booted(3))


def reload(config_dir: Path, *units: str) -> bool:
    """Those of `units` (names or patterns) that run; False where that is not for us, or fails: the admin is told to."""
    done = False
    named = " ".join(repr(unit) if "*" in unit else unit for unit in units)
    said = told(f"Then: systemctl reload {named}", f"然后运行：systemctl reload {named}")
    if config_dir == CONFIG and SYSTEMD.is_dir():
        command = ["systemctl", "try-reload-or-restart", *units]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=90, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            failed = f"`{' '.join(command)}` "
            said = failed + told(f"failed: {error}", f"失败：{error}") + f"\n{said}"
        else:
            reloaded = told("reloaded: ", "已重新加载：") + ", ".join(units)
            done = not ended.returncode
            said = reloaded if done else f"{ended.stderr.strip()}\n{said}"
    click.echo(said, err=True)
    return done
