"""Only a worker's death between a dot and its settlement doubles a letter: nothing else that may befall a process."""

import random
from collections.abc import Callable

from ..world import World
from .letters import RUDE
from .plan import without_dead_workers
from .scene import KIND, MOODS, Scene


def test_nothing_is_in_doubt_while_no_worker_dies(world: World, record_property: Callable[[str, object], None]) -> None:
    """Mailman, postoffice and beanstalkd are killed, workers frozen and restarted, at their named points: each letter
    comes once, and no history has a doubt (I2, I3, I10, I12)."""
    scene = Scene(world, MOODS | {RUDE: KIND})  # a receiver that cuts the connection makes doubts of its own
    scene.play([without_dead_workers(random.Random(5))])
    record_property("printed", scene.words("no dead workers"))
    assert not scene.faults, "\n".join([f"{len(scene.faults)} faults:", *scene.faults])
    counts = scene.reckoning.counts
    assert counts["lost"] == counts["doubled"] == counts["in doubt"] == 0, scene.reckoning.doubts
    assert counts["bounced"] and counts["delivered"]
