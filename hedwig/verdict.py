"""The one home of failure policy: from what was said, and when, to what becomes of a recipient (I4, I5, I8).

`decide` takes the stage, the far side's reply (None where there was none: refused, lost, timed out) and what the table
of replies says of it (classify: a Ruling), and gives a Verdict. It is a rule without state: the caller knows how many
hosts are left, and which recipients are still in question. The rules, in the order in which they are asked:

1. A fault of ours (LOCAL without a 5yz) is a deferral that isn't charged to the message (I8). A local 5yz is about the
   message itself (552 too large, 5.6.3, 5.6.7, 5.4.6) and is final.
2. DNS: a 5yz (null MX, NXDOMAIN, RFC 7505 and 5321 §5.1) is final, all else is a deferral.
3. 421 at any stage: the host shuts the channel (RFC 5321 §3.8). It is about the host and us: a deferral, not charged.
4. Connect, banner, EHLO, STARTTLS: about the host, never about a recipient, even as a 5yz: next host; and
   when no host is left, a deferral.
   AUTH is about us, whatever the digit says: a password that is not right any more is the operator's to mend, and
   costs nobody a letter, nor a try (I8). After a 5yz no other host is asked: an account that is refused again and again
   gets locked.
5. The connection failed before the final dot: a deferral; another host may be tried, for nothing has been handed
   over. After the dot: in doubt (I5), and no other host is tried, or the letter might arrive twice.
6. A reply at MAIL is about the message (or its sender), at RCPT about that recipient, at DATA and the dot about all
   recipients that were accepted. 2yz to the dot alone is a delivery; 4yz is a deferral, 5yz a failure.
7. 552 to RCPT without a word on the mailbox means "too many recipients" and is temporary (RFC 5321 §4.5.3.1.10). Who
   is one too many for a transaction that carried others is not even deferred: the next one follows at once
   (`one_too_many`).
8. Whatever is not understood is a deferral, and ends the connection.

A ruling with a decision is about 4yz and 5yz alone, and comes after all of these: it puts another outcome into the
verdict, and leaves alone what a 421 or an opening means for the connection. What it decides:

- fail, whatever the digit says; but what is said before MAIL is never about a message, and fails none, and a 421 that
  is about one recipient stands for all that were not asked about yet, and fails none of them either.
- retry: a deferral, also of a 5yz. It is charged where it is about message or recipient.
- back-off, for a limit or a block of ours: a deferral that isn't charged; nothing goes to the site for a while, and no
  other host of it is asked. A 5yz is *held*.
- hold, for a fault of our DNS or authentication: a deferral that isn't charged, and *held*: it fails when the fault
  has not been mended within `retry.hold`.
- new-connection: a deferral that isn't charged, and *at once*, on another connection.
- split: as one_too_many.

What concerns the way to the site, for all of its mail, is a `SiteWord`. What is done with a recipient in doubt is its
client's choice: `held_in_doubt`.
"""

import enum
from dataclasses import dataclass, replace

from hedwig.classify import UNRULED, Ruling, Weight, understood, weigh
from hedwig.options import OnDoubt
from hedwig.reply import Reply, Stage
from hedwig.settings.replies import About, Action


class Outcome(enum.StrEnum):
    """What becomes of a recipient."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"


class Scope(enum.StrEnum):
    """What the outcome is about, and so for whom else it holds."""

    RECIPIENT = "recipient"  # this one alone
    MESSAGE = "message"  # every recipient of the message at this site that has no outcome yet
    SESSION = "session"  # this connection or host: nothing was said about message or recipients
    DESTINATION = "destination"  # the domain, before any host was asked (DNS)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens next.

    `next_host`: another address or exchanger of the site may be tried at once; where none is left `outcome` stands.
    `counted`: the attempt is charged to the recipient's tries. `close`: the connection is of no more use. `wait`: for
    how many seconds a deferred recipient waits, 0: by the schedule. `held`: it fails when this has been so for too
    long. `at_once`: it is tried again without a wait, unless the same was said of it last time.
    """

    outcome: Outcome
    scope: Scope
    next_host: bool = False
    counted: bool = True
    close: bool = False
    wait: float = 0.0
    held: bool = False
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class SiteWord:
    """What a reply means for all mail to its site, from this host's address. `wait`: seconds for which nothing goes
    there, 0: no word on that; longer when it repeats. `connections`: the most at a time from now on, 0: no word.
    `reason`: the reply. `rule`: whose ruling it is. `alert`: the operator is to hear of it. `url`: where the receiver
    explains it, or "". `witness`: the recipient domain whose mail heard it, where it may be that domain's own word: it
    counts when another one has heard the like; "" where it is the receiver's."""

    wait: float
    connections: int
    reason: str
    rule: str = ""
    alert: bool = False
    url: str = ""
    witness: str = ""


_HOST_STAGES = frozenset({Stage.CONNECT, Stage.BANNER, Stage.EHLO, Stage.STARTTLS})
_UNRULED_STAGES = frozenset({Stage.LOCAL, Stage.DNS, Stage.QUIT, Stage.CONNECT, Stage.AUTH})
_SCOPES = {Stage.RCPT: Scope.RECIPIENT, Stage.QUIT: Scope.SESSION}
_OUTCOMES = {Weight.PERMANENT: Outcome.FAILED, Weight.TEMPORARY: Outcome.DEFERRED}
HOLD_WAIT = 900.0  # seconds for which a site is let alone that takes nothing of us until our DNS is mended
_BESIDE_US = frozenset({About.MESSAGE, About.RECIPIENT})
_TOO_MANY = {452: frozenset({"", "4.5.3", "4.0.0"}), 552: frozenset({"", "5.5.3", "5.0.0"})}


