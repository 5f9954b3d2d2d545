"""Sessions: how a courier gets an open connection to one of its site's hosts (step 6).

Hosts are tried in the order of the route, each with TLS where it has one that works, else in the clear (RFC 7435); that
a host's TLS is broken is remembered for an hour. No address gets more than MOST_PER_ADDRESS connections of this worker,
whatever names lead to it.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from hedwig import log, verdict
from hedwig.reply import Stage
from hedwig.settings.replies import Action
from hedwig.smtp import ConnectFailed, Said, Target
from hedwig.smtp.connection import Connection, connect, dial
from hedwig.verdict import Outcome
from hedwig.worker.attempt import Attempt
from hedwig.worker.bag import SiteState
from hedwig.worker.judge import Rules
from hedwig.worker.route import Route
from hedwig.worker.tools import Tools

MOST_PER_ADDRESS = 20  # connections, whatever names lead to the address
TLS_MEMORY = 3600.0  # seconds for which a host's broken TLS is remembered


@dataclass(frozen=True, slots=True)
class NoHost:
    """No host gave a session. `ours`: why, where that is no host's fault (I8), else "", and `wait` for how many seconds
    that lasts, 0 where nobody knows. `attempt`: what decides of all that was heard."""

    attempt: Attempt
    ours: str = ""
    wait: float = 0.0


class Sessions:
    """One courier's: it has one connection at a time. `queue_id` gives the message at hand, for the trace."""

    def __init__(self, tools: Tools, state: SiteState, route: Route, queue_id: Callable[[], str]) -> None:
        self._tools = tools
        self._state = state
        self._route = route
        self._queue_id = queue_id
        self._address = ""

    async def open(self) -> Connection | NoHost:
        """A session with the first host that gives one. Call `left` when its connection is gone."""
        heard: list[Attempt] = []
        ours, rests, destination = "", {}, self._route.destination

        def resting(family: str) -> float:
            site = self._route.site
            found = self._tools.resting.of(site.name, site.source, family)
            rests[family] = max(0.0, found.until - time.time()) if found else 0.0
            return rests[family]

        async for target in self._tools.router.targets(self._route, resting):
            if isinstance(target, Said) and target.stage is Stage.LOCAL and target.reply is None:
                ours = target.detail  # our nameservers are gone
                continue
            if isinstance(target, Said):
                heard.append(Attempt(target))
                continue
            try:
                connection = await self._session(target)
            except ConnectFailed as failure:
                if failure.said.stage is Stage.LOCAL:
                    ours = str(failure)
                else:
                    heard.append(Attempt(failure.said, f"{target.host}[{target.address}]"))
                    if self._tools.rules.ruling(heard[-1], destination).decision is Action.BACK_OFF:
                        ours = ""
                        break  # who limits or blocks us wants to be left alone, not asked at the next door
                continue
            self._state.answered()
            return connection
        return NoHost(decisive(heard, self._route, self._tools.rules), ours, max(rests.values(), default=0.0))

    def left(self) -> None:
        """The connection is gone, and its address has room for another. Safe to call twice."""
        if self._address:
            self._tools.addresses[self._address] -= 1
            self._tools.addresses += Counter()  # drops what is zero
            self._address = ""

    async def _session(self, target: Target) -> Connection:
        if self._tools.addresses[target.address] >= MOST_PER_ADDRESS:
            said = Said(Stage.LOCAL, None, f"{MOST_PER_ADDRESS} connections to this address are open already")
            raise ConnectFailed(target, said)
        self._tools.addresses[target.address] += 1
        self._address = target.address
        try:
            return await self._shake_hands(target)
        except BaseException:
            self.left()
            raise

    async def _shake_hands(self, target: Target) -> Connection:
        now = time.monotonic()
        tls = self._tools.broken_tls.get(target.address, 0.0) <= now
        deadlines = (
            self._tools.hurried if self._tools.pressed and not self._state.provider.pace else self._tools.deadlines
        )
        trace = self._trace(target) if self._tools.debug else None
        ehlo = self._route.ehlo or self._tools.router.myself.ehlo
        try:
            return await connect(dial, target, ehlo, deadlines, tls=tls, trace=trace)
        except ConnectFailed as failure:
            if not tls or not _may_be_tls(failure.said):
                raise
            connection = await connect(dial, target, ehlo, deadlines, tls=False, trace=trace)
            log.say(log.Level.NOTICE, f"{failure}; it gets its mail in the clear for an hour")
            self._tools.broken_tls[target.address] = now + TLS_MEMORY
            return connection

    def _trace(self, target: Target) -> Callable[[str], None]:
        def trace(line: str) -> None:
            log.say(log.Level.DEBUG, f"{self._queue_id()}: {target.host}[{target.address}] {line}")

        return trace


def decisive(heard: list[Attempt], route: Route, rules: Rules) -> Attempt:
    """Of all that the hosts said, what decides: what a rule makes something of; else a word that leaves hope before one
    that doesn't; the last of them."""
    ruled = [attempt for attempt in heard if rules.ruling(attempt, route.destination).decision is not None]
    if ruled:
        return ruled[-1]
    hopeful = [
        attempt
        for attempt in heard
        if verdict.decide(attempt.said.stage, attempt.said.reply, attempt.said.detail).outcome is not Outcome.FAILED
    ]
    if hopeful or heard:
        return (hopeful or heard)[-1]
    return Attempt(Said(Stage.DNS, None, f"{route.destination} has no host to try"))


def _may_be_tls(said: Said) -> bool:
    """The handshake failed; or the connection broke in EHLO, which is where a TLS 1.3 host's refusal arrives."""
    return said.stage is Stage.STARTTLS or (said.stage is Stage.EHLO and said.reply is None)
