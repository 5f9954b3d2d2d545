"""The one home of failure policy: from what was said, and when, to what becomes of a recipient (I4, I5, I8).

`decide` takes the stage, the far side's reply (None where there was none: refused, lost, timed out) and gives a
Verdict. It is a rule without state: the caller knows how many hosts are left, and which recipients are still in
question. The rules, in the order in which they are asked:

1. A fault of ours (LOCAL without a 5yz) is a deferral that isn't charged to the message (I8). A local 5yz is about the
   message itself (552 too large, 5.6.3, 5.6.7, 5.4.6) and is final.
2. DNS: a 5yz (null MX, NXDOMAIN, RFC 7505 and 5321 §5.1) is final, all else is a deferral.
3. 421 at any stage: the host shuts the channel (RFC 5321 §3.8). It is about the host and us: a deferral, not charged.
4. Connect, banner, EHLO, STARTTLS: about the host, never about a recipient, even as a 5yz: next host; and
   when no host is left, a deferral.
5. The connection failed before the final dot: a deferral; another host may be tried, for nothing has been handed
   over. After the dot: in doubt (I5), and no other host is tried, or the letter might arrive twice.
6. A reply at MAIL is about the message (or its sender), at RCPT about that recipient, at DATA and the dot about all
   recipients that were accepted. 2yz to the dot alone is a delivery; 4yz is a deferral, 5yz a failure.
7. 552 to RCPT without a word on the mailbox means "too many recipients" and is temporary (RFC 5321 §4.5.3.1.10). Who
   is one too many for a transaction that carried others is not even deferred: the next one follows at once
   (`one_too_many`).
8. Whatever is not understood is a deferral, and ends the connection.

What is done with a recipient in doubt is its client's choice: `held_in_doubt`.
"""

import enum
from dataclasses import dataclass

from hedwig.classify import Weight, understood, weigh
from hedwig.options import OnDoubt
from hedwig.reply import Reply, Stage


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
    `counted`: the attempt is charged to the recipient's tries. `close`: the connection is of no more use.
    """

    outcome: Outcome
    scope: Scope
    next_host: bool = False
    counted: bool = True
    close: bool = False


@dataclass(frozen=True, slots=True)
class SiteWord:
    """What a reply says of the way to the receiver, beside its recipients: nothing more from this address of ours for
    `wait` seconds, and at most `connections` afterwards (0: no word). `rule`: which one of replies.yml read it so;
    `reason`: the receiver's words; `alert`: the operator must know; `url`: the receiver's page about it, or ""."""

    wait: float
    connections: int
    reason: str
    rule: str = ""
    alert: bool = False
    url: str = ""


_HOST_STAGES = frozenset({Stage.CONNECT, Stage.BANNER, Stage.EHLO, Stage.STARTTLS})
_SCOPES = {Stage.RCPT: Scope.RECIPIENT, Stage.QUIT: Scope.SESSION}
_OUTCOMES = {Weight.PERMANENT: Outcome.FAILED, Weight.TEMPORARY: Outcome.DEFERRED}
_TOO_MANY = {452: frozenset({"", "4.5.3", "4.0.0"}), 552: frozenset({"", "5.5.3", "5.0.0"})}


def decide(stage: Stage, reply: Reply | None, detail: str = "") -> Verdict:
    """The verdict on what was said at `stage`. Never raises; `detail` is for people, no rule looks at it."""
    del detail
    if stage is Stage.LOCAL:
        return _ours(reply)
    if stage is Stage.DNS:
        return Verdict(Outcome.FAILED if _is_final(reply) else Outcome.DEFERRED, Scope.DESTINATION)
    if reply is not None and reply.code == 421:
        return Verdict(Outcome.DEFERRED, Scope.SESSION, next_host=stage in _HOST_STAGES, counted=False, close=True)
    if stage in _HOST_STAGES:
        return Verdict(Outcome.DEFERRED, Scope.SESSION, next_host=True, close=True)
    if reply is None:
        return _lost(stage)
    return _said(stage, reply)


def one_too_many(stage: Stage, reply: Reply | None) -> bool:
    """Whether this may be said of any recipient past the most that the host takes in one transaction, and says nothing
    of the recipient itself (RFC 5321 §4.5.3.1.10; RFC 3463 §3.6: X.5.3)."""
    if stage is not Stage.RCPT or reply is None:
        return False
    is_said = reply.code // 100 == 4 and reply.enhanced == "4.5.3"
    return is_said or reply.enhanced in _TOO_MANY.get(reply.code, ())


def held_in_doubt(policy: OnDoubt, doubts: int) -> str:
    """Why a recipient that is in doubt now is held for the operator; "" where it is tried again. `doubts`: how often
    it was in doubt before."""
    if policy is OnDoubt.HOLD:
        return "it may have arrived, and its client's policy is on_doubt: hold"
    if policy is OnDoubt.RETRY_ONCE and doubts:
        return "it may have arrived, for the second time, and its client's policy is on_doubt: retry-once"
    return ""


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


def _said(stage: Stage, reply: Reply) -> Verdict:
    scope = _SCOPES.get(stage, Scope.MESSAGE)
    weight = weigh(reply)
    if weight is Weight.POSITIVE:
        if stage is Stage.DOT:
            return Verdict(Outcome.DELIVERED, scope)
        return Verdict(Outcome.DEFERRED, scope, close=True)  # a yes that ends nothing: not understood
    if not understood(reply):
        return Verdict(Outcome.DEFERRED, scope, close=True)
    if one_too_many(stage, reply):
        return Verdict(Outcome.DEFERRED, scope)
    if stage is Stage.QUIT:
        return Verdict(Outcome.DEFERRED, scope, close=True)  # QUIT decides about nobody
    return Verdict(_OUTCOMES[weight], scope)