def decide(stage: Stage, reply: Reply | None, detail: str = "", ruling: Ruling = UNRULED) -> Verdict:
    """The verdict on what was said at `stage`. Never raises; `detail` is for people, no rule looks at it."""
    del detail
    verdict = _by_digit(stage, reply, ruling)
    if reply is None or ruling.decision is None or stage in _UNRULED_STAGES or not 400 <= reply.code < 600:
        return verdict
    return _ruled(verdict, reply, ruling)


def one_too_many(stage: Stage, reply: Reply | None, ruling: Ruling = UNRULED) -> bool:
    """Whether this may be said of any recipient past the most that the host takes in one transaction, and says nothing
    of the recipient itself (RFC 5321 §4.5.3.1.10; RFC 3463 §3.6: X.5.3)."""
    if stage is not Stage.RCPT or reply is None or reply.code == 421:
        return False
    if ruling.rule:
        return ruling.decision is Action.SPLIT
    is_said = reply.code // 100 == 4 and reply.enhanced == "4.5.3"
    return is_said or reply.enhanced in _TOO_MANY.get(reply.code, ())


def site_word(reply: Reply | None, ruling: Ruling, destination: str = "") -> SiteWord | None:
    """What the ruling on a reply means for the way to its site; None where it is about this mail alone. `destination`:
    the recipient domain of the mail."""
    wait = ruling.seconds if ruling.decision is Action.BACK_OFF else 0.0
    if ruling.decision is Action.HOLD and ruling.scope is About.ADDRESS:
        wait = HOLD_WAIT
    connections = int(ruling.one_connection)
    if reply is None or not (wait or connections):
        return None
    witness = destination if ruling.hearsay else ""
    return SiteWord(wait, connections, str(reply), ruling.rule, ruling.alert, ruling.help, witness)


def held_in_doubt(policy: OnDoubt, doubts: int) -> str:
    """Why a recipient that is in doubt now is held for the operator; "" where it is tried again. `doubts`: how often
    it was in doubt before."""
    if policy is OnDoubt.HOLD:
        return "it may have arrived, and its client's policy is on_doubt: hold"
    if policy is OnDoubt.RETRY_ONCE and doubts:
        return "it may have arrived, for the second time, and its client's policy is on_doubt: retry-once"
    return ""


def _by_digit(stage: Stage, reply: Reply | None, ruling: Ruling) -> Verdict:
    """The eight rules."""
    if stage is Stage.LOCAL:
        return _ours(reply)
    if stage is Stage.DNS:
        return Verdict(Outcome.FAILED if _is_final(reply) else Outcome.DEFERRED, Scope.DESTINATION)
    if stage is Stage.AUTH:
        next_host = reply is None or reply.code < 500
        return Verdict(Outcome.DEFERRED, Scope.SESSION, next_host=next_host, counted=False, close=True)
    if reply is not None and reply.code == 421:
        return Verdict(Outcome.DEFERRED, Scope.SESSION, next_host=stage in _HOST_STAGES, counted=False, close=True)
    if stage in _HOST_STAGES:
        return Verdict(Outcome.DEFERRED, Scope.SESSION, next_host=True, close=True)
    if reply is None:
        return _lost(stage)
    return _said(stage, reply, ruling)


def _ruled(verdict: Verdict, reply: Reply, ruling: Ruling) -> Verdict:
    """The same with what the ruling decides."""
    permanent = reply.code >= 500
    deferred = replace(verdict, outcome=Outcome.DEFERRED)
    match ruling.decision:
        case Action.FAIL if not verdict.next_host and not (reply.code == 421 and ruling.scope is About.RECIPIENT):
            return Verdict(Outcome.FAILED, Scope.MESSAGE if verdict.close else verdict.scope, close=verdict.close)
        case Action.RETRY:
            return replace(deferred, wait=ruling.seconds, counted=verdict.counted and ruling.scope in _BESIDE_US)
        case Action.BACK_OFF:
            return replace(deferred, wait=ruling.seconds, counted=False, held=permanent, next_host=False, close=True)
        case Action.HOLD:
            return replace(deferred, counted=False, held=True)
        case Action.NEW_CONNECTION:
            return replace(deferred, counted=False, close=True, at_once=True)
        case Action.SPLIT:
            return deferred
    return verdict


def _ours(reply: Reply | None) -> Verdict:
    """I8: our own faults cost nobody a letter, nor a try."""
    final = _is_final(reply)
    return Verdict(Outcome.FAILED if final else Outcome.DEFERRED, Scope.MESSAGE, counted=final)


def _is_final(reply: Reply | None) -> bool:
    return reply is not None and weigh(reply) is Weight.PERMANENT


def _lost(stage: Stage) -> Verdict:
    if stage is Stage.DOT:
        return Verdict(Outcome.IN_DOUBT, Scope.MESSAGE, close=True)
    return Verdict(Outcome.DEFERRED, Scope.SESSION, next_host=stage is not Stage.QUIT, close=True)


def _said(stage: Stage, reply: Reply, ruling: Ruling) -> Verdict:
    scope = _SCOPES.get(stage, Scope.MESSAGE)
    weight = weigh(reply)
    if weight is Weight.POSITIVE:
        if stage is Stage.DOT:
            return Verdict(Outcome.DELIVERED, scope)
        return Verdict(Outcome.DEFERRED, scope, close=True)  # a yes that ends nothing: not understood
    if not understood(reply):
        return Verdict(Outcome.DEFERRED, scope, close=True)
    if one_too_many(stage, reply, ruling):
        return Verdict(Outcome.DEFERRED, scope)
    if stage is Stage.QUIT:
        return Verdict(Outcome.DEFERRED, scope, close=True)  # QUIT decides about nobody
    return Verdict(_OUTCOMES[weight], scope)
