"""What the journal says of deliveries: one line a recipient, and one for each bounce (step 8)."""

from hedwig import log
from hedwig.spool import Claim, Kind, NewMessage, Report, Superseded
from hedwig.worker.delivery import Line

_LEVELS = {
    Kind.FAILED: log.Level.NOTICE,
    Kind.EXPIRED: log.Level.NOTICE,
    Kind.IN_DOUBT: log.Level.WARNING,
    Kind.HELD: log.Level.WARNING,
}


def tell(claim: Claim, line: Line, now: float) -> None:
    """What became of a recipient: whom, where, how long, and the far side's own words."""
    said, attempt = line.attempt.said, line.attempt
    words = str(said.reply) if said.reply is not None else said.detail
    tries = line.recipient.tries + 1
    delay = f"{max(0.0, now - claim.accepted_at):.3f}"  # a clock that was set back makes none negative
    next_try = f" next try in {duration(line.due - now)}:" if line.due else ""
    policy = f" ({attempt.policy})" if attempt.policy else ""
    log.event(
        line.kind,
        f"{words_of(line.kind)}: to=<{line.recipient.address}> from=<{claim.mailfrom}> mx={attempt.host or '-'} "
        f"delay={delay}s try={tries} tls={attempt.tls.replace(' ', '/') or 'no'}{policy} "
        f"stage={said.stage}:{next_try} {words}",
        _LEVELS.get(line.kind, log.Level.INFO),
        queue_id=claim.queue_id,
        client=claim.client,
        sender=claim.mailfrom,
        rcpt=line.recipient.address,
        site=claim.destination,
        mx=attempt.host,
        reply=words,
        status=said.reply.status if said.reply is not None else "",
        delay=delay,
        attempt=tries,
        tls=attempt.tls,
        rule=line.ruling.rule,
        help=line.ruling.help,
        tls_policy=attempt.policy,
        source=attempt.local,
    )


def tell_superseded(claim: Claim, superseded: Superseded) -> None:
    """It is not tried again: a newer message with its key came while it was under way."""
    log.event(
        Kind.SUPERSEDED,
        f"superseded: to=<{superseded.rcptto}> from=<{claim.mailfrom}> by={superseded.by}",
        queue_id=claim.queue_id,
        client=claim.client,
        sender=claim.mailfrom,
        rcpt=superseded.rcptto,
        site=claim.destination,
        successor=superseded.by,
    )


def tell_recalled(claim: Claim, rcptto: str) -> None:
    """It came back and is held: the operator holds or drops it."""
    log.event(
        Kind.HELD,
        f"held: to=<{rcptto}> from=<{claim.mailfrom}>: it came back by the operator's order",
        log.Level.NOTICE,
        queue_id=claim.queue_id,
        client=claim.client,
        sender=claim.mailfrom,
        rcpt=rcptto,
        site=claim.destination,
    )


def tell_bounce(claim: Claim, bounce: NewMessage) -> None:
    """The sender is told: under the original's ID, with the notification's own, and what it tells of."""
    what = f" ({bounce.action})" if isinstance(bounce, Report) else ""
    log.event(
        Kind.BOUNCED,
        f"bounced: to=<{claim.mailfrom}> report={bounce.queue_id}{what}",
        queue_id=claim.queue_id,
        client=claim.client,
        sender=claim.mailfrom,
        report=bounce.queue_id,
    )


def tell_digested(claim: Claim) -> None:
    """The sender has had as many reports as go out in an hour: this one is told in the hour's digest."""
    log.event(
        Kind.BOUNCED,
        f"bounced: to=<{claim.mailfrom}> report=(in a digest, at the end of the hour)",
        queue_id=claim.queue_id,
        client=claim.client,
        sender=claim.mailfrom,
    )


def tell_digest(queue_id: str, sender: str) -> None:
    """A digest goes out, under its own ID."""
    log.event(Kind.BOUNCED, f"digest of reports: to=<{sender}>", queue_id=queue_id, sender=sender, report=queue_id)


def words_of(kind: Kind) -> str:
    """A kind as people read it."""
    return kind.replace("_", " ")


def duration(seconds: float) -> str:
    """Seconds in the two largest units: "45s", "5m6s", "4h0m"."""
    left = max(0, round(seconds))
    if left < 60:
        return f"{left}s"
    if left < 3600:
        return f"{left // 60}m{left % 60}s"
    return f"{left // 3600}h{left % 3600 // 60}m"
