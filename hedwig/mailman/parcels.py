"""From messages of mailman's own spool to the batches that travel."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from hedwig.envelope import Envelope
from hedwig.mailman.client import MOST_OCTETS, Parcel
from hedwig.mailman.outcome import Passenger
from hedwig.message import message_id_of
from hedwig.spool import Claim, Intake, Look, Work


class Spool(Intake, Work, Look, Protocol):
    """The whole spool."""


def parcel_of(spool: Spool, claim: Claim) -> Parcel:
    """It as it travels; its body is read where it did not come with the claim. SpoolTrouble."""
    body = claim.content if claim.content is not None else b"".join(spool.body(claim.message))
    rcpttos = tuple(recipient.address for recipient in claim.recipients)
    return Parcel(
        claim.queue_id,
        Envelope(claim.mailfrom, rcpttos),
        body,
        claim.accepted_at,
        claim.smtputf8,
        claim.options,
        message_id_of(body),
        claim.submitter,
    )


def batches(passengers: Iterable[Passenger]) -> Iterator[list[Passenger]]:
    """Cut by octets as the postoffice wants it; a message over the bound goes alone. Bodies are read as they are
    needed, so that one batch at a time is in memory."""
    batch: list[Passenger] = []
    octets = 0
    for passenger in passengers:
        octets += len(passenger.parcel.body)
        if batch and octets > MOST_OCTETS:
            yield batch
            batch, octets = [], len(passenger.parcel.body)
        batch.append(passenger)
    if batch:
        yield batch
