"""Receivers that refuse EHLO, break off there, or announce nothing or nonsense."""

import pytest

from ..farside import Rule
from .ward import Case, Ward

# `times` are counted by greeting: EHLO and HELO on one connection are two. What breaks off there may be TLS's fault, so
# that another try without it follows at once: that too must fail before the letter waits.
WRONG = {
    "EHLO and HELO are refused": ([Rule("ehlo", "550 5.7.1 unknown host", times=2)], "550 5.7.1 unknown host"),
    "EHLO is put off": ([Rule("ehlo", "451 4.7.1 your PTR is being looked up", times=1)], "4.7.1 your PTR is being lo"),
    "EHLO gets 421": ([Rule("ehlo", "421 4.7.0 go slower", times=1)], "421 4.7.0 go slower"),
    "EHLO gets 354": ([Rule("ehlo", "354 go ahead", times=2)], "at ehlo; protocol error: 354 at EHLO"),
    "EHLO gets noise": ([Rule("ehlo", raw=b"\xff\xfe\x00\r\n", times=2)], "at ehlo; protocol error: not an SMTP reply"),
    "EHLO ends it": ([Rule("ehlo", hang_up=True, times=2)], "at ehlo; connection closed by the far side"),
    "EHLO is reset": ([Rule("ehlo", hang_up=True, reset=True, times=2)], "at ehlo; connection reset by peer"),
    "HELO is put off": (
        [Rule("ehlo", "502 5.5.1 what is EHLO?", to="EHLO"), Rule("ehlo", "450 4.3.2 later", to="HELO", times=1)],
        "450 4.3.2 later",
    ),
    "HELO ends it": (
        [Rule("ehlo", "502 5.5.1 what is EHLO?", to="EHLO"), Rule("ehlo", hang_up=True, to="HELO", times=2)],
        "at ehlo; connection closed by the far side",
    ),
    "two answers": ([Rule("ehlo", raw=b"250 hello\r\n250 again\r\n", times=2)], "at mail; protocol error: 250 when no"),
}
RIGHT = {
    "HELO alone is known": [Rule("ehlo", "502 5.5.1 what is EHLO?", to="EHLO")],
    "EHLO is refused for ever": [Rule("ehlo", "554 5.7.1 no ESMTP", to="EHLO")],
    "nothing is announced": [Rule("ehlo", "250 hello")],
    "not even a name": [Rule("ehlo", "250")],
    "keywords in lower case": [Rule("ehlo", "250-mx\r\n250-pipelining\r\n250-size 1000000\r\n250 8bitmime")],
    "nonsense is announced": [Rule("ehlo", "250-mx\r\n250-\r\n250-SIZE=9 ; rm\r\n250-PIPELINING no\r\n250 =?")],
    "the same twice": [Rule("ehlo", "250-mx\r\n250-SIZE 1\r\n250-SIZE 1000000\r\n250-PIPELINING\r\n250 PIPELINING")],
    "different codes of 2yz": [Rule("ehlo", "251-mx\r\n250 SIZE 1000000")],
}


@pytest.fixture(scope="module")
def cases(ward: Ward) -> dict[str, Case]:
    table = {name: rules for name, (rules, _) in WRONG.items()} | RIGHT
    return {name: ward.case(*rules) for name, rules in table.items()}


@pytest.mark.parametrize("name", WRONG)
def test_no_session_puts_off(cases: dict[str, Case], name: str) -> None:
    """Whatever EHLO gets is about us: the letter waits, with the receiver's words, and arrives once."""
    cases[name].deferred(WRONG[name][1])
    cases[name].delivered()


@pytest.mark.parametrize("name", RIGHT)
def test_an_odd_answer_is_an_answer(cases: dict[str, Case], name: str) -> None:
    """RFC 5321 §3.2: who does not know EHLO gets HELO. What is announced wrongly is not announced."""
    cases[name].delivered_at_once()
