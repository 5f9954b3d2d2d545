"""SIGTERM to a worker that is in the middle of its letters (I10)."""

import signal
import threading

from .farside import Rule
from .submit import SAMPLE, Post
from .waiting import until
from .world import World, mx

LETTERS = 100


def test_dots_are_awaited_and_the_rest_is_handed_back(world: World) -> None:
    """Replies that come after the SIGTERM count; nothing is doubled, nothing in doubt; the next worker has the rest."""
    world.dns(mx("163.com", "192.0.2.1"))
    gate = threading.Event()
    at_dot = Rule("dot", hold=gate)
    far = world.far("192.0.2.1", at_dot)
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    letter = SAMPLE.replace(b"\n", b"\r\n")
    ids = host.http.batch([Post((f"user{number}@163.com",), letter) for number in range(LETTERS)])
    until("dots that wait", lambda: at_dot.used.total() >= 5)
    said = len(host["worker-1"].words())
    host["worker-1"].signal(signal.SIGTERM)
    until("the worker to say that it stops", lambda: len(host["worker-1"].words()) > said)
    assert host["worker-1"].alive
    begun = len(far.said("MAIL FROM"))
    gate.set()
    assert host["worker-1"].wait() == 0
    first = len(far.copies())
    assert 5 <= first <= begun < LETTERS
    host.start("worker-1")
    until("all letters", lambda: len(far.copies()) == LETTERS)
    until("an empty queue", lambda: not host.is_queued(*ids))
    assert set(far.copies().values()) == {1}


def test_mailman_and_postoffice_end_cleanly(world: World) -> None:
    """Exit status 0 and no traceback, idle connections or not."""
    world.dns()
    host = world.host().start()
    for name in ("mailman", "postoffice", "worker-1"):
        assert host[name].stop() == 0
        assert "Traceback" not in host[name].words()
