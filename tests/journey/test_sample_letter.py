"""The original document's sample letter, by real msmtp from a container, with the original msmtprc."""

import re

from .submit import SAMPLE, SENDER
from .waiting import until
from .world import World, mx


def test_the_sample_letter_arrives(world: World) -> None:
    """One queue ID from msmtp's 250 to the far side and to the history (I3); the letter is whole and complete."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start()
    queue_id = world.msmtp.send(SAMPLE, "stenote@163.com")
    letter = until("the letter at 163.com", far.accepted)[0]
    assert letter.mailfrom == SENDER
    assert letter.rcpttos == ("stenote@163.com",)
    assert letter.body == b"\r\nHello Stenote !\r\n"
    assert (letter.field("From"), letter.field("To")) == (SENDER, "stenote@163.com")
    assert letter.field("Subject") == "Hello World"
    assert queue_id in letter.field("Received")
    assert "172.17.0.2" in letter.field("Received")
    assert re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", letter.field("Message-ID"))
    assert letter.field("Date")
    until("the queue to be empty", lambda: not host.is_queued(queue_id))
    assert "delivered" in host.history(queue_id).lower()
    assert far.copies() == {"stenote@163.com": 1}


def test_ten_containers_at_once(world: World) -> None:
    """Letters that come in together leave together: each once, under an ID of its own."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start()
    running = [world.msmtp.begin(SAMPLE, f"user{number}@163.com") for number in range(10)]
    ids = [msmtp.finish() for msmtp in running]
    assert len(set(ids)) == 10
    until("ten letters", lambda: len(far.accepted()) >= 10)
    until("the queue to be empty", lambda: not host.is_queued(*ids))
    assert far.copies() == {f"user{number}@163.com": 1 for number in range(10)}
