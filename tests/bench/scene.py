"""Where peers are compared: a network of its own, files on a disk, the far side's in memory; and the verdict."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from journey.network import Network
from journey.world import World
from peers import Runs


def say_what_is_wrong(found: dict[str, Runs]) -> list[str]:
    """Who lost or doubled something."""
    return [
        f"{name} lost {runs.total('lost')} and doubled {runs.total('doubled')}"
        for name, runs in found.items()
        if runs.total("lost") or runs.total("doubled")
    ]


def as_root() -> None:
    """SystemExit where we are not."""
    if os.geteuid() != 0:
        sys.exit("Postfix runs as a user of its own: as root, please")


def _ended(*_: object) -> NoReturn:
    raise SystemExit("ended by SIGTERM")


@contextmanager
def scene() -> Iterator[tuple[World, Path]]:
    """A world with nothing in it yet, and a folder in memory. One at a time. SIGTERM ends it as any error would: all
    is closed, and no folder stays."""
    as_root()
    before = signal.signal(signal.SIGTERM, _ended)
    network = Network()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="hedwig-bench-", dir="/var/tmp") as folder,
        tempfile.TemporaryDirectory(prefix="hedwig-bench-", dir=memory) as in_memory,
        ExitStack() as ends,
    ):
        Path(folder).chmod(0o711)  # Postfix's processes find their queue in it
        world = World(network, Path(folder))
        ends.callback(signal.signal, signal.SIGTERM, before)
        ends.callback(network.close)
        ends.callback(world.close)
        yield world, Path(in_memory)


def in_a_scene(play: Callable[[World, Path], list[str]]) -> None:
    """Play it there; exits with what is wrong."""
    with scene() as (world, in_memory):
        wrong = play(world, in_memory)
    if wrong:
        sys.exit("; ".join(wrong))
