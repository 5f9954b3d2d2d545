"""Receivers that announce STARTTLS, and what comes of it. Encryption is an opportunity here: what breaks it must not
keep a letter from arriving, nor let anybody put words into the receiver's mouth (RFC 3207, RFC 7435)."""

import threading

import pytest

from ..farside import Rule
from .ward import LETTER, Case, Ward

DEADLINES = {"starttls": 3}
TLS = ("PIPELINING", "8BITMIME", "SIZE 41943040", "STARTTLS")
GO = b"220 2.0.0 go ahead\r\n"
# With these the connection gets no TLS; the letter arrives in the clear, in the same try.
BROKEN = {
    "454": [Rule("starttls", "454 4.7.0 TLS not available")],
    "421": [Rule("starttls", "421 4.7.0 TLS is too much for me")],
    "5yz": [Rule("starttls", "554 5.7.3 no TLS for you")],
    "502": [Rule("starttls", "502 5.5.1 what is STARTTLS?")],
    "354": [Rule("starttls", "354 go ahead")],
    "noise instead of a reply": [Rule("starttls", raw=b"\x00\xff\r\n")],
    "noise instead of TLS": [],
    "the end instead of a reply": [Rule("starttls", hang_up=True)],
    "the end instead of TLS": [Rule("starttls", raw=GO, hang_up=True)],
    "a reset instead of TLS": [Rule("starttls", raw=GO, hang_up=True, reset=True)],
    "a dribble instead of a reply": [Rule("starttls", raw=b"220-go\r\n", drip=0.1, endless=True)],
    "silence instead of TLS": [Rule("handshake", hold=threading.Event(), hang_up=True)],
    "SMTP instead of TLS": [Rule("starttls", raw=GO + b"250 mx\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n")],
}
INJECTED = {
    "a whole reply": b"250 injected\r\n",
    "half a reply": b"250-injected\r\n",
    "EHLO's answer": b"250-mx\r\n250-SIZE 1\r\n250 PIPELINING\r\n",
    "the answers to a whole letter": b"250 mx\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n",
    "less than a line": b"2",
}


@pytest.fixture(scope="module")
def cases(ward: Ward, certificate: str) -> dict[str, Case]:
    made = {name: ward.case(*rules, extensions=TLS) for name, rules in BROKEN.items()}
    for name, octets in INJECTED.items():
        rule = Rule("starttls", raw=GO + octets)
        made[name] = ward.case(rule, extensions=TLS, certificate=certificate)
    made["well"] = ward.case(extensions=TLS, certificate=certificate)
    hello = Rule("ehlo", "250-mx\r\n250 STARTTLS", times=1)
    made["the end within"] = ward.case(hello, Rule("ehlo", hang_up=True, times=1), certificate=certificate)
    hello, no = Rule("ehlo", "250-mx\r\n250 STARTTLS", times=1), Rule("ehlo", "550 5.7.1 who are you?", times=2)
    made["a refusal within"] = ward.case(hello, no, extensions=TLS, certificate=certificate)
    # What is announced in the clear holds in the clear alone: within TLS there is no such limit.
    small = Rule("ehlo", "250-mx\r\n250-SIZE 1\r\n250-PIPELINING\r\n250 STARTTLS", times=1)
    lonely = ("8BITMIME", "STARTTLS")
    made["another EHLO within"] = ward.case(small, extensions=lonely, certificate=certificate)
    return made


def test_a_self_signed_certificate_will_do(cases: dict[str, Case]) -> None:
    """Also one of another name: against who only listens it is as good as any. The history has nothing to say of it."""
    case = cases["well"]
    case.delivered_at_once()
    assert case.far.accepted()[0].encrypted
    assert len(case.far.said("EHLO")) == 2


@pytest.mark.parametrize("name", BROKEN)
def test_broken_tls_keeps_no_letter(cases: dict[str, Case], name: str) -> None:
    """In the clear, and in the same try."""
    case = cases[name]
    case.delivered_at_once()
    assert not case.far.accepted()[0].encrypted


@pytest.mark.parametrize("name", INJECTED)
def test_what_comes_in_the_clear_after_220_is_not_believed(cases: dict[str, Case], name: str) -> None:
    """Somebody between us may have put it there, to be taken for what the receiver says within TLS (CVE-2011-0411).
    That connection ends before its handshake; the letter goes in the clear, where nobody promised more."""
    case = cases[name]
    case.delivered_at_once()
    assert [letter.encrypted for letter in case.far.letters] == [False]
    assert case.far.accepted()[0].content.endswith(LETTER[-20:])


def test_what_was_announced_in_the_clear_is_forgotten(cases: dict[str, Case]) -> None:
    """RFC 3207 §4.2: neither its SIZE nor its PIPELINING counts within TLS (the far side sees what is sent ahead)."""
    case = cases["another EHLO within"]
    case.delivered_at_once()
    assert case.far.accepted()[0].encrypted


def test_an_end_right_after_the_handshake_is_tls_trouble_too(cases: dict[str, Case]) -> None:
    """That is how a host of TLS 1.3 says what it did not like about the handshake."""
    case = cases["the end within"]
    case.delivered_at_once()
    assert not case.far.accepted()[0].encrypted


def test_a_refusal_within_tls_is_the_receivers_word(cases: dict[str, Case]) -> None:
    """It is no reason to try in the clear: the letter waits, and goes encrypted."""
    case = cases["a refusal within"]
    case.deferred("550 5.7.1 who are you?")
    case.delivered()
    assert case.far.accepted()[0].encrypted
