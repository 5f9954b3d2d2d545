"""Probing: a connection as a worker would make it, MAIL, RCPT and QUIT; never DATA (`hedwig explain --probe`).

The same Sessions choose host, source, EHLO name and TLS. What the receiver counts is counted: the connection has one of
its slots, and takes a token of each rate. Without leave (`forced`) nothing is asked of a receiver that rests, or whose
rates are used up. What it says is shown, and has no consequences: no rest, no other limit.
"""

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hedwig import verdict
from hedwig.classify import UNRULED, Ruling
from hedwig.rates import Rate
from hedwig.smtp import Said
from hedwig.smtp.inquiry import probe
from hedwig.spool import Claim, Recipient
from hedwig.verdict import Outcome, Scope, Verdict
from hedwig.worker.allowance import Allowances, NoTokenError, connection_rates
from hedwig.worker.attempt import Attempt
from hedwig.worker.bag import Bag
from hedwig.worker.dots import DotMarks
from hedwig.worker.observer import Observer
from hedwig.worker.outlook import Way
from hedwig.worker.prospect import End
from hedwig.worker.resting import Resting
from hedwig.worker.route import Route
from hedwig.worker.sessions import NoHost, Sessions
from hedwig.worker.settle import Settler
from hedwig.worker.tools import Tools, WorkerSpool


@dataclass(frozen=True, slots=True)
class Question:
    """Whom to ask about, in whose name ("": the null sender). `forced`: also a receiver that rests."""

    rcptto: str
    mailfrom: str = ""
    forced: bool = False


_UNDECIDED = Verdict(Outcome.DEFERRED, Scope.SESSION)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was said; a yes is a 2yz at stage RCPT. `host`: "name[address]", "" where none was asked. `how`: with what
    TLS, and why so. `ruling`: what the table of replies makes of it; `decided`: what becomes of a letter, by both."""

    said: Said
    host: str = ""
    how: str = ""
    ruling: Ruling = UNRULED
    decided: Verdict = _UNDECIDED

    @property
    def taken(self) -> bool:
        """Whether the host said that it takes mail for that recipient."""
        return bool(self.host) and self.said.reply is not None and self.said.reply.code // 100 == 2


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Why there was no connection; until when it is so, in Unix seconds, 0: not known. `forcible`: leave would help.
    `end`: what would become of a letter."""

    why: str
    until: float = 0.0
    forcible: bool = False
    end: End = End.WAITS


async def ask(observer: Observer, spool: WorkerSpool, way: Way, question: Question) -> Asked | NotAsked:
    """Ask a host of this way. SpoolTrouble; OSError where run_dir can't be used."""
    site, standing = way.route.site, way.standing
    if standing.in_use >= standing.connections and not question.forced:
        return NotAsked(f"all {standing.connections} connections that may be open there now are in use", forcible=True)
    slot = observer.slots.take(site.name, site.source, standing.limit)
    if slot is None:
        return NotAsked(f"all {standing.limit} connections that the receiver gets are in use")
    try:
        async with _tools(observer, spool, question) as tools:
            await _token(tools, way.route, tools.message_rates(way.route), question)
            return await _ask(tools, way.route, question)
    except NoTokenError as none:
        return NotAsked(none.wait.why, time.time() + none.wait.seconds, forcible=True)
    finally:
        observer.slots.give(site.name, site.source, slot)


async def _token(tools: Tools, route: Route, rates: tuple[Rate, ...], question: Question) -> None:
    """Take one of each rate. NoTokenError where there is none, unless that is all one."""
    wait = await tools.allowances.take(route.site.name, route.site.source, rates)
    if wait is not None and not question.forced:
        raise NoTokenError(wait)


async def _ask(tools: Tools, route: Route, question: Question) -> Asked | NotAsked:
    async def may_dial(again: bool) -> None:
        del again
        await _token(tools, route, connection_rates(route.rule), question)

    state = tools.bag.of(route.site, rule=route.rule)
    state.route = route
    sessions = Sessions(tools, state, lambda: "probe", may_dial)
    found = await sessions.open(_claim(question, route))
    if isinstance(found, NoHost) and found.ours:
        return NotAsked(found.ours, time.time() + found.wait if found.wait else 0.0)
    if isinstance(found, NoHost):
        return _judged(tools, route, found.attempt)
    try:
        said = await probe(found, question.mailfrom, question.rcptto)
        target = found.target
        how = Attempt(said, f"{target.host}[{target.address}]", found.tls, policy=found.policy)
        return _judged(tools, route, how)
    finally:
        await found.quit()
        sessions.left()


def _claim(question: Question, route: Route) -> Claim:
    """A letter that is none, in a courier's terms: for whom a session is wanted."""
    now = time.time()
    recipient = Recipient(1, question.rcptto, 0, now, "")
    more = (0, False, now, now, False, "", b"")
    return Claim(0, 0, 0, "", "", question.mailfrom, route.destination, (recipient,), *more)


def _judged(tools: Tools, route: Route, attempt: Attempt) -> Asked:
    said, ruling = attempt.said, tools.rules.ruling(attempt, route.destination)
    decided = verdict.decide(said.stage, said.reply, said.detail, ruling)
    return Asked(said, attempt.host, attempt.way, ruling, decided)


@asynccontextmanager
async def _tools(observer: Observer, spool: WorkerSpool, question: Question) -> AsyncIterator[Tools]:
    """A worker's tools, for one that carries nothing: its dot marks are never used, and lie beside nobody's."""
    with tempfile.TemporaryDirectory(prefix="hedwig-probe-") as folder:
        dots = DotMarks(Path(folder) / "probe.dots")
        try:
            yield Tools(
                spool=spool,
                router=observer.router,
                bag=Bag(),
                dots=dots,
                settler=Settler(spool, lambda _hints: None, time.time),
                rules=observer.rules,
                broken=observer.broken,
                resting=Resting(spool) if question.forced else observer.resting,
                allowances=Allowances(spool),
                slots=observer.slots,
                debug=True,
            )
        finally:
            dots.close()
