"""Domains that take no mail, for good: an immediate failure, and a bounce that says so."""

from dataclasses import dataclass

import pytest

from ..submit import SENDER
from ..waiting import until
from .ward import LETTER, Ward

# The domain, its records, and the status that the sender gets.
NONE = {
    "null MX": ("null.example", "null.example. MX 0 .", "5.1.10"),  # RFC 7505
    "NXDOMAIN": ("gone.example", "", "5.1.2"),
    "no address": ("text.example", 'text.example. TXT "neither MX nor address"', "5.1.2"),
    "MX without address": ("lost.example", "lost.example. MX 10 gone.lost.example.", "5.4.4"),
    "MX that is no host": ("odd.example", "odd.example. MX 10 192.0.2.1.", "5.4.4"),
}
MORE = [records for _, records, _ in NONE.values()]


@dataclass
class Sent:
    """A letter to somebody there."""

    rcptto: str
    queue_id: str


@pytest.fixture(scope="module")
def sent(ward: Ward) -> dict[str, Sent]:
    rcpttos = {name: f"stenote@{domain}" for name, (domain, _, _) in NONE.items()}
    return {name: Sent(rcptto, ward.send(LETTER, rcptto)) for name, rcptto in rcpttos.items()}


@pytest.mark.parametrize("name", NONE)
def test_it_fails_at_once_and_bounces(ward: Ward, sent: dict[str, Sent], name: str) -> None:
    """The DSN has the null sender, names recipient and status, and holds the letter's header (RFC 3464)."""
    each, status = sent[name], NONE[name][2]
    report = ward.bounce(each.rcptto)
    assert report.whole.rcpttos == (SENDER,)
    assert report.failed == {each.rcptto: status}
    assert f"<{each.rcptto}>" in report.text
    assert b"Subject: Hello World" in report.whole.content
    until("its end", lambda: each.rcptto not in ward.waiting())
    assert ward.kinds(each.queue_id, each.rcptto) == ["failed"]
    assert status in ward.history(each.queue_id)


def test_a_bounce_that_fails_ends(ward: Ward) -> None:
    """The null sender gets no answer (I7): nothing stays behind, nothing loops."""
    nobody = "someone@null.example"
    queue_id = ward.send(LETTER, "stenote@null.example", mailfrom=nobody)
    until("the failure", lambda: "failed" in ward.kinds(queue_id, "stenote@null.example"))
    until("the end of its bounce", lambda: nobody not in ward.waiting())
    [report] = [line.split("report=")[1].split()[0] for line in reports_to(ward, nobody)]
    assert ward.kinds(report, nobody) == ["failed"]
    assert "5.1.10" in ward.history(report)


def reports_to(ward: Ward, sender: str) -> list[str]:
    """What the worker's log says of reports to this sender."""
    return [line for line in ward.host["worker-1"].words().splitlines() if f"bounced: to=<{sender}>" in line]
