"""What the journal says of mailman's messages: handed on, kept or refused, at once (`tell`) or after a wait
(`tell_waited`). The fields are those of the worker's lines, so that one query finds a message on both hosts."""

import time

from hedwig import log
from hedwig.mailman import Submission
from hedwig.mailman.client import Parcel
from hedwig.reply import Reply
from hedwig.spool import Claim


def tell(
    kind: str, submission: Submission, parcel: Parcel, why: Reply | str, level: log.Level = log.Level.INFO
) -> None:
    """A submission has its answer. `why`: the postoffice's verdict, or why there is none."""
    envelope = parcel.envelope
    delay = f"{max(0.0, time.time() - parcel.accepted_at):.3f}"
    others = f" and {len(envelope.rcpttos) - 1} more" if len(envelope.rcpttos) > 1 else ""
    asked = f" asked=({words})" if (words := str(submission.options)) else ""
    log.event(
        kind,
        f"{kind}: from=<{envelope.mailfrom}> to=<{envelope.rcpttos[0]}>{others} size={len(parcel.body)} "
        f"peer={submission.submitter} delay={delay}s{asked}: {why}",
        level,
        queue_id=parcel.queue_id,
        sender=envelope.mailfrom,
        rcpt=envelope.rcpttos,
        reply=str(why),
        status=why.status if isinstance(why, Reply) else "",
        delay=delay,
        **submission.submitter.fields(),
        **submission.options.fields(),
    )


def tell_waited(claim: Claim, said: Reply | str, now: float) -> None:
    """What becomes of a message that waited here is clear: by the postoffice's reply, or why it is given up here."""
    forwarded = isinstance(said, Reply) and said.code // 100 == 2
    delay = f"{max(0.0, now - claim.accepted_at):.3f}"  # a clock that was set back makes none negative
    log.event(
        "forwarded" if forwarded else "refused",
        f"{'forwarded' if forwarded else 'not taken by the postoffice'}: from=<{claim.mailfrom}> "
        f"size={claim.size} waited={delay}s: {said}",
        log.Level.INFO if forwarded else log.Level.NOTICE,
        queue_id=claim.queue_id,
        sender=claim.mailfrom,
        rcpt=tuple(recipient.address for recipient in claim.recipients),
        reply=str(said),
        status=said.status if isinstance(said, Reply) else "",
        delay=delay,
    )
