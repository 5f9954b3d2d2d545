"""Receivers with an opinion on how large a message may be (RFC 1870)."""

import pytest

from ..farside import Rule
from .ward import LETTER, Case, Ward

PLAIN = ("PIPELINING", "8BITMIME")
LARGE = LETTER + b"and more, and more\r\n" * 20_000
TOO_SMALL = {"pipelining": (*PLAIN, "SIZE 400"), "lock-step": ("SIZE 400",), "in the reply's last line": ("SIZE 1",)}
# None of these is a limit.
NO_LIMIT = {"0": "SIZE 0", "empty": "SIZE", "no number": "SIZE many", "negative": "SIZE -1", "huge": "SIZE " + "9" * 19}
ANSWERS = {
    "at MAIL": (Rule("mail", "552 5.3.4 message size exceeds the limit"), "552 5.3.4 message size exceeds the limit"),
    "after the dot": (Rule("dot", "552 5.3.4 too large"), "552 5.3.4 too large"),
    "in the middle of the message": (
        Rule("data", raw=b"354 go\r\n552 5.3.4 that is enough\r\n"),
        "552 5.3.4 that is enough",
    ),
}


@pytest.fixture(scope="module")
def cases(ward: Ward) -> dict[str, Case]:
    content = LETTER + b"and more, and more\r\n" * 25
    made = {name: ward.case(extensions=extensions, content=content) for name, extensions in TOO_SMALL.items()}
    made |= {name: ward.case(extensions=(*PLAIN, size)) for name, size in NO_LIMIT.items()}
    made |= {name: ward.case(rule, content=LARGE) for name, (rule, _) in ANSWERS.items()}
    made["just"] = ward.case(extensions=(*PLAIN, f"SIZE {len(LETTER)}"))
    made["space"] = ward.case(Rule("mail", "452 4.3.1 no space for so much", times=1), content=LARGE)
    return made


@pytest.mark.parametrize("name", TOO_SMALL)
def test_what_is_too_large_is_not_sent(cases: dict[str, Case], name: str) -> None:
    """The sender learns both sizes; the receiver hears of no message, let alone its octets."""
    case = cases[name]
    limit = case.far.extensions[-1].removeprefix("SIZE ")
    case.bounced("5.3.4", "the message has 593 octets", f"the host takes {limit}", "邮件太大")
    assert case.far.said("MAIL") == []


@pytest.mark.parametrize("name", NO_LIMIT)
def test_what_is_no_limit_limits_nothing(cases: dict[str, Case], name: str) -> None:
    cases[name].delivered_at_once()


def test_exactly_the_limit_fits(cases: dict[str, Case]) -> None:
    cases["just"].delivered_at_once()
    assert cases["just"].far.said(f"MAIL FROM:<sender@robot.genee.cn> SIZE={len(LETTER)}")


@pytest.mark.parametrize("name", ANSWERS)
def test_a_receiver_without_size_says_so_itself(cases: dict[str, Case], name: str) -> None:
    """At MAIL, after the whole message, or in its middle, where it then hears no more."""
    cases[name].bounced("5.3.4", ANSWERS[name][1], "邮件太大")


def test_no_space_is_for_now(cases: dict[str, Case]) -> None:
    """RFC 1870 §6.1: 452 is about the host's disk, not about the message."""
    cases["space"].deferred("452 4.3.1 no space for so much")
    cases["space"].delivered()
