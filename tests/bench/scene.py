"""Where peers are compared: a network of its own, files on a disk, the far side's in memory; and the verdict."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def scene() -> Iterator[tuple[World, Path]]:
    """A world with nothing in it yet, and a folder in memory. One at a time."""
    if os.geteuid() != 0:
        sys.exit("Postfix runs as a user of its own: as root, please")
    network = Network()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="hedwig-bench-", dir="/var/tmp") as folder,
        tempfile.TemporaryDirectory(prefix="hedwig-bench-", dir=memory) as in_memory,
    ):
        Path(folder).chmod(0o711)  # Postfix's processes find their queue in it
        world = World(network, Path(folder))
        try:
            yield world, Path(in_memory)
        finally:
            world.close()
            network.close()


def in_a_scene(play: Callable[[World, Path], list[str]]) -> None:
    """Play it there; exits with what is wrong."""
    with scene() as (world, in_memory):
        wrong = play(world, in_memory)
    if wrong:
        sys.exit("; ".join(wrong))
