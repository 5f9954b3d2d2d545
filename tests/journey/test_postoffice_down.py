"""The postoffice is down, hangs, or comes back and refuses: a container gets its 250, and the letter its outcome."""

from . import reports
from .submit import SAMPLE, SENDER
from .waiting import until
from .world import HOME, World, mx


def test_down_while_msmtp_sends(world: World) -> None:
    """250 from mailman's own spool; the operator sees it there; delivered once, under the same ID, when it is back."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start()
    host["postoffice"].kill()
    ids = [world.msmtp.send(SAMPLE, f"user{number}@163.com") for number in range(5)]
    shown = host.listed()
    assert all(queue_id in shown for queue_id in ids)
    host.start("postoffice")
    until("the letters", lambda: len(far.copies()) == 5)
    until("empty queues", lambda: not host.is_queued(*ids))
    assert set(far.copies().values()) == {1}
    assert all(any(queue_id in letter.field("Received") for letter in far.accepted()) for queue_id in ids)


def test_mailman_restarts_meanwhile(world: World) -> None:
    """What waits at mailman outlives mailman (I1)."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start()
    host["postoffice"].kill()
    queue_id = world.msmtp.send(SAMPLE, "stenote@163.com")
    host["mailman"].kill()
    host.start("mailman", "postoffice")
    until("the letter", far.accepted)
    until("an empty queue", lambda: not host.is_queued(queue_id))
    assert far.copies() == {"stenote@163.com": 1}


def test_hangs_and_wakes(world: World) -> None:
    """It took the request, said nothing for 10 s, and goes on: the letter came to it twice and leaves once (I3)."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start()
    host.freeze("postoffice")
    queue_id = world.msmtp.send(SAMPLE, "stenote@163.com")
    host.thaw("postoffice")
    until("the letter", far.accepted)
    until("empty queues", lambda: not host.is_queued(queue_id))
    assert far.copies() == {"stenote@163.com": 1}


def test_refused_for_good_afterwards(world: World) -> None:
    """The container has its 250 already, so the sender gets a bounce; another letter beside it is not held up."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    home = world.far(HOME)
    host = world.host().start()
    host["postoffice"].kill()
    large = world.msmtp.send(SAMPLE + b"x" * 70 + b"\n" + (b"y" * 70 + b"\n") * 3000, "large@163.com")
    small = world.msmtp.send(SAMPLE, "small@163.com")
    host.settings["postoffice"]["max_size"] = "64 KiB"
    host.write("postoffice")
    host.start("postoffice")
    report = reports.read(until("the bounce", home.accepted)[0])
    assert report.whole.rcpttos == (SENDER,)
    assert list(report.failed) == ["large@163.com"]
    assert report.failed["large@163.com"].startswith("5.3.4")
    until("the small letter", far.accepted)
    until("empty queues", lambda: not host.is_queued(large, small))
    assert far.copies() == {"small@163.com": 1}
