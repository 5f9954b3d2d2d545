"""Postfix's smtp-sink as the receiver, with each of its fault switches: refusals, drops, 421, delays, old protocols."""

from dataclasses import dataclass

import pytest

from ..submit import SENDER
from ..waiting import until
from .sink import Sink
from .ward import LETTER, Ward

LARGE = LETTER + b"and more, and more, and more\r\n" * 25_000
LATER = "450 4.3.0 Error: command failed"
NEVER = "500 5.3.0 Error: command failed"
SHUT = "421 4.0.0 Server closing connection"
DROPPED = "connection closed by the far side"
OPENING = ("CONNECT", "HELO,EHLO")
LISTED = "554 5.7.1 listed at example.org"
# Switches, and the reason that the operator reads while the letter waits. Then the sink is started anew without them.
PUT_OFF = {
    **{f"soft at {command}": (("-r", command), LATER) for command in (*OPENING, "MAIL", "RCPT", "DATA", ".")},
    **{f"hard at {command}": (("-f", command), NEVER) for command in OPENING},
    **{f"drop at {command}": (("-q", command), DROPPED) for command in (*OPENING, "MAIL", "RCPT", "DATA")},
    **{f"421 at {command}": (("-Q", command), SHUT) for command in (*OPENING, "MAIL", "RCPT", "DATA", ".")},
    "an LMTP server": (("-L",), "Error: unknown command"),
    "soft in other words": (("-r", "RCPT", "-b", "450 4.2.0 greylisted, see example.org"), "450 4.2.0 greylisted, see"),
}
BOUNCED = {
    **{f"hard at {command}": (("-f", command), "5.3.0", NEVER) for command in ("MAIL", "RCPT", "DATA", ".")},
    "in other words": (("-f", "DATA", "-B", LISTED), "5.7.1", LISTED),
    "without a status": (("-E", "-f", "RCPT", "-B", "550 nobody"), "5.0.0", "550 nobody"),
    "in the middle of the message": (("-A", "0"), "5.0.0", "550 This violates SMTP"),
}
AT_ONCE = {
    "plain": (),
    "no ESMTP": ("-e",),
    "EHLO alone is refused": ("-f", "EHLO"),
    "a CISCO PIX in between": ("-P",),
    "no 8BITMIME": ("-8",),
    "no PIPELINING": ("-p",),
    "no ENHANCEDSTATUSCODES": ("-E",),
    "no DSN": ("-N",),
    "none of them": ("-8", "-E", "-N", "-p", "-a", "-C", "-F"),
    "slow to take DATA": ("-w", "1"),
    "slow to answer RCPT": ("-p", "-W", "RCPT:1"),  # in lock-step: a pipelined DATA would overtake the delay
    "slow to answer the dot": ("-W", ".:1"),
    "slow to read": ("-H", "1", "-T", "2048"),
    "a refused QUIT": ("-f", "QUIT"),
    "a drop at QUIT": ("-q", "QUIT"),
    "one connection at a time": ("-m", "1"),
}
WITH_HELO = ("no ESMTP", "EHLO alone is refused", "a CISCO PIX in between")


@dataclass
class Sent:
    """One sink, and the letter to somebody there."""

    sink: Sink
    rcptto: str
    queue_id: str


def sent_to(ward: Ward, *switches: str) -> Sent:
    """A letter that is under way: a large one where the sink does something in the middle of it."""
    domain, address = ward.place()
    sink = Sink(ward.world.directory, address, *switches)
    ward.world.at_end(sink.close)
    content = LARGE if {"-A", "-H"} & set(switches) else LETTER
    return Sent(sink, f"user@{domain}", ward.send(content, f"user@{domain}"))


@pytest.fixture(scope="module")
def put_off(ward: Ward) -> dict[str, Sent]:
    """Each has met its trouble; then all the sinks are well."""
    found = {name: sent_to(ward, *switches) for name, (switches, _) in PUT_OFF.items()}
    for name, each in found.items():
        until(f"{name}: deferred", lambda each=each: "deferred" in ward.kinds(each.queue_id, each.rcptto))
        each.sink.restart()
    return found


@pytest.fixture(scope="module")
def others(ward: Ward) -> dict[str, Sent]:
    switches = {name: found for name, (found, _, _) in BOUNCED.items()} | AT_ONCE
    return {name: sent_to(ward, *found) for name, found in switches.items()}


@pytest.mark.parametrize("name", PUT_OFF)
def test_it_waits_and_arrives_once(ward: Ward, others: dict[str, Sent], put_off: dict[str, Sent], name: str) -> None:
    """The reason stands in `hedwig queue show`."""
    each = put_off[name]
    until("the letter", lambda: "delivered" in ward.kinds(each.queue_id, each.rcptto))
    assert PUT_OFF[name][1] in ward.history(each.queue_id)
    assert each.rcptto not in ward.waiting()
    assert not {"failed", "in_doubt", "bounced"} & set(ward.kinds(each.queue_id, each.rcptto))
    # What was refused after its dot was dumped too.
    assert each.sink.copies(since=2) == {each.rcptto: 1}


@pytest.mark.parametrize("name", BOUNCED)
def test_the_sender_reads_the_words(ward: Ward, others: dict[str, Sent], name: str) -> None:
    """It is not tried a second time."""
    each = others[name]
    _, status, words = BOUNCED[name]
    report = ward.bounce(each.rcptto)
    assert report.failed == {each.rcptto: status}
    assert words in " ".join(report.text.split())
    assert each.rcptto not in ward.waiting()
    assert ward.kinds(each.queue_id, each.rcptto) == ["failed"]


@pytest.mark.parametrize("name", AT_ONCE)
def test_it_arrives_at_the_first_try(ward: Ward, others: dict[str, Sent], name: str) -> None:
    """Whole, once, and greeted in the way that the sink understands."""
    each = others[name]
    until("the letter", lambda: ward.kinds(each.queue_id, each.rcptto))
    assert ward.kinds(each.queue_id, each.rcptto) == ["delivered"]
    [letter] = each.sink.dumped()
    assert letter.rcpttos == (each.rcptto,)
    assert letter.mail.startswith(f"<{SENDER}>")
    assert letter.helo == "robot.genee.cn"
    assert letter.proto == ("SMTP" if name in WITH_HELO else "ESMTP")
    content = LARGE if name == "slow to read" else LETTER
    assert letter.content.endswith(content.replace(b"\r\n", b"\n"))


def test_a_drop_after_the_dot_is_a_doubt(ward: Ward) -> None:
    """Said so, and tried again: the sink has it twice, each time with the same Message-ID (I5)."""
    each = sent_to(ward, "-q", ".")
    until("the doubt", lambda: "in_doubt" in ward.kinds(each.queue_id, each.rcptto))
    each.sink.restart()
    until("the letter", lambda: "delivered" in ward.kinds(each.queue_id, each.rcptto))
    said = ward.history(each.queue_id)
    assert said.index("in doubt") < said.rindex("delivered")
    assert each.sink.copies(since=2) == {each.rcptto: 1}
    assert each.sink.copies()[each.rcptto] > 1


def test_a_letter_to_many_is_one_transaction(ward: Ward) -> None:
    """Its recipients are named one after the other, and its body goes over once."""
    domain, address = ward.place()
    sink = Sink(ward.world.directory, address)
    ward.world.at_end(sink.close)
    everyone = [f"user{number}@{domain}" for number in range(40)]
    ward.send(LETTER, *everyone)
    until("the letter", lambda: not ward.waiting() & set(everyone))
    [letter] = sink.dumped()
    assert sorted(letter.rcpttos) == sorted(everyone)
