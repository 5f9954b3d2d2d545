"""The approach: how a courier comes to a connection, and what becomes of its mail where there is none (step 6).

When no host gives a session, the site cools: the message at hand is deferred with what was said, and the others go back
to the spool untouched, untried and uncounted (I9). The same where the receiver asked for rest, or where its rate is
used up: then nothing is said of any message.

A receiver that takes no connection more, because it has enough of ours, says nothing of host or message either: what
would have gone on this one goes on those that are open, and the window (pace.py) stays at what they are.
"""

import time
from collections.abc import Callable

from hedwig import log, verdict
from hedwig.options import TlsWish
from hedwig.rates import Rate
from hedwig.reply import Stage
from hedwig.smtp.connection import Connection
from hedwig.verdict import Outcome, Scope
from hedwig.worker.allowance import NoTokenError, Wait, connection_rates
from hedwig.worker.attempt import Attempt
from hedwig.worker.bag import STEP_BACK, STEP_BACK_MOST, SiteState
from hedwig.worker.errand import Errand
from hedwig.worker.sessions import NoHost, Sessions
from hedwig.worker.settle import handed_back
from hedwig.worker.tools import Tools

PATIENCE = 2.0  # seconds that a token of a rate is waited for
DIAL_PATIENCE = 70.0  # and one of a second connection where the first one failed: a minute's rate gives one by then
TURNED_AWAY_MOST = 5  # times in a row that 421 instead of a greeting is taken for "enough connections"
_GREETING = frozenset({Stage.CONNECT, Stage.BANNER, Stage.EHLO})


