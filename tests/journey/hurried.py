"""A worker that waits less long for receivers than RFC 5321 §4.5.3.2 has it, so that a test may wait for the end of it:

    python -m journey.hurried '{"banner": 2, "dot": 3}' [the worker's arguments]

The names are those of hedwig.smtp.Deadlines; what is not named stays. A name that is none is a TypeError at the start.
"""

import json
import sys
from typing import Any

from hedwig.cli import daemon_worker
from hedwig.smtp import Deadlines


def main() -> int:
    seconds = json.loads(sys.argv[1])
    usual = Deadlines.__init__

    def shorter(self: Deadlines, **given: Any) -> None:
        usual(self, **(seconds | given))

    setattr(Deadlines, "__init__", shorter)  # noqa: B010  mypy forbids to assign to a method
    Deadlines()
    sys.argv = ["hedwig-worker", *sys.argv[2:]]
    return int(daemon_worker.main())


if __name__ == "__main__":
    sys.exit(main())
