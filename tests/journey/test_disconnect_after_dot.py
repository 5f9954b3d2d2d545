"""The connection is lost after the dot and before its reply: in doubt, said so, and tried again (I5)."""

import pytest

from .farside import Rule
from .submit import SAMPLE
from .waiting import until
from .world import World, mx


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_in_doubt_then_tried_again(world: World, reset: bool) -> None:
    """The second copy has the same Message-ID, so that a receiver can know it again."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", Rule("dot", hang_up=True, times=1, reset=reset))
    host = world.host().start()
    queue_id = world.msmtp.send(SAMPLE, "stenote@163.com")
    until("the letter", far.accepted)
    until("an empty queue", lambda: not host.is_queued(queue_id))
    assert len(far.letters) == 2
    assert len({letter.field("Message-ID") for letter in far.letters}) == 1
    history = host.history(queue_id).lower().replace("_", " ")
    assert history.index("in doubt") < history.rindex("delivered")


def test_lost_before_the_dot_is_no_doubt(world: World) -> None:
    """Cut in the middle of the body, larger than any socket buffer: deferred, and nothing in doubt."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", Rule("body", hang_up=True, times=1, after=100))
    host = world.host().start()
    queue_id = world.msmtp.send(SAMPLE + b"and more\n" * 2_000_000, "stenote@163.com")
    until("the letter", far.accepted)
    until("an empty queue", lambda: not host.is_queued(queue_id))
    history = host.history(queue_id).lower().replace("_", " ")
    assert "in doubt" not in history
    assert history.index("deferred") < history.rindex("delivered")
    assert far.copies() == {"stenote@163.com": 1}
