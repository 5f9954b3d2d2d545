"""A newer letter takes the place of an older one that has not gone out; a stale one is not sent."""

import threading

import pytest

from hedwig.spool import State
from hedwig.spool.sqlite import open_spool

from . import reports
from .farside import Rule
from .submit import SAMPLE, SENDER, Post
from .waiting import until
from .world import HOME, World, mx

KEYED = b"Hedwig-Supersede-Key: otp-42\n" + SAMPLE
OLD, NEW = KEYED.replace(b"Hello Stenote", b"code 1111"), KEYED.replace(b"Hello Stenote", b"code 2222")


def test_the_second_code_replaces_the_first(world: World) -> None:
    """The receiver greylists, so the first code waits; the second one comes: it alone arrives, and nobody is told but
    the history."""
    world.dns(mx("163.com", "192.0.2.1"))
    later = Rule("rcpt", "450 4.7.1 greylisted")
    far = world.far("192.0.2.1", later)
    home = world.far(HOME)
    host = world.host(worker={"retry": {"schedule": ["2s"], "jitter": "0%"}}).start()
    old = world.msmtp.send(OLD, "stenote@163.com")
    until("the first try", lambda: "deferred" in host.history(old))
    new = world.msmtp.send(NEW, "stenote@163.com")
    until("its end", lambda: "superseded" in host.history(old))
    far.rules.remove(later)
    until("the second code", far.accepted)
    until("an empty queue", lambda: not host.is_queued(old, new))
    assert far.copies() == {"stenote@163.com": 1}
    assert b"code 2222" in far.accepted()[0].body
    assert "Supersede" not in far.accepted()[0].header
    assert f"by {new}" in host.history(old)
    assert home.accepted() == []


@pytest.mark.parametrize("stage", ["banner", "mail"])
def test_of_codes_that_a_slow_receiver_kept_waiting_the_newest_arrives(world: World, stage: str) -> None:
    """The receiver stands still while three codes come; each of them is claimed, on a connection of its own. When it
    goes on it gets the third one alone."""
    world.dns(mx("163.com", "192.0.2.1"))
    go_on = threading.Event()
    far = world.far("192.0.2.1", Rule(stage, hold=go_on))
    host = world.host().start()
    spool = open_spool(str(host.spool), create=False)
    codes = []
    for number in (b"1111", b"2222", b"3333"):
        codes.append(world.msmtp.send(KEYED.replace(b"Hello Stenote", b"code " + number), "stenote@163.com"))
        until("the claim", lambda: spool.queued(codes[-1])[0][0].state is State.ACTIVE)
        until("its connection", lambda: far.connections == len(codes))
    spool.close()
    go_on.set()
    until("an empty queue", lambda: not host.is_queued(*codes), seconds=10)
    assert far.copies() == {"stenote@163.com": 1}
    assert b"code 3333" in far.accepted()[0].body
    assert f"by {codes[1]}" in host.history(codes[0])
    assert f"by {codes[2]}" in host.history(codes[1])


def test_a_paused_site_gets_nothing_that_was_only_claimed(world: World) -> None:
    """Five letters are under way to a receiver that stands still, and the worker holds more. The operator pauses the
    site: these go back to the queue, and none of them is sent when the receiver goes on."""
    world.dns(mx("163.com", "192.0.2.1"))
    go_on = threading.Event()
    far = world.far("192.0.2.1", Rule("mail", hold=go_on))
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    body = SAMPLE.replace(b"\n", b"\r\n")
    host.http.batch([Post((f"user{number}@163.com",), body) for number in range(20)])
    spool = open_spool(str(host.spool), create=False)

    def active() -> int:
        return sum(each.state is State.ACTIVE for each in spool.queued()[0])

    until("all claimed", lambda: active() == 20 and len(far.said("MAIL")) == 5)
    host.hedwig("queue", "pause", "163.com", "--reason", "test")
    until("what was not begun is back", lambda: active() <= 5, seconds=5)
    spool.close()
    go_on.set()
    until("what was under way", lambda: len(far.accepted()) == 5)
    until("its end", lambda: "active" not in host.listed())
    assert len(far.accepted()) == 5


def test_a_backlog_replaces_nothing_newer(world: World) -> None:
    """The first code waited on its host while the postoffice was away; the second one, asked for when it was back, has
    been delivered when the first one gets there."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start()
    host["postoffice"].kill()
    old = world.msmtp.send(OLD, "stenote@163.com")
    host["mailman"].kill()
    host.start("postoffice")
    (host.directory / "mailman").rename(host.directory / "mailman-away")
    (host.directory / "mailman").mkdir()
    host.start("mailman")
    new = world.msmtp.send(NEW, "stenote@163.com")
    until("the second code", far.accepted)
    until("an empty queue", lambda: not host.is_queued(new))
    host["mailman"].stop()
    (host.directory / "mailman").rename(host.directory / "mailman-gone")
    (host.directory / "mailman-away").rename(host.directory / "mailman")
    host.start("mailman")
    until("its end", lambda: f"by {new}" in host.history(old))
    until("empty queues", lambda: not host.is_queued(old))
    assert far.copies() == {"stenote@163.com": 1}
    assert b"code 2222" in far.accepted()[0].body


def test_a_code_that_is_stale_is_not_sent(world: World) -> None:
    """The receiver refuses it for now until its time is over: a report says that it was the sender's own deadline, at
    that moment and not days later, and the receiver is asked no more."""
    world.dns(mx("163.com", "192.0.2.1"))
    later = Rule("rcpt", "450 4.7.1 greylisted")
    far = world.far("192.0.2.1", later)
    home = world.far(HOME)
    host = world.host().start()
    queue_id = world.msmtp.send(b"Hedwig-Expires: 4s\n" + SAMPLE, "stenote@163.com")
    report = reports.read(until("the report", home.accepted)[0])
    far.rules.remove(later)
    assert report.whole.rcpttos == (SENDER,)
    assert report.failed == {"stenote@163.com": "5.4.7"}
    assert "deadline" in report.text and "greylisted" in report.text
    until("an empty queue", lambda: not host.is_queued(queue_id))
    assert far.accepted() == []
    assert "expired" in host.history(queue_id)
