"""The command hedwig-worker [N]: see daemon.py for what all of them do, and hedwig/worker for what this one does."""

from hedwig.cli.daemon import Start, main_for
from hedwig.config import load_delivery
from hedwig.settings import Worker
from hedwig.worker import loop


def _run(start: Start[Worker]) -> int:
    return loop.run(start.settings, start.number, start.config_file, start.reload, start.supervisor)


def main() -> int:
    """The entry point; returns the exit status."""
    return main_for("worker", load_delivery, _run, numbered=True)
