"""The command hedwig-alerts: see daemon.py for what all do, hedwig/alerts for what this one does."""

import socket

from hedwig.alerts import loop
from hedwig.cli.daemon import Start, main_for
from hedwig.config import load_alerts
from hedwig.settings import Alerts


def _run(start: Start[Alerts]) -> int:
    return loop.run(start.settings, start.reload, start.supervisor, socket.getfqdn(), start.config_file.parent)


def main() -> int:
    """The entry point; returns the exit status."""
    return main_for("alerts", load_alerts, _run)
