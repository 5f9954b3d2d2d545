"""From a submission to the spool's message: whose clock counts, and what the client's policy adds. Pure.

Order among a host's messages is that of its own clock (accepted_at), moved by what that is wrong (clocks.py), and never
ahead of now: a clock that went an hour ahead and back would else let an older message supersede all that come for an
hour. A deadline is compared with the clock of this host, so it is moved too, or each message of a host that is minutes
slow would be stale on arrival. One that has passed already is registered all the
same: it may be a repeat of what was accepted in time (I3), and who claims it sends nothing stale.
"""

from dataclasses import dataclass, replace

from hedwig.choices import Priority
from hedwig.options import Options
from hedwig.postoffice.submission import Submission
from hedwig.settings import DAY, Client
from hedwig.spool import NewMessage

WAITED = 30 * DAY  # how long a message may have waited over there; beyond it the time that was told is absurd


@dataclass(frozen=True, slots=True)
class Time:
    """`now`: this host's Unix time. `behind`: seconds by which the client's clock is behind it (clocks.py). `expire`:
    seconds that a message may be in the queue."""

    now: float
    behind: float
    expire: float


def new_message(client: Client, submission: Submission, time: Time, charges: tuple[str, ...] = ()) -> NewMessage:
    """What is to be registered; `charges`: see NewMessage."""
    now, expire = time.now, time.expire
    taken_at, waited = _at_mailman(submission, time)
    accepted_at = _accepted_at(submission, time)
    options = _options(client, submission, time.behind, accepted_at)
    if accepted_at <= now - expire and not options.supersede:
        accepted_at = now  # its host was away for long: it has the whole time again. With a key its place counts more.
    expires_at = (accepted_at if accepted_at > now - expire else now) + expire
    return NewMessage(
        queue_id=submission.queue_id,
        client=client.fqdn,
        envelope=submission.envelope,
        body=submission.body,
        digest=submission.digest,
        accepted_at=accepted_at,
        expires_at=min(expires_at, options.deadline or expires_at),
        parts=submission.envelope.by_destination(),
        priority=int(priority_of(client, options)),
        smtputf8=submission.smtputf8,
        options=options,
        message_id=submission.message_id,
        submitter=submission.submitter,
        taken_at=taken_at,
        waited=waited,
        charges=charges,
    )


def priority_of(client: Client, options: Options) -> Priority:
    """How soon it goes: what it asks for, up to what its client may, or else what its client's letters have."""
    if options.priority is None:
        return client.priority
    return max(options.priority, min(client.most_priority, client.priority))  # the lower number is the more urgent


def _options(client: Client, submission: Submission, behind: float, accepted_at: float) -> Options:
    """What the message asks for, on this host's clock, with the client's policy."""
    options = submission.options
    if options.deadline and behind:
        options = replace(options, deadline=max(options.deadline + behind, 1.0))
    deadline = _deadline(client, submission, options.deadline, accepted_at)
    if deadline != options.deadline:
        options = replace(options, deadline=deadline)
    if options.priority is not None and options.priority != priority_of(client, options):
        options = replace(options, priority=priority_of(client, options))
    if options.on_doubt is not client.on_doubt:
        options = replace(options, on_doubt=client.on_doubt)
    return options


def _deadline(client: Client, submission: Submission, asked: float, accepted_at: float) -> float:
    """Until when it may be sent, by its own word and its client's policy; 0: until it expires. Reports have none."""
    if not submission.envelope.mailfrom:
        return asked
    if not asked:
        return accepted_at + client.deadline if client.deadline else 0.0
    return min(asked, accepted_at + client.most_deadline) if client.most_deadline else asked


def _accepted_at(submission: Submission, time: Time) -> float:
    """When it was accepted over there, by this host's clock; never after now."""
    if submission.accepted_at is None:
        return time.now
    when = submission.accepted_at + time.behind
    return when if time.now - WAITED <= when <= time.now else time.now


def _at_mailman(submission: Submission, time: Time) -> tuple[float, float]:
    """When mailman took it, by this host's clock, and seconds until it was sent here: the difference of two readings of
    one clock, so right though that clock is wrong. (0, 0) where nothing sensible is told."""
    if submission.accepted_at is None or submission.sent_at is None:
        return 0.0, 0.0
    waited = max(submission.sent_at - submission.accepted_at, 0.0)
    if waited > WAITED:
        return 0.0, 0.0
    return min(max(submission.accepted_at + time.behind, 1.0), time.now), waited
