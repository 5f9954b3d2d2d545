"""What becomes of a message that the postoffice can't take now: when it is offered again."""

import pytest

from hedwig.envelope import Envelope
from hedwig.mailman.client import Parcel, Verdict
from hedwig.mailman.outcome import LATER, Passenger, by_verdict
from hedwig.reply import Reply
from hedwig.settings import Mailman
from hedwig.spool import POSTOFFICE, Claim, Recipient, State

NOW = 1_700_000_000.0
FULL = Reply(451, "4.3.1", "the disk is full")
OTHER = Reply(450, "4.2.1", "not now")


@pytest.mark.parametrize(
    ("verdict", "age", "wait"),
    [
        *((Verdict(FULL), 0.5, 2.0), (Verdict(FULL), 10.0, 10.0), (Verdict(FULL), 3600.0, 30.0)),
        *((Verdict(FULL), -3600.0, 2.0), (Verdict(OTHER), 10.0, LATER)),
    ],
)
def test_the_pause(verdict: Verdict, age: float, wait: float) -> None:
    """For a fault of the postoffice's own as long again as it has waited, 2 to 30 s; for what is refused for now for
    another reason 5 minutes. Whatever the clock did meanwhile. Quotas: test_mailman_overquota.py."""
    rcpttos = ("b@example.com",)
    recipients = (Recipient(0, rcpttos[0], 0, 0.0, ""),)
    claim = Claim(
        1, 2, 3, "ID", "c", "a@example.org", POSTOFFICE, recipients, 9, False, NOW - age, NOW + 9e5, False, "", None
    )
    passenger = Passenger(claim, Parcel("ID", Envelope("a@example.org", rcpttos), b"S: x\r\n\r\n", NOW - age, False))
    [result] = by_verdict(passenger, verdict, NOW, Mailman()).results
    assert (result.state, result.due, result.counted) == (State.DEFERRED, NOW + wait, False)
