"""mailman or a worker on asyncio's own event loop, not on uvloop, which they ask for one by its name:

python tests/bench/plain_loop.py mailman|worker [the daemon's arguments]
"""

import asyncio
import importlib
import sys

import uvloop


def main() -> int:
    uvloop.new_event_loop = asyncio.new_event_loop
    _, room, *arguments = sys.argv
    sys.argv = [f"hedwig-{room}", *arguments]
    return int(importlib.import_module(f"hedwig.cli.daemon_{room}").main())


if __name__ == "__main__":
    sys.exit(main())
