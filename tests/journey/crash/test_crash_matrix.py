"""Processes die at every named point while mail flows: nothing is lost, and nothing doubled without a doubt on record.

One round in `make test`; HEDWIG_CRASH_ROUNDS says how many (`make crash-test ROUNDS=7`).
"""

import os
import random
from collections.abc import Callable

from ..world import World
from .plan import matrix
from .scene import Scene
from .seams import POINTS

ROUNDS = int(os.environ.get("HEDWIG_CRASH_ROUNDS", "1"))


def test_never_lost_and_never_doubled_without_a_doubt(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    """Every message that got a 250 is delivered, bounced or queued; a second copy has its doubt in the history; all
    that was queued goes once everything runs again (I1 to I5, I12)."""
    scene = Scene(world)
    chance = random.Random(ROUNDS)
    scene.play([matrix(turn, chance) for turn in range(ROUNDS)])
    record_property("printed", scene.words(f"crash matrix, {ROUNDS} round{'s' * (ROUNDS > 1)}"))
    assert not scene.faults, "\n".join([f"{len(scene.faults)} faults:", *scene.faults])
    counts = scene.reckoning.counts
    assert counts["lost"] == 0
    assert counts["bounced"] and counts["delivered"] and counts["in doubt"] and counts["doubled"]
    met = {(daemon, point) for daemon, point, _ in scene.storm.reached}
    assert met == {(daemon, point) for daemon in POINTS for point in POINTS[daemon]}
