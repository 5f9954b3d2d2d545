"""The first word of a receiver: none, a late one, a refusal, or no SMTP at all."""

import threading

import pytest

from ..farside import Rule
from .ward import Case, Ward

DEADLINES = {"banner": 3, "quit": 1}
AHEAD = "EHLO's answer ahead"
HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
# What is said once, and what the operator reads of it. No greeting is about the recipient: whatever it is, the letter
# waits, is tried again and arrives.
WRONG = {
    "421": (Rule("banner", "421 4.3.2 too busy, come later", times=1), "421 4.3.2 too busy, come later"),
    "450": (Rule("banner", "450 4.7.1 not yet", times=1), "450 4.7.1 not yet"),
    "554": (Rule("banner", "554 5.7.1 no mail from you", times=1), "554 5.7.1 no mail from you"),
    "554 in lines": (
        Rule("banner", "554-you are listed\r\n554 see example.org", times=1),
        "554 you are listed see exam",
    ),
    "354": (Rule("banner", "354 go ahead", times=1), "protocol error: 354 at BANNER"),
    "HTTP": (Rule("banner", raw=HTTP, times=1), "not an SMTP reply: 'HTTP/1.1 400 Bad Request'"),
    "TLS": (Rule("banner", raw=b"\x15\x03\x01\x00\x02\x02\x28\r\n", times=1), "not an SMTP reply"),
    "an empty line": (Rule("banner", raw=b"\r\n220 hello\r\n", times=1), "not an SMTP reply: ''"),
    "half a code": (Rule("banner", raw=b"22\r\n", times=1), "not an SMTP reply: '22'"),
    # Twice: what breaks in EHLO may be TLS's fault, so that another try without it follows at once.
    AHEAD: (Rule("banner", raw=b"220 hello\r\n250 hello\r\n", times=2), "250 when no reply was due"),
    "the end": (Rule("banner", hang_up=True, times=1), "connection closed by the far side"),
    "a reset": (Rule("banner", hang_up=True, reset=True, times=1), "connection reset by peer"),
    "half a line and the end": (Rule("banner", raw=b"220 hel", hang_up=True, times=1), "closed by the far side"),
    "silence": (Rule("banner", hold=threading.Event(), hang_up=True, times=1), "no reply within 3 s"),
    "half a line": (Rule("banner", raw=b"220 hel", times=1), "no reply within 3 s"),
    "a line of many, and no last one": (Rule("banner", raw=b"220-hello\r\n", times=1), "no reply within 3 s"),
}
RIGHT = {
    "late": Rule("banner", "220 slow", drip=0.2),
    "in lines": Rule("banner", "220-one\r\n220-two\r\n220 three"),
    "without text": Rule("banner", "220"),
    "in Chinese": Rule("banner", "220 海德薇"),
    "in GBK": Rule("banner", raw="220 你好\r\n".encode("gbk")),
    "2yz, but not 220": Rule("banner", "250 hello"),
}


@pytest.fixture(scope="module")
def cases(ward: Ward) -> dict[str, Case]:
    return {name: ward.case(rule) for name, (rule, _) in WRONG.items()} | {
        name: ward.case(rule) for name, rule in RIGHT.items()
    }


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_greeting_puts_off(cases: dict[str, Case], name: str) -> None:
    """The letter waits with the greeting as its reason, and arrives once when the receiver is well again."""
    stage = {AHEAD: "at ehlo", "a reset": "at "}.get(name, "at banner")  # a reset may come while we still connect
    cases[name].deferred(WRONG[name][1], stage)
    cases[name].delivered()


@pytest.mark.parametrize("name", RIGHT)
def test_an_odd_greeting_is_a_greeting(cases: dict[str, Case], name: str) -> None:
    cases[name].delivered_at_once()
