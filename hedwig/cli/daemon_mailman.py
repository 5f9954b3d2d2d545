"""The command hedwig-mailman: see daemon.py for what all of them do, and hedwig/mailman for what this one does."""

from hedwig.cli.daemon import Start, main_for
from hedwig.config import load_mailman
from hedwig.mailman import loop
from hedwig.settings import Mailman


def _run(start: Start[Mailman]) -> int:
    return loop.run(start.settings, start.config_file, start.reload, start.supervisor)


def main() -> int:
    """The entry point; returns the exit status."""
    return main_for("mailman", load_mailman, _run)
