"""A receiver that takes its time over each letter gets them one after the other, without gaps."""

import time

import pytest

from .farside import Rule
from .submit import SAMPLE, Post
from .waiting import until
from .world import World, mx

REPLY = "250 2.0.0 ok"


@pytest.mark.parametrize("seconds", [0.05, 0.25])
def test_is_kept_busy(world: World, seconds: float) -> None:
    """More letters than a worker may claim ahead: hints that it drops for want of room come back in time (I9).

    Ten connections would do it in `letters * seconds / 10`; three times that and 5 s is allowed. It begins with five.
    """
    letters = 300
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", Rule("dot", REPLY, drip=seconds / (len(REPLY) + 2)))
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    started = time.monotonic()
    host.http.batch([Post((f"user{number}@163.com",), SAMPLE.replace(b"\n", b"\r\n")) for number in range(letters)])
    until("all letters", lambda: len(far.copies()) == letters, seconds=3 * letters * seconds / 10 + 5)
    print(f"{letters} letters in {time.monotonic() - started:.2f} s")
    assert set(far.copies().values()) == {1}
    assert far.most_open <= 20, "as many as `sites.default.connections` allows"
