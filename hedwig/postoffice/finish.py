"""What acceptance does to a letter, in this order and nowhere else: the client's policy (size, quotas), who it is from
(policy.aligned), List-Unsubscribe, and last the signature, as nothing may change after it.

The digest by which a repeat is known again is that of what was submitted, and stays (I3). The header is read once, and
only where something asks for it; the body is never read here, but by the signer, and goes on as the same object (I6).

What mailman reports to its own containers passes under no rule but the host's quota (I7): it has the null sender, one
recipient, no container that handed it in, and mailman's own From to the letter, so that nobody can use that way to be
somebody else. Over the quota it waits in mailman's spool.
A refusal is a Refused; a repeat of what was accepted before a rule changed must be told apart by who calls.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

from hedwig.choices import Priority
from hedwig.dsn.letterhead import sender
from hedwig.envelope import Envelope
from hedwig.header import RESENT, Header, read
from hedwig.policy import Aligned, Refused, aligned, has_rules_of_from, oversized
from hedwig.postoffice.quotas import Quotas
from hedwig.postoffice.registration import priority_of
from hedwig.postoffice.submission import Submission, headed, needs_smtputf8
from hedwig.settings import MIB, Client
from hedwig.spool import Body

MOST_OF_REPORT = 2 * MIB
_PLACE = re.compile(r"\{(id|recipient)\}")
# What a letter may have of it beside List-Unsubscribe, and means nothing then.
_UNSUBSCRIBES = (b"list-unsubscribe-post",)

Signer = Callable[[Submission], Submission]


@dataclass(frozen=True, slots=True)
class Finished:
    """A letter that may be registered. `charges`: see Quotas.charge; `changes`: what was done, for the journal."""

    submission: Submission
    charges: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


class Finishing:
    """`signer` signs what is as it will be sent; without one nobody does."""

    def __init__(self, quotas: Quotas, signer: Signer = lambda submission: submission) -> None:
        self._quotas = quotas
        self._signer = signer

    def finish(self, client: Client, submission: Submission, now: float, *, again: bool = False) -> Finished | Refused:
        """Do all of it. `again`: another of the same request has its ID, so it can't be accepted, and is charged
        nothing. OSError as the body has it."""
        if _is_own_report(client, submission):
            charges = () if again else self._quotas.charge(client, None, 1, now)
            return charges if isinstance(charges, Refused) else self._signed(client, submission, charges, now)
        refused = oversized(client, submission.body.size)
        if refused:
            return refused
        aligning, listing = has_rules_of_from(client), _is_listed(client, submission)
        header = read(_first(submission.body)) if aligning or listing else None
        who = None
        if aligning and header is not None:
            found = aligned(client, submission.envelope, header)
            if isinstance(found, Refused):
                return found
            who = found
        recipients = len(submission.envelope.rcpttos)
        charges = () if again else self._quotas.charge(client, submission.submitter, recipients, now)
        if isinstance(charges, Refused):
            return charges
        try:
            changed = submission
            if header is not None:
                wanted = listing and header.whole and not header.get(b"list-unsubscribe")
                changed = _changed(submission, who, _unsubscribe(client, submission) if wanted else b"", header)
            signed = self._signer(changed)
        except BaseException:  # whatever it is, it is not accepted
            self._quotas.give_back(client.fqdn, charges, recipients, now)
            raise
        return Finished(signed, charges, who.changes if who else ())

    def _signed(self, client: Client, report: Submission, charges: tuple[str, ...], now: float) -> Finished:
        try:
            return Finished(self._signer(report), charges)
        except BaseException:  # whatever it is, it is not accepted
            self._quotas.give_back(client.fqdn, charges, 1, now)
            raise


def _changed(submission: Submission, who: Aligned | None, added: bytes, header: Header) -> Submission:
    envelope, raw = submission.envelope, header.raw
    if who is not None and who.mailfrom != envelope.mailfrom:
        envelope = Envelope(who.mailfrom, envelope.rcpttos)
    gone = (*(who.gone if who is not None else ()), *(_UNSUBSCRIBES if added else ()))
    added = (who.added if who is not None else b"") + added
    if added or any(header.get(name) for name in gone):
        raw = header.edited(gone, added)
    if raw is header.raw and envelope is submission.envelope:
        return submission
    body = submission.body if raw is header.raw else headed(submission.body, raw, len(header.raw))
    smtputf8 = submission.smtputf8 or needs_smtputf8(envelope)
    return replace(submission, envelope=envelope, body=body, smtputf8=smtputf8)


def _is_own_report(client: Client, submission: Submission) -> bool:
    """Whether mailman has made it: to one recipient, of moderate size, and nothing in its header may tell any reader
    that it is from somebody else."""
    envelope = submission.envelope
    if envelope.mailfrom or submission.submitter or len(envelope.rcpttos) != 1 or submission.body.size > MOST_OF_REPORT:
        return False
    header = read(_first(submission.body))
    if header.odd or not header.whole or any(header.get(name) for name in (b"sender", b"reply-to", *RESENT)):
        return False
    fields = header.get(b"from")
    return len(fields) == 1 and fields[0].value.strip() == sender(client.fqdn).encode()


def _is_listed(client: Client, submission: Submission) -> bool:
    """Whether List-Unsubscribe is wanted: RFC 8058 §3.1 wants a URI that tells who unsubscribes, so one recipient."""
    return (
        bool(client.list_unsubscribe)
        and len(submission.envelope.rcpttos) == 1
        and priority_of(client, submission.options) is Priority.BULK
    )


def _unsubscribe(client: Client, submission: Submission) -> bytes:
    """The two fields of RFC 8058 §3.1, folded before the URI, which may be long."""
    known = {"id": submission.queue_id, "recipient": submission.envelope.rcpttos[0]}
    uri = _PLACE.sub(lambda found: quote(known[found[1]], safe=""), client.list_unsubscribe)
    return f"List-Unsubscribe:\r\n <{uri}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode()


def _first(body: Body) -> bytes:
    return next(iter(body.pieces()), b"")
