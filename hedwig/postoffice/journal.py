"""What acceptance writes into the journal: letters that were accepted, changed on the way in, or refused by their
client's policy.

A program that is refused asks again and again: of each client and reason there is a line for the first refusals of a
minute, and the others are counted (quiet.py).
"""

import threading
from collections.abc import Sequence

from hedwig import log
from hedwig.options import submitter_of
from hedwig.policy import Refused
from hedwig.postoffice.submission import Submission
from hedwig.quiet import Quiet
from hedwig.settings import Client
from hedwig.spool import NewMessage, Superseded

_NAMED = 5
_LINES = 5  # a minute, of one client and reason


class Refusals:
    """For many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._quiet = Quiet(_LINES)

    def tell(self, client: Client, submission: Submission, refused: Refused, now: float) -> None:
        """A letter was refused by its client's policy; over a quota, the operator's attention is asked for."""
        reply, quota = refused.reply, bool(refused.retry_after)
        with self._lock:
            # A quota's sentence has the time in it; of others the sentence is what repeats.
            speaks, silent = self._quiet.may_speak(f"{client.fqdn} {'quota' if quota else reply}", now)
        if not speaks:
            return
        more = f" ({silent} more in the minute before)" if silent else ""
        text = f"refused from {client.fqdn}: <{submission.envelope.mailfrom}>: {reply}{more}"
        told = {
            "queue_id": submission.queue_id,
            "sender": submission.envelope.mailfrom,
            "reply": str(reply),
            **submitter_of(submission.submitter).fields(),
        }
        if quota:
            level = log.Level.WARNING
            log.event(log.Matter.QUOTA_HIT, text, level, client=client.fqdn, reason=reply.text, **told)
        else:
            log.event("refused", text, log.Level.NOTICE, client=client.fqdn, **told)


def journal_aligned(message: NewMessage, changes: Sequence[str]) -> None:
    """Who it is from was changed, or is only told to be wrong (from_mismatch)."""
    text = "; ".join(changes)
    log.event(
        "aligned", f"from {message.client}: {text}", log.Level.NOTICE, queue_id=message.queue_id,
        client=message.client, sender=message.envelope.mailfrom, reason=text,
    )  # fmt: skip


def journal_superseded(client: str, gone: Sequence[Superseded]) -> None:
    """What was not sent yet and won't be: each recipient under the ID of the message that it was of."""
    for each in gone:
        log.event(
            "superseded",
            f"superseded: to=<{each.rcptto}> by={each.by}",
            queue_id=each.queue_id,
            client=client,
            rcpt=each.rcptto,
            successor=each.by,
        )


def journal_lowered(submission: Submission, message: NewMessage) -> None:
    """It asked for more than its client's most_priority."""
    asked, given = submission.options.priority, message.options.priority
    if asked is not None and given is not None:
        told = f"{given.name.lower()} at the most, not {asked.name.lower()}"
        log.event(
            "lowered",
            f"priority lowered: {message.client} may ask for {told}",
            queue_id=message.queue_id,
            client=message.client,
            priority=given.name.lower(),
        )


def journal_accepted(message: NewMessage) -> None:
    """It is durable."""
    rcpttos = message.envelope.rcpttos
    more = f" and {len(rcpttos) - _NAMED} more" if len(rcpttos) > _NAMED else ""
    whom = ", ".join(rcpttos[:_NAMED]) + more
    submitter = submitter_of(message.submitter)
    told = (f"{message.body.size} octets", f"by {submitter}" if message.submitter else "", str(message.options))
    log.event(
        "accepted",
        f"accepted from {message.client}: <{message.envelope.mailfrom}> to {whom}, {', '.join(filter(None, told))}",
        queue_id=message.queue_id,
        client=message.client,
        sender=message.envelope.mailfrom,
        rcpt=rcpttos,
        size=message.body.size,
        **submitter.fields(),
        **message.options.fields(),
    )
