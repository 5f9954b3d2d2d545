"""Is hedwig faster than Postfix, and does either lose or double a message? In under a minute.

    make bench-quick [MESSAGES=2400] [BAR=1.3]

hedwig with one worker, and Postfix twice, with Debian's settings and tuned, each as a relay between the same load (20
sessions of smtp-source, 4 KB messages, one a connection) and the same smtp-sink, by turns, three rounds. What counts is
hedwig's rate of delivered messages against the better of the two Postfixes: the median of the rounds. It fails under
BAR, and where one message is lost or comes twice. As root: Postfix wants it.
"""

import sys
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from counted import Load
from journey.world import World
from options import FEWEST_MESSAGES, decimal, number
from peers import Field, Runs
from scene import in_a_scene, say_what_is_wrong

MESSAGES = number("MESSAGES", 2400, FEWEST_MESSAGES)
BAR = decimal("BAR", 1.3)
ROUNDS = 3


def row(name: str, runs: Runs) -> str:
    """One line of the table."""
    return (
        f"{name:18} {runs.middle('accepted'):7.0f}/s accepted {runs.middle('delivered'):7.0f}/s delivered "
        f"{runs.middle('cpu'):6.2f} ms CPU a message   {runs.total('lost')} lost, {runs.total('doubled')} doubled"
    )


def ratio(found: dict[str, Runs]) -> float:
    """hedwig's rate of delivery against that Postfix whose median is the better one: the median of the rounds."""
    ours = [runs for name, runs in found.items() if name.startswith("hedwig")]
    theirs = [runs for name, runs in found.items() if not name.startswith("hedwig")]
    best = max(theirs, key=lambda runs: runs.middle("delivered"))
    return median(
        mine.delivered / other.delivered for runs in ours for mine, other in zip(runs.runs, best.runs, strict=True)
    )


def play(world: World, in_memory: Path) -> list[str]:
    """All of it, printed; what is wrong."""
    field = Field(world, in_memory, workers=(1,))
    load = Load("one message a connection", 20, MESSAGES)
    field.warm(load.shortened(200))
    found = field.rounds(load, ROUNDS)
    for name, runs in found.items():
        print(row(name, runs))
    reached = ratio(found)
    print(f"hedwig against the better Postfix: {reached:.2f} times as many messages a second (at least {BAR:g})")
    return [f"hedwig is not {BAR:g} times as fast"] * (reached < BAR) + say_what_is_wrong(found)


if __name__ == "__main__":
    in_a_scene(play)