class Approach:
    """Of one courier. `crowded`: there was no connection for it, and its mail is left to others that are open."""

    def __init__(self, tools: Tools, state: SiteState, queue_id: Callable[[], str]) -> None:
        self._tools = tools
        self._state = state
        self._sessions = Sessions(tools, state, queue_id, self._may_dial)
        self.crowded = False

    def fits(self, errand: Errand, connection: Connection) -> bool:
        """Whether an open connection will do for this, by what it asks of TLS."""
        return self._sessions.fits(errand.parcel.first, connection)

    def left(self) -> None:
        """The connection is gone. Safe to call twice."""
        self._sessions.left()

    async def open(self, errand: Errand) -> Connection | None:
        """A session with one of the site's hosts. None: there is none, and the errand has been dealt with."""
        try:
            found = await self._sessions.open(errand.parcel.first)
        except NoTokenError as none:
            self._no_dialling(errand, none.wait)
            return None
        if not isinstance(found, NoHost):
            return found
        if found.ours and self._state.open:
            self._leave_to_others(errand)
        elif found.ours:
            self._step_back(errand, found.ours, found.wait)
        else:
            self._no_host(errand, found)
        return None

    async def token(self, errand: Errand, rates: tuple[Rate, ...]) -> bool:
        """A token for a message. False: there is none, and the errand has been dealt with."""
        soon = 1 + len(self._state.waiting)
        wait = await self._tools.allowances.get(self._state.site, rates, soon, PATIENCE)
        if wait is not None:
            self._run_dry(errand, wait)
        return wait is None

    def put_back(self, rates: tuple[Rate, ...]) -> None:
        """A token that was taken is not used."""
        self._tools.allowances.put_back(self._state.site, rates)

    async def _may_dial(self, again: bool) -> None:
        """Have a token for one connection more. Once a host has failed the next one's turn is worth a wait."""
        assert self._state.route is not None  # noqa: S101  it is there before the first courier
        rates = connection_rates(self._state.route.rule)
        patience = DIAL_PATIENCE if again else PATIENCE
        if rates and (wait := await self._tools.allowances.get(self._state.site, rates, 1, patience)):
            raise NoTokenError(wait)

    def _no_dialling(self, errand: Errand, wait: Wait) -> None:
        """There is no token for one connection more: those that are open go on."""
        provider = self._state.provider
        if not provider.others:
            self._run_dry(errand, wait)
            return
        provider.no_slot_before = time.monotonic() + wait.seconds
        self._leave_to_others(errand)

    def _run_dry(self, errand: Errand, wait: Wait) -> None:
        """The receiver's rate is used up: all of this site goes back, and nothing is claimed for the receiver."""
        provider, now = self._state.provider, time.monotonic()
        if now >= provider.dry_until:
            log.say(log.Level.INFO, f"{provider.name}: {wait.why}; its mail waits {wait.seconds:.0f} s")
        provider.dry_until, provider.dry = now + max(wait.seconds, 0.1), wait.why
        self._take_back(errand)

    def _leave_to_others(self, errand: Errand) -> None:
        for claim in reversed(errand.release()):
            self._state.waiting.appendleft(claim)
        self.crowded = True

    def _step_back(self, errand: Errand, why: str, wait: float) -> None:
        """Nothing can be sent now, for a reason that says nothing about host or message (I8): all go back."""
        if not self._state.reason:
            log.say(log.Level.NOTICE, f"{self._state.site.name}: its mail waits a moment: {why}")
        self._state.step_back(time.monotonic(), why, min(wait, STEP_BACK_MOST) or STEP_BACK, wait)
        self._take_back(errand)

    def _take_back(self, errand: Errand) -> None:
        errand.hand_back()
        self._hand_back_waiting()

    def _hand_back_waiting(self) -> None:
        while self._state.waiting:
            self._tools.settler.add(handed_back(self._state.waiting.popleft(), self._tools.bag.settled))

    def _no_host(self, errand: Errand, found: NoHost) -> None:
        attempt = found.attempt
        if self._has_enough(errand, attempt):
            self._tell_enough(attempt, self._state.provider.full(time.monotonic()))
            self._leave_to_others(errand)
            return
        decided = verdict.decide(attempt.said.stage, attempt.said.reply, attempt.said.detail)
        errand.no_host(attempt)
        if decided.outcome is Outcome.FAILED or decided.scope not in (Scope.SESSION, Scope.DESTINATION):
            return
        if found.about_tls and errand.parcel.first.options.tls is TlsWish.REQUIRED:
            return  # others may go there
        if not found.about_tls:
            window, now = self._state.provider.window, time.monotonic()
            if self._state.provider.open:
                window.trouble(now)
            else:
                window.gone(now)
        words = str(attempt.said.reply) if attempt.said.reply is not None else attempt.said.detail
        first = self._tools.rules.retry.schedule[0]
        destination = errand.parcel.first.destination
        wait = self._state.failed(time.monotonic(), f"{attempt.host or destination}: {words}", first)
        log.say(
            log.Level.NOTICE,
            f"{self._state.site.key}: no host gives a session; nothing more goes there for {wait:.0f} s: {words}",
        )
        self._hand_back_waiting()

    def _has_enough(self, errand: Errand, attempt: Attempt) -> bool:
        """Whether the receiver took no connection more because it has enough of ours. Where the others are of other
        sites of its, or of other workers, it must say so (421), and not for ever."""
        said, provider = attempt.said, self._state.provider
        if said.stage not in _GREETING:
            return False
        ruling = self._tools.rules.ruling(attempt, errand.parcel.first.destination)
        if ruling.decision is not None and not ruling.enough:
            return False  # replies.yml knows better
        if self._state.open:
            return True
        if said.reply is None or said.reply.code != 421 or provider.turned_away >= TURNED_AWAY_MOST:
            return False
        return provider.others > 0 or self._tools.slots.others(provider.name, provider.source)

    def _tell_enough(self, attempt: Attempt, wait: float) -> None:
        provider, words = self._state.provider, attempt.said.reply or attempt.said.detail
        text = f"{provider.name}: it takes no connection beyond the {provider.others} that this worker has"
        log.say(log.Level.INFO, f"{text}; no other is tried for {wait:.0f} s: {words}")
