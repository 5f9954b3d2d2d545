"""Looks at the spools of this host as they are: those that the files beside alerts.yml name. Reads only; it blocks.

What can't be read is passed over here: its daemon says so itself, and louder.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hedwig.alerts import levels
from hedwig.alerts.levels import Alarm
from hedwig.config import ConfigError, load_mailman, load_postoffice, load_worker
from hedwig.settings import Alerts
from hedwig.spool.watched import watched
from hedwig.spool.words import SpoolTrouble

EVERY = 60.0  # seconds


@dataclass
class Seen:
    """`alarms`: what begins or ends; `resting`: receivers whose back-off is in force."""

    alarms: list[Alarm] = field(default_factory=list)
    resting: set[str] = field(default_factory=set)


def look(config_dir: Path, settings: Alerts, now: float) -> Seen:
    """One look."""
    seen = Seen()
    for daemon, spool, limit in _spools(config_dir):
        folder = Path(spool).parent
        with suppress(OSError):
            disk = os.statvfs(folder)
            seen.alarms += levels.of_disk(str(folder), disk.f_bavail * disk.f_frsize, settings.disk_free)
        if not Path(spool).exists():
            continue
        with suppress(SpoolTrouble):
            found = watched(spool, now)
            age = max(0.0, now - found.oldest) if found.oldest else 0.0
            seen.alarms += levels.of_oldest(spool, age, settings.old_mail)
            if daemon == "mailman":
                seen.alarms += levels.of_spool(spool, found.used, limit)
            seen.resting |= found.resting
    return seen


def _spools(config_dir: Path) -> Iterator[tuple[str, str, int]]:
    """Daemon, path, spool_limit; each path once."""
    met: set[str] = set()
    with suppress(ConfigError):
        if (file := config_dir / "mailman.yml").exists():
            settings = load_mailman(file)
            yield "mailman", settings.spool, settings.spool_limit
    for load, file in ((load_postoffice, config_dir / "postoffice.yml"), (load_worker, config_dir / "worker.yml")):
        with suppress(ConfigError):
            if file.exists() and (spool := load(file).spool) not in met:
                met.add(spool)
                yield "postoffice", spool, 0
