"""What would become of a letter now: sent, and from where to where; or it waits, until when and why; or it fails at
once. Pure: the same questions in the same order as the worker's, about an Outlook and what the spool has paused.
"""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hedwig import verdict
from hedwig.reply import Stage
from hedwig.settings import Retry
from hedwig.smtp import Said, Target
from hedwig.spool.operate import Stop, StopKind
from hedwig.spool.receivers import Backoff
from hedwig.spool.streams import NORMAL, Pause
from hedwig.verdict import Outcome
from hedwig.worker.allowance import used_up
from hedwig.worker.attempt import Attempt
from hedwig.worker.judge import Rules
from hedwig.worker.outlook import Outlook, Way
from hedwig.worker.route import Route, Unroutable
from hedwig.worker.sessions import decisive

BRIEF = 1.5  # seconds: a pause as short as that is a receiver at work


class End(enum.StrEnum):
    """Of a letter, as things are."""

    SENT = "sent"
    WAITS = "waits"
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Prospect:
    """`until`: of what waits, in Unix seconds; 0: nobody knows. `why`: in a sentence. `way`, `target`: of what is sent,
    and of what waits where that is known."""

    end: End
    why: str = ""
    until: float = 0.0
    way: Way | None = None
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Paused:
    """What the spool says of the destination: the operator's pauses, those of workers, and whether the address is
    suppressed (why, or "")."""

    stops: Sequence[Stop] = ()
    pauses: Sequence[Pause] = ()
    suppressed: str = ""


def concerning(stops: Iterable[Stop], view: Outlook) -> list[Stop]:
    """Those of the operator's pauses that hold for this letter."""
    names = {view.address.destination}
    if isinstance(view.route, Route) and view.route.site.provider:
        names.add(view.route.site.provider)
    return [
        stop
        for stop in stops
        if (stop.name in names if stop.kind is StopKind.SITE else view.client and stop.name == view.client)
    ]


def prospect(view: Outlook, paused: Paused, rules: Rules, now: float) -> Prospect:
    """What would become of it."""
    for stop in concerning(paused.stops, view):
        reason = f" ({stop.reason})" if stop.reason else ""
        return Prospect(End.WAITS, f"an operator has paused {stop.kind.value} {stop.name}{reason}", stop.until)
    if isinstance(view.route, Unroutable):
        return _unroutable(view.route, rules.retry, now)
    if not view.workers:
        return Prospect(End.WAITS, "no worker runs on this host")
    way = min(view.ways, key=lambda each: (each.standing.opens, each.standing.dry is not None))
    standing = way.standing
    if standing.opens > now:
        return Prospect(End.WAITS, _rests(standing.why), standing.opens, way)
    lasting = [each for each in paused.pauses if each.priority <= NORMAL and each.until > now + BRIEF]
    for pause in sorted(lasting, key=lambda each: each.until, reverse=True):
        return Prospect(End.WAITS, pause.reason, pause.until, way)
    if paused.suppressed:
        return Prospect(End.FAILS, paused.suppressed, way=way)
    if (dry := standing.dry) is not None:
        return Prospect(End.WAITS, used_up(dry.rate), now + dry.wait, way)
    return _tried(way, rules, now)


def _unroutable(route: Unroutable, retry: Retry, now: float) -> Prospect:
    said = route.said
    decided = verdict.decide(said.stage, said.reply, said.detail)
    words = str(said.reply) if said.reply is not None else said.detail
    if decided.outcome is Outcome.FAILED:
        return Prospect(End.FAILS, words)
    return Prospect(End.WAITS, words, now + (route.wait or retry.schedule[0]))


def _rests(words: str) -> str:
    return f"the receiver has asked for rest: {words}"


def _until(backoff: Backoff) -> float:
    return backoff.until


def _tried(way: Way, rules: Rules, now: float) -> Prospect:
    """By the addresses: the first that there is a route to takes it; where there is none, what decides of them all."""
    reached = [each for each in way.targets if isinstance(each, Target)]
    for target in reached:
        if target.local:
            return Prospect(End.SENT, way=way, target=target)
    if reached:
        return Prospect(End.WAITS, "this host has no route to its addresses", now + rules.retry.schedule[0], way)
    heard = [each for each in way.targets if isinstance(each, Said)]
    for said in heard:
        if said.stage is Stage.LOCAL and said.reply is None:
            resting = max((each for each in way.standing.backoffs if each.until > now), key=_until, default=None)
            if resting is not None:
                return Prospect(End.WAITS, _rests(resting.reason), resting.until, way)
            return Prospect(End.WAITS, said.detail, 0.0, way)
    said = decisive([Attempt(each) for each in heard], way.route, rules).said
    decided = verdict.decide(said.stage, said.reply, said.detail)
    words = str(said.reply) if said.reply is not None else said.detail
    if decided.outcome is Outcome.FAILED:
        return Prospect(End.FAILS, words, way=way)
    return Prospect(End.WAITS, words, now + rules.retry.schedule[0], way)
