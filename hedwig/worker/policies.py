"""TLS policies of routes, and what they ask of hosts: the rules of hedwig/tls with what DNS and the spool say.

A route's policy is found before anything is claimed for it: what has to be waited for (a domain's MTA-STS policy, its
hosts' TLSA records) holds up no connection, and no other domain.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

from hedwig import log
from hedwig.dane import DANE_EE, DANE_TA, usable
from hedwig.mx import MxUnknown, Resolver, TlsaFound
from hedwig.options import TlsWish
from hedwig.routing import Exchanger, MxFound, literal_target
from hedwig.settings import SiteRule, Smarthost, Tls, Worker
from hedwig.tls import Barred, Demand, Policy, Tlsa, Unproved
from hedwig.tls.pkix import Trust
from hedwig.tls.policy import Levels, demand, kind
from hedwig.worker.sts import Sts

MOST_HOSTS = 10  # whose TLSA records are looked at ahead

_NO_TLSA = Tlsa()


class Trusting(Protocol):
    """Who says whose a certificate is."""

    def check(self, chain: Sequence[bytes], host: str) -> Unproved | None:
        """None if `chain` (DER, the host's own first) is that of `host`."""


class _Nobody:
    """Trusts nobody: the file with the authorities can't be used."""

    def __init__(self, why: str) -> None:
        self._why = why

    def check(self, chain: Sequence[bytes], host: str) -> Unproved | None:
        """Never."""
        del chain, host
        return Unproved("certificate-not-trusted", f"`ca_file` in worker.yml: {self._why}")


class Policies:
    """Of one worker; belongs to the event loop. Without `sts` there are no MTA-STS policies."""

    def __init__(self, resolver: Resolver, settings: Worker, sts: Sts | None = None) -> None:
        self._resolver = resolver
        self._sts = sts
        self.trust: Trusting = _Nobody("")
        self.take(settings)

    def take(self, settings: Worker) -> None:
        """Other settings. A `ca_file` that can't be read is an alert, and nobody is trusted until it can."""
        self._settings = settings
        self._levels = Levels(settings.tls, settings.domains)
        try:
            self.trust = Trust(settings.ca_file)
        except ValueError as error:
            text = f"`ca_file` in worker.yml: {error}; mail that needs a certificate to be proved waits"
            log.event(log.Matter.FAULT, text, log.Level.ALERT, reason=str(error))
            self.trust = _Nobody(str(error))

    def look(self) -> None:
        """See what other workers have found. Blocks. SpoolTrouble."""
        if self._sts is not None:
            self._sts.look()

    async def close(self) -> None:
        """End what is under way."""
        if self._sts is not None:
            await self._sts.close()

    async def of(
        self, destination: str, site: str, rule: SiteRule, exchangers: Iterable[Exchanger], found: MxFound
    ) -> tuple[Policy, str]:
        """What holds for a destination at a site of that name, and the kind of it (policy.kind). SpoolTrouble."""
        made = self._levels.policy(destination, site, rule)
        if made.level is Tls.NONE or literal_target(destination):
            return made, kind(made, ())
        sts, trouble = None, ""
        if self._sts is not None and self._settings.mta_sts:
            known = await self._sts.of(destination)
            sts, trouble = known.policy, known.trouble
        policy = Policy(destination, made.level, made.origin, self._settings.dane, sts, trouble, found)
        hosts = [exchanger.host for exchanger in exchangers]
        plain = kind(policy, hosts)
        return policy, f"{plain} {destination}".strip() if await self._by_name(policy, hosts) else plain

    async def of_relay(self, name: str, smarthost: Smarthost) -> tuple[Policy, str]:
        """What holds for a smarthost of the settings. Its name is the admin's word, so it needs nobody else's."""
        origin = f"`smarthosts: {name}` in worker.yml"
        dane = self._settings.dane and smarthost.tls is not Tls.NONE
        sts = None
        if smarthost.tls is Tls.MTA_STS and self._sts is not None:  # RFC 8461 §3.4
            sts = (await self._sts.of(smarthost.host)).policy
        policy = Policy(smarthost.host, smarthost.tls, origin, dane, sts, found=MxFound((), secure=True))
        return policy, kind(policy, [smarthost.host])

    async def demand(self, policy: Policy, host: str, port: int, wish: TlsWish) -> Demand | Barred | MxUnknown:
        """What is asked of a host. MxUnknown: our nameservers are gone, so that nobody can say (I8)."""
        tlsa = await self._tlsa(policy, host, port)
        if isinstance(tlsa, MxUnknown):
            return tlsa
        return demand(policy, host, tlsa, wish)

    async def _tlsa(self, policy: Policy, host: str, port: int) -> Tlsa | MxUnknown:
        if not policy.dane:
            return _NO_TLSA
        answer = await self._resolver.tlsa(host, port)
        match answer:
            case TlsaFound(base, records):
                return Tlsa(base, records)
            case MxUnknown(text, gone):
                return answer if gone else Tlsa(unknown=text)
        return _NO_TLSA

    async def _by_name(self, policy: Policy, hosts: Sequence[str]) -> bool:
        """Whether a host may prove itself by a certificate for the recipients' domain (RFC 7672 §3.2.3): what that is
        proved for holds for no other domain."""
        if not (policy.dane and policy.found.secure):
            return False
        ahead = (self._tlsa(policy, host, self._settings.smtp_port) for host in hosts[:MOST_HOSTS])
        answers = await asyncio.gather(*ahead)
        usages = [{each.usage for each in usable(tlsa.records)} for tlsa in answers if isinstance(tlsa, Tlsa)]
        return len(hosts) > MOST_HOSTS or any(DANE_TA in found and DANE_EE not in found for found in usages)
