"""A daemon with a fate:  HEDWIG_CRASH_AT=POINT:PASSING:ACT python -m journey.crash.launch DAEMON [its arguments]"""

import importlib
import os
import sys

from .fate import VARIABLE, Fate
from .seams import install


def main() -> int:
    daemon, *arguments = sys.argv[1:]
    door = importlib.import_module(f"hedwig.cli.daemon_{daemon}")
    install(daemon, Fate.parse(os.environ[VARIABLE]))
    sys.argv = [f"hedwig-{daemon}", *arguments]
    return int(door.main())


if __name__ == "__main__":
    sys.exit(main())
