"""Receivers that are slow, old, broken or in a bad mood still get their letter, once."""

import pytest

from .farside import Rule
from .submit import SAMPLE, sample_email
from .waiting import until
from .world import World, mx

TLS = ("PIPELINING", "8BITMIME", "SIZE 41943040", "STARTTLS")
MOODS = {
    "greylists": Rule("rcpt", "451 4.7.1 greylisted", times=1),
    "is out of space at DATA": Rule("data", "452 4.3.1 no space", times=1),
    "is out of space after the dot": Rule("dot", "452 4.3.1 no space", times=1),
    "says 421 at MAIL": Rule("mail", "421 4.3.2 shutting down", times=1),
    "says 421 at RCPT": Rule("rcpt", "421 4.7.0 too many", times=1),
    "says 421 after the dot": Rule("dot", "421 4.3.2 shutting down", times=1),
    "hangs up at MAIL": Rule("mail", hang_up=True, times=1),
    "hangs up at RCPT": Rule("rcpt", hang_up=True, times=1),
    "hangs up at DATA": Rule("data", hang_up=True, times=1),
    "resets at MAIL": Rule("mail", hang_up=True, reset=True, times=1),
    "drips its greeting": Rule("banner", "220 slow indeed", drip=0.02),
    "drips its EHLO": Rule("ehlo", "250-slow\r\n250 8BITMIME", drip=0.02),
    "greets at length": Rule("banner", "220-one\r\n220-two\r\n220 three"),
    "answers without text": Rule("mail", "250"),
}


@pytest.mark.parametrize("extensions", [("PIPELINING", "8BITMIME"), ("8BITMIME",)], ids=["pipelining", "none"])
@pytest.mark.parametrize("mood", MOODS)
def test_gets_its_letter_once(world: World, mood: str, extensions: tuple[str, ...]) -> None:
    """With PIPELINING and without."""
    world.dns(mx("163.com", "192.0.2.1"))
    rule = MOODS[mood]
    fresh = Rule(rule.stage, rule.reply, times=rule.times, hang_up=rule.hang_up, reset=rule.reset, drip=rule.drip)
    far = world.far("192.0.2.1", fresh, extensions=extensions)
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    assert host.http.form(sample_email("stenote@163.com"))[0] == 200
    until("the letter", far.accepted)
    until("an empty queue", lambda: "stenote@163.com" not in host.listed())
    assert far.copies() == {"stenote@163.com": 1}


def test_an_old_server_that_knows_helo_alone(world: World) -> None:
    """EHLO is refused with 502; HELO it is (RFC 5321 §3.2)."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", Rule("ehlo", "502 5.5.1 what is EHLO?", to="EHLO"), extensions=())
    world.host().start()
    world.msmtp.send(SAMPLE, "stenote@163.com")
    until("the letter", far.accepted)


def test_starttls_is_used(world: World, certificate: str) -> None:
    """Opportunistic: a self-signed certificate is good enough (RFC 7435)."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", extensions=TLS, certificate=certificate)
    world.host().start()
    world.msmtp.send(SAMPLE, "stenote@163.com")
    assert until("the letter", far.accepted)[0].encrypted


@pytest.mark.parametrize("refusal", ["", "454 4.7.0 no TLS today"], ids=["noise", "454"])
def test_broken_starttls_does_not_block_mail(world: World, refusal: str) -> None:
    """In the clear instead, since encryption was only an opportunity."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", *([Rule("starttls", refusal)] if refusal else []), extensions=TLS)
    world.host().start()
    world.msmtp.send(SAMPLE, "stenote@163.com")
    assert not until("the letter", far.accepted)[0].encrypted


def test_many_letters_share_connections(world: World) -> None:
    """200 letters to one site: at most ten connections a process, and far fewer than letters."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    for number in range(200):
        assert host.http.form(sample_email(f"user{number}@163.com"))[0] == 200
    until("all letters", lambda: len(far.copies()) == 200)
    assert far.most_open <= 10
    assert far.connections < 100
