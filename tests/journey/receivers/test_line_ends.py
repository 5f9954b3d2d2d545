"""Replies whose lines end with LF alone, or hold what no reply may hold."""

import pytest

from ..farside import Rule
from .ward import Case, Ward

BARE_LF = {
    "banner": Rule("banner", raw=b"220-hello\n220 mx\n"),
    "EHLO": Rule("ehlo", raw=b"250-mx\n250-SIZE 1000000\n250-8BITMIME\n250 PIPELINING\n"),
    "EHLO, mixed": Rule("ehlo", raw=b"250-mx\r\n250-SIZE 1000000\n250 PIPELINING\r\n"),
    "MAIL": Rule("mail", raw=b"250 2.1.0 fine\n"),
    "RCPT": Rule("rcpt", raw=b"250 2.1.5 fine\n"),
    "DATA": Rule("data", raw=b"354 go\n"),
    "dot": Rule("dot", raw=b"250 2.0.0 taken\n"),
    "QUIT": Rule("quit", raw=b"221 bye\n"),
}
ODD = {
    "a bare CR": (b"550 5.1.1 nobody\rhere\r\n", "550 5.1.1 nobody here"),
    "two CRs": (b"550 5.1.1 nobody here\r\r\n", "550 5.1.1 nobody here"),
    "NUL": (b"550 5.1.1 nobody\0here\r\n", "550 5.1.1 nobody here"),
    "a terminal's escapes": (b"550 5.1.1 \x1b[2Jnobody\x1b[31m here\r\n", "550 5.1.1 [2Jnobody [31m here"),
    "no UTF-8": (b"550 5.1.1 nobody \xc4\xe3 here\r\n", "550 5.1.1 nobody \ufffd\ufffd here"),
    "UTF-8": ("550 5.1.1 查无此人\r\n".encode(), "550 5.1.1 查无此人"),
    "a header": (b"550 5.1.1 nobody\x0bBcc: x@evil.example\x85here\r\n", "550 5.1.1 nobody Bcc: x@evil.example"),
}


@pytest.fixture(scope="module")
def cases(ward: Ward) -> dict[str, Case]:
    rules = {name: Rule("rcpt", raw=raw) for name, (raw, _) in ODD.items()} | BARE_LF
    rules["all"] = Rule("noop")
    found = {name: ward.case(rule) for name, rule in rules.items() if name != "all"}
    every = [Rule(rule.stage, raw=rule.raw) for name, rule in BARE_LF.items() if name != "EHLO, mixed"]
    return found | {"all": ward.case(*every)}


@pytest.mark.parametrize("name", [*BARE_LF, "all"])
def test_a_line_feed_alone_ends_a_line_too(cases: dict[str, Case], name: str) -> None:
    """Such hosts get their mail at the first try; what we send has CRLF all the same (the far side sees to that)."""
    cases[name].delivered_at_once()


@pytest.mark.parametrize("name", ODD)
def test_nothing_of_a_reply_breaks_out_of_its_line(cases: dict[str, Case], name: str) -> None:
    """The sender and the operator read the words; what is no text in them is a blank (I11)."""
    case = cases[name]
    case.bounced("5.1.1", ODD[name][1])
    assert ODD[name][1] in case.history()
    [report] = [case.ward.bounce(rcptto) for rcptto in case.rcpttos]
    assert not [octet for octet in report.whole.header if octet < " " and octet not in "\r\n\t"]
    assert "evil.example" not in report.whole.header
