"""Domains that take no mail, for good: an immediate failure and a bounce that says so."""

import pytest

from . import reports
from .submit import SAMPLE, SENDER
from .waiting import until
from .world import HOME, World


@pytest.mark.parametrize(
    ("records", "status"),
    [
        ("nomail.example. MX 0 .", "5.1.10"),  # RFC 7505
        ("unrelated.example. A 192.0.2.1", "5.1.2"),  # NXDOMAIN
        ('nomail.example. TXT "neither MX nor address"', "5.1.2"),
    ],
    ids=["null MX", "NXDOMAIN", "no address"],
)
def test_fails_at_once_and_bounces(world: World, records: str, status: str) -> None:
    """The DSN has the null sender, names recipient and status, and holds the letter's headers (RFC 3464)."""
    world.dns(records)
    home = world.far(HOME)
    host = world.host().start()
    queue_id = world.msmtp.send(SAMPLE, "stenote@nomail.example")
    bounce = until("the bounce", home.accepted)[0]
    report = reports.read(bounce)
    assert bounce.rcpttos == (SENDER,)
    assert report.failed == {"stenote@nomail.example": status}
    assert "stenote@nomail.example" in report.text
    assert b"Subject: Hello World" in bounce.content
    until("an empty queue", lambda: not host.is_queued(queue_id))
    assert status in host.history(queue_id)


def test_a_bounce_that_fails_ends(world: World) -> None:
    """The null sender gets no answer (I7): nothing stays behind, nothing loops."""
    world.dns("nomail.example. MX 0 .")
    host = world.host().start()
    queue_id = world.msmtp.send(SAMPLE, "stenote@nomail.example", sender="someone@nomail.example")
    until("an empty queue", lambda: "nomail.example" not in host.listed())
    assert "5.1.10" in host.history(queue_id)
