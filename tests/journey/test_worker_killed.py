"""A worker dies without a word, in the middle of its letters, and is started again."""

import threading

from .farside import Rule
from .submit import SAMPLE, Post
from .waiting import until
from .world import World, mx

LETTERS = 300


def test_once_or_in_doubt(world: World) -> None:
    """No letter is lost; one that came twice is one whose dot was out, and the history says so (I5)."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    gate = threading.Event()
    far.add(Rule("dot", to="user2", hold=gate))
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    letter = SAMPLE.replace(b"\n", b"\r\n")
    posts = [Post((f"user{number}@163.com",), letter) for number in range(LETTERS)]
    ids = dict(zip((post.rcpttos[0] for post in posts), host.http.batch(posts), strict=True))
    until("some letters delivered", lambda: len(far.copies()) > 10)
    host["worker-1"].kill()
    gate.set()
    host.start("worker-1")
    until("all letters", lambda: len(far.copies()) == LETTERS)
    until("an empty queue", lambda: "@163.com" not in host.listed())
    doubled = [recipient for recipient, copies in far.copies().items() if copies > 1]
    assert max(far.copies().values()) <= 2
    assert len(doubled) <= 30  # at most what ten connections had out, and never a batch
    for recipient in doubled:
        assert "in doubt" in host.history(ids[recipient]).lower().replace("_", " ")


def test_another_worker_takes_over(world: World) -> None:
    """The dead worker is not started again: the other one frees its claims, since nobody holds its lock (I12)."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    gate = threading.Event()
    far.add(Rule("mail", hold=gate))
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    host.http.batch([Post((f"user{number}@163.com",), SAMPLE.replace(b"\n", b"\r\n")) for number in range(20)])
    until("a letter in delivery", lambda: far.said("MAIL FROM"))
    host["worker-1"].kill()
    gate.set()
    host.start("worker-2")
    until("all letters", lambda: len(far.copies()) == 20)
    until("an empty queue", lambda: "@163.com" not in host.listed())
    assert set(far.copies().values()) == {1}
