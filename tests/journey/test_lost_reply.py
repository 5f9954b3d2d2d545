"""The postoffice takes a letter and its answer is lost on the way: asked again, it repeats its word (I3)."""

import pytest

from .relay import LossyRelay
from .submit import SAMPLE
from .waiting import until
from .world import World, mx


@pytest.mark.parametrize("lost", [1, 3])
def test_delivered_once(world: World, lost: int) -> None:
    """Whether mailman repeats the request at once or from its spool."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    relay = LossyRelay(8026, ("127.0.0.1", 8025))
    world.at_end(relay.close)
    host = world.host(mailman={"postoffice": "http://127.0.0.1:8026/"}).start()
    first = world.msmtp.send(SAMPLE, "first@163.com")
    relay.lose = lost
    second = world.msmtp.send(SAMPLE, "second@163.com")
    until(f"{lost} lost answers", lambda: relay.lost == lost)
    until("both letters", lambda: len(far.copies()) == 2)
    until("empty queues", lambda: not host.is_queued(first, second))
    assert far.copies() == {"first@163.com": 1, "second@163.com": 1}
    assert any(second in letter.field("Received") for letter in far.accepted())
