"""Replies that have many lines, long ones, or never end."""

import pytest

from ..farside import Rule
from .ward import Case, Ward

LINES = "more than 100 lines"
LONG = "more than 65536 octets"
X = b"x" * 65_000
ENDLESS = {
    "banner, lines": (Rule("banner", raw=b"220-hello\r\n" * 100, endless=True, times=1), LINES),
    "banner, one line": (Rule("banner", raw=X, endless=True, times=1), LONG),
    "EHLO, lines": (Rule("ehlo", raw=b"250-XKEYWORD\r\n" * 100, endless=True, times=2), LINES),
    "EHLO, one line": (Rule("ehlo", raw=b"250-" + X, endless=True, times=2), LONG),
    "MAIL, lines": (Rule("mail", raw=b"250-fine\r\n", endless=True, times=1), LINES),
    "RCPT, lines": (Rule("rcpt", raw=b"550-nobody\r\n", endless=True, times=1), LINES),
    "RCPT, one line": (Rule("rcpt", raw=b"550 nobody" + X, endless=True, times=1), LONG),
    "DATA, lines": (Rule("data", raw=b"354-go\r\n", endless=True, times=1), LINES),
    "RCPT, one after the other": (Rule("rcpt", raw=b"250 fine\r\n", endless=True, times=1), "protocol error"),
}
CONTRADICTIONS = {
    "yes, then no": Rule("rcpt", "250-fine\r\n550 nobody here", times=1),
    "no, then yes": Rule("rcpt", "550-nobody here\r\n250 fine", times=1),
    "a line without code": Rule("rcpt", "550-nobody\r\nhere\r\n550 of that name", times=1),
}
LENGTHY = {
    "banner": Rule("banner", "220-hello\r\n" * 99 + "220 hello"),
    "EHLO": Rule("ehlo", "250-XKEYWORD\r\n" * 98 + "250-PIPELINING\r\n250 8BITMIME"),
    "MAIL": Rule("mail", "250-fine\r\n" * 99 + "250 fine"),
    "DATA": Rule("data", "354-go\r\n" * 99 + "354 on"),
    "dot": Rule("dot", "250-2.0.0 taken\r\n" * 99 + "250 2.0.0 taken"),
    "a long line": Rule("dot", "250 2.0.0 " + "taken " * 10_000),
}


@pytest.fixture(scope="module")
def cases(ward: Ward) -> dict[str, Case]:
    rules = {name: rule for name, (rule, _) in ENDLESS.items()} | CONTRADICTIONS | LENGTHY
    return {name: ward.case(rule) for name, rule in rules.items()}


@pytest.fixture(scope="module")
def told_at_length(ward: Ward) -> Case:
    lines = [f"550-5.1.1 reason {number}" for number in range(90)]
    return ward.case(Rule("rcpt", "\r\n".join([*lines, "550 5.1.1 nobody here"])))


@pytest.fixture(scope="module")
def endless_at_the_dot(ward: Ward) -> Case:
    return ward.case(Rule("dot", raw=b"250-2.0.0 taken\r\n", endless=True, times=1))


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_reply_is_cut_short(cases: dict[str, Case], name: str) -> None:
    """It ends the connection at once, whatever its beginning said; the letter waits, and arrives once."""
    cases[name].deferred(ENDLESS[name][1])
    cases[name].delivered()


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_reply_that_contradicts_itself_decides_nothing(cases: dict[str, Case], name: str) -> None:
    """What is not understood means retry: no recipient is failed by half a sentence."""
    cases[name].deferred("protocol error")
    cases[name].delivered()


@pytest.mark.parametrize("name", LENGTHY)
def test_a_long_reply_is_read(cases: dict[str, Case], name: str) -> None:
    cases[name].delivered_at_once()


def test_a_long_refusal_is_told_to_the_sender(told_at_length: Case) -> None:
    """Its lines as one text, the repeated status once."""
    told_at_length.bounced("5.1.1", "550 5.1.1 reason 0 reason 1 reason 2")


def test_an_endless_yes_to_the_dot_leaves_a_doubt(endless_at_the_dot: Case) -> None:
    """It never became a reply: said to be in doubt, tried again, and then delivered (I5)."""
    case = endless_at_the_dot
    case.met("in_doubt", "delivered")
    assert len(case.far.letters) == 2
    said = case.history()
    assert said.index("in doubt") < said.rindex("delivered")
    assert LINES in said
