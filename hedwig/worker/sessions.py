"""Sessions: how a courier gets an open connection to one of its site's hosts (step 6).

Hosts are tried in the order of the route, each as the message's TLS policy has it (hedwig/tls): a host that is barred,
or that doesn't meet what is demanded of it, is passed over. Where nothing is demanded TLS is used where it works, else
nothing (RFC 7435); that a host's TLS is broken is remembered (broken_tls.py). No address gets more than
MOST_PER_ADDRESS connections of this worker, or what its site may have, whatever names lead to it.

A message that asks for REQUIRETLS goes to hosts that are proved and announce it, or fails (RFC 8689 §4.2.1). A report
about such a message would rather arrive: where no host is like that it goes as if it had not asked (§5). At a smarthost
a session begins with a login, where the settings have one (logins.py).
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from hedwig import log, tlsrpt, verdict
from hedwig.mx import MxUnknown
from hedwig.options import TlsWish
from hedwig.reply import Reply, Stage
from hedwig.settings.replies import About, Action
from hedwig.smtp import ConnectFailed, Said, Target
from hedwig.smtp.connection import Connection, connect
from hedwig.smtp.dial import dial
from hedwig.smtp.login import Login
from hedwig.smtp.session import NOT_OFFERED
from hedwig.smtp.tls import CLEAR, Security
from hedwig.spool import Claim
from hedwig.tls import Barred, Demand, Policy
from hedwig.verdict import Outcome
from hedwig.worker.attempt import Attempt
from hedwig.worker.bag import SiteState
from hedwig.worker.handshake import Handshake
from hedwig.worker.judge import Rules
from hedwig.worker.logins import LoginTrouble, login_of
from hedwig.worker.route import Route
from hedwig.worker.tools import Tools

MOST_PER_ADDRESS = 20  # connections, whatever names lead to the address
SUBMISSIONS = 465  # TLS from the first octet on (RFC 8314 §3.3)


@dataclass(frozen=True, slots=True)
class NoHost:
    """No host gave a session. `ours`: why, where that is no host's fault (I8), else "", and `wait` for how many seconds
    that lasts, 0 where nobody knows. `attempt`: what decides of all that was heard."""

    attempt: Attempt
    ours: str = ""
    wait: float = 0.0

    @property
    def about_tls(self) -> bool:
        """Whether hosts were there, and not fit for what the policy demands."""
        said = self.attempt.said
        return said.stage is Stage.STARTTLS or (said.stage is Stage.LOCAL and said.reply is not None)


class Sessions:
    """One courier's: it has one connection at a time. `queue_id` gives the message at hand, for the trace; `may_dial`
    is awaited before each connection, with whether one was tried before, and what it raises comes out of `open`."""

    def __init__(
        self, tools: Tools, state: SiteState, queue_id: Callable[[], str], may_dial: Callable[[bool], Awaitable[None]]
    ) -> None:
        self._tools = tools
        self._state = state
        self._queue_id = queue_id
        self._may_dial = may_dial
        self._address = ""
        self._answered = False
        self._wish = TlsWish.USUAL  # that the connection was opened for

    @property
    def _route(self) -> Route:
        """The way there, as it was found last."""
        assert self._state.route is not None  # noqa: S101  it is there before the first courier
        return self._state.route

    def fits(self, claim: Claim, connection: Connection) -> bool:
        """Whether the open connection will do for this one, too. (Its policy does: that is in the site.)"""
        wish = claim.options.tls
        if wish is TlsWish.REQUIRED:
            return connection.requiretls or (self._wish is wish and not claim.mailfrom)
        return wish is TlsWish.OPTIONAL or self._wish is not TlsWish.OPTIONAL

    async def open(self, claim: Claim) -> Connection | NoHost:
        """A session with the first host that gives one that is fit for this. Call `left` when it is gone."""
        policy = self._route.policy
        if claim.destination != self._route.destination:
            client = claim.client if self._tools.router.ways.by_client else ""
            own = await self._tools.router.route(claim.destination, client)
            policy = own.policy if isinstance(own, Route) else policy
        self._wish = claim.options.tls
        found = await self._search(policy, self._wish)
        if isinstance(found, NoHost) and self._wish is TlsWish.REQUIRED and not claim.mailfrom:
            return await self._search(policy, TlsWish.USUAL)
        return found

    async def _search(self, policy: Policy, wish: TlsWish) -> Connection | NoHost:
        heard: list[Attempt] = []
        ours, rests, demands = "", {}, {}

        def resting(family: str) -> float:
            site = self._route.site
            found = self._tools.resting.of(site.name, site.source, family)
            rests[family] = max(0.0, found.until - time.time()) if found else 0.0
            return rests[family]

        async def admit(host: str) -> Said | None:
            found = await self._demand(policy, host, wish)
            if isinstance(found, Said):
                return found
            demands[host] = found
            return None

        async for target in self._tools.router.targets(self._route, resting, admit):
            if isinstance(target, Said) and target.stage is Stage.LOCAL and target.reply is None:
                ours = target.detail  # our nameservers are gone
                continue
            if isinstance(target, Said):
                heard.append(Attempt(target))
                continue
            try:
                await self._have_room(target, again=bool(heard))
                connection = await self._session(target, policy.domain, demands[target.host], wish)
            except ConnectFailed as failure:
                if failure.said.stage is Stage.LOCAL and failure.said.reply is None:
                    ours = str(failure)
                else:
                    host = f"{target.host}[{target.address}]"
                    heard.append(Attempt(failure.said, host, family=target.family, local=target.local))
                    if not self._may_go_on(heard[-1], policy.domain):
                        ours = ""
                        break
                continue
            self._state.answered()
            self._answered = True
            return connection
        if any(self._tools.rules.ruling(attempt, policy.domain).decision is Action.BACK_OFF for attempt in heard):
            ours = ""  # that its other addresses are let alone now comes of what it said
        return NoHost(decisive(heard, self._route, self._tools.rules), ours, max(rests.values(), default=0.0))

    def _may_go_on(self, attempt: Attempt, domain: str) -> bool:
        """Whether another address may be tried. Who limits or blocks the address that we came from wants to be left
        alone, not asked at the next door: but ours of the other family is another one. Who refuses our login wants no
        more of it."""
        ruling, said, site = self._tools.rules.ruling(attempt, domain), attempt.said, self._route.site
        if ruling.decision is not Action.BACK_OFF:
            return said.stage is not Stage.AUTH or verdict.decide(said.stage, said.reply, said.detail).next_host
        word = verdict.site_word(said.reply, ruling)
        if word is None or ruling.enough or ruling.scope is not About.ADDRESS:
            return False
        self._tools.resting.heed(site.name, site.source, attempt.family, word)
        return True

    async def _demand(self, policy: Policy, host: str, wish: TlsWish) -> Demand | Said:
        """What is asked of a host, or why it is not to be used."""
        router = self._tools.router
        found = await router.policies.demand(policy, host, router.port_of(self._route), wish)
        if isinstance(found, Barred):
            failed = tlsrpt.Session(policy.domain, found.reported, tlsrpt.Result(found.unproved.result), host)
            self._tools.count_tls(replace(failed, reason=found.unproved.text))
        return found if isinstance(found, Demand) else unfit(host, found)

    def left(self) -> None:
        """The connection is gone, and its address has room for another. Safe to call twice."""
        if self._address:
            self._tools.addresses.leave(self._address)
            self._address = ""
        if self._answered:
            self._answered = False
            self._state.closed()

    async def _have_room(self, target: Target, *, again: bool) -> None:
        """Count a connection to that address in; ConnectFailed where it has as many as it may."""
        most = max(MOST_PER_ADDRESS, self._route.rule.connections)
        if not self._tools.addresses.enter(target.address, most, time.monotonic()):
            said = Said(Stage.LOCAL, None, f"{most} connections to this address are open already")
            raise ConnectFailed(target, said)
        self._address = target.address
        try:
            await self._may_dial(again)
        except BaseException:
            self.left()
            raise

    async def _session(self, target: Target, domain: str, demand: Demand, wish: TlsWish) -> Connection:
        smarthost = self._route.smarthost
        trust, implicit = self._tools.router.policies.trust, smarthost is not None and smarthost.port == SUBMISSIONS
        try:
            connection = await self._logged_in(target, Handshake(domain, demand, target, trust, implicit=implicit))
            if wish is TlsWish.REQUIRED:
                await _require(connection)
        except ConnectFailed as failure:
            self.left()
            if wish is TlsWish.REQUIRED and failure.said.detail.startswith(NOT_OFFERED):
                text = f"{target.host} offers no TLS, and the message asks for REQUIRETLS (RFC 8689)"
                raise ConnectFailed(target, Said(Stage.LOCAL, Reply(550, "5.7.10", text))) from failure
            raise
        except BaseException:
            self.left()
            raise
        return connection

    async def _logged_in(self, target: Target, handshake: Handshake) -> Connection:
        """A session; at a smarthost that wants one after a login, of whose failure the operator hears."""
        smarthost, logins = self._route.smarthost, self._tools.logins
        if smarthost is None or not smarthost.user:
            return await self._shake_hands(target, handshake, None)
        name = self._route.site.name
        try:
            connection = await self._shake_hands(target, handshake, login_of(smarthost))
        except LoginTrouble as trouble:
            said = Said(Stage.LOCAL, None, str(trouble))
            logins.failed(name, "", said)
            raise ConnectFailed(target, said) from trouble
        except ConnectFailed as failure:
            if failure.said.stage is Stage.AUTH:
                logins.failed(name, f"{target.host}[{target.address}]", failure.said)
            raise
        logins.succeeded(name)
        return connection

    async def _shake_hands(self, target: Target, handshake: Handshake, login: Login | None) -> Connection:
        may_be_clear = handshake.demand.starttls and not handshake.demand.required and not handshake.security.implicit
        broken = self._tools.broken.why(target.address) if may_be_clear else ""
        try:
            connection = await self._connect(target, CLEAR if broken else handshake.security, login)
        except ConnectFailed as failure:
            if broken or not handshake.demand.starttls or not _may_be_tls(failure):
                raise
            self._tools.count_tls(handshake.failure(failure.said))
            if not may_be_clear:
                raise ConnectFailed(target, _with_reason(failure.said, handshake.demand.required)) from failure
            await self._may_dial(True)
            connection = await self._connect(target, CLEAR, login)
            log.say(log.Level.NOTICE, f"{failure}; it gets its mail in the clear for an hour")
            broken = str(failure.said.reply or failure.said.detail)
            self._tools.broken.remember(target.address, broken)
        else:
            if handshake.demand.starttls and not broken:
                self._tools.count_tls(handshake.success(connection.tls))
        connection.policy = handshake.words(connection.tls, broken)
        return connection

    async def _connect(self, target: Target, security: Security, login: Login | None) -> Connection:
        hurried = self._tools.pressed and not self._state.provider.pace
        deadlines = self._tools.hurried if hurried else self._tools.deadlines
        trace = self._trace(target) if self._tools.debug else None
        ehlo = self._route.ehlo or self._tools.router.myself.ehlo
        return await connect(dial, target, ehlo, deadlines, security=security, login=login, trace=trace)

    def _trace(self, target: Target) -> Callable[[str], None]:
        def trace(line: str) -> None:
            log.say(log.Level.DEBUG, f"{self._queue_id()}: {target.host}[{target.address}] {line}")

        return trace


def unfit(host: str, found: Barred | MxUnknown) -> Said:
    """What is said of a host that its TLS policy doesn't let us use."""
    if isinstance(found, MxUnknown):
        return Said(Stage.LOCAL, None, f"{host}: {found.text}")
    text = f"{host}: {found.unproved.text}"
    if found.final:
        return Said(Stage.LOCAL, Reply(550, found.status, text))
    return Said(Stage.STARTTLS, None, text)


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


async def _require(connection: Connection) -> None:
    """RFC 8689 §2: within TLS, with a host that is proved, it must be announced."""
    if "REQUIRETLS" in connection.extensions and connection.security.authenticated and connection.tls:
        connection.requiretls = True
        return
    target = connection.target
    await connection.quit()
    text = f"{target.host} doesn't offer REQUIRETLS, and the message asks for it (RFC 8689)"
    raise ConnectFailed(target, Said(Stage.LOCAL, Reply(550, "5.7.30", text)))


def _with_reason(said: Said, required: str) -> Said:
    """The same, and whose policy it is that this was no reason to go without TLS."""
    if required in said.detail:
        return said
    return replace(said, detail="; ".join(part for part in (said.detail, required) if part))


def _may_be_tls(failure: ConnectFailed) -> bool:
    """The handshake failed; or the connection broke in the EHLO after it, which is where a TLS 1.3 host's refusal
    arrives. One that broke before TLS was begun says nothing of it."""
    said = failure.said
    broke = said.stage is Stage.EHLO and said.reply is None and failure.within_tls
    return said.stage is Stage.STARTTLS or broke
