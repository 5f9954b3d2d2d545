"""No second letter can be smuggled inside one: CRLF.CRLF alone ends data, inbound and outbound (I6).

All combinations of up to three of CR and LF before and after the dot, but those that hold the true CRLF.CRLF.
"""

import itertools

from .submit import SENDER, Talk, sample_email
from .waiting import until
from .world import World, mx

ENDS = ["".join(octets) for length in range(4) for octets in itertools.product("\r\n", repeat=length)]
FAKES = [f"{before}.{after}" for before in ENDS for after in ENDS if "\r\n.\r\n" not in f"{before}.{after}"]
EVIL = "MAIL FROM:<smuggler@evil.example>\r\nRCPT TO:<victim@163.com>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n"


def nothing_was_smuggled(world: World, letters: int) -> None:
    """As many letters as were accepted, none from the smuggler, each with the smuggler's commands as its text."""
    far = world.fars[0]
    until("all letters", lambda: len(far.accepted()) >= letters)
    assert len(far.accepted()) == letters
    assert far.copies()["victim@163.com"] == 0
    assert {letter.mailfrom for letter in far.letters} == {SENDER}
    assert all(b"MAIL FROM:<smuggler@evil.example>" in letter.body for letter in far.letters)
    assert far.said("MAIL FROM:<smuggler") == []


def test_inbound_by_smtp(world: World) -> None:
    """Each fake end is text to mailman: one reply to one letter, and the conversation goes on in step."""
    world.dns(mx("163.com", "192.0.2.1"))
    world.far("192.0.2.1")
    world.host().start()
    accepted = 0
    talk = Talk()
    assert talk.reply().startswith("220")
    assert talk.say("EHLO container").startswith("250")
    for number, fake in enumerate(FAKES):
        assert talk.say(f"MAIL FROM:<{SENDER}>").startswith("250")
        assert talk.say(f"RCPT TO:<user{number}@163.com>").startswith("250")
        assert talk.say("DATA").startswith("354")
        reply = talk.say(f"Subject: fake {number}\r\n\r\nbefore{fake}{EVIL}.")
        assert reply[:3] in ("250", "550", "554"), (fake, reply)
        accepted += reply.startswith("250")
        assert talk.say("NOOP").startswith("250"), fake
    talk.close()
    assert accepted == len(FAKES)
    nothing_was_smuggled(world, accepted)


def test_outbound_from_the_http_form(world: World) -> None:
    """What came over HTTP with such octets leaves as whole lines with their dots stuffed."""
    world.dns(mx("163.com", "192.0.2.1"))
    world.far("192.0.2.1")
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    accepted = 0
    for number, fake in enumerate([*FAKES, "\r\n.\r\n", "\0\r\n.\r\n", "\r\n.\0\r\n"]):
        text = f"Subject: fake {number}\r\n\r\nbefore{fake}{EVIL}"
        status, content = host.http.form(sample_email(f"user{number}@163.com") | {"data": text})
        assert status == 200 or (status == 400 and "\0" in fake), (fake, content)
        accepted += status == 200
    nothing_was_smuggled(world, accepted)
