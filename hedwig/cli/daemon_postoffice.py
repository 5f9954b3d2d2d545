"""The command hedwig-postoffice: see daemon.py for what all do, hedwig/postoffice for what this one does."""

from hedwig.cli.daemon import Start, main_for
from hedwig.config import load_reception
from hedwig.postoffice import loop
from hedwig.settings import Postoffice


def _run(start: Start[Postoffice]) -> int:
    return loop.run(start.settings, start.config_file, start.reload, start.supervisor)


def main() -> int:
    """The entry point; returns the exit status."""
    return main_for("postoffice", load_reception, _run)
