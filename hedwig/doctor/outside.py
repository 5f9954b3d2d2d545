"""What is seen from outside: each source address, each sender domain, and what both rest on. For hosts that deliver.

All of it is looked up at once; a sender domain's DMARC is judged by what its SPF and DKIM came to.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hedwig.doctor import (
    address_rules,
    dkim_rules,
    dmarc_rules,
    domain_rules,
    network_rules,
    reach_rules,
    spf_rules,
)
from hedwig.doctor.address_rules import Origin
from hedwig.doctor.beside import Look, in_thread, together
from hedwig.doctor.dmarc_rules import Dmarc
from hedwig.doctor.finding import Check, Finding, Grade, Text, Texts, Unknown
from hedwig.doctor.look import dkim_keys, knocking, policies, spf_evaluator, time_source
from hedwig.doctor.look.lookups import Lookups
from hedwig.doctor.look.origins import Leaving, leavings
from hedwig.settings import Worker

SIGNED_WRONG = "dnssec-failed.org"  # kept with wrong signatures by Comcast, so that validation can be tried
_EXISTS = ""  # the root
LONG = 16.0  # seconds, for what takes several steps


@dataclass(frozen=True, slots=True)
class Wanted:
    """`domains`: senders'; () for the EHLO names. `addresses`: that receivers see, else those of worker.yml.
    `client`: whose mail it is, for its sources, "" for any. `connect`: whether receivers and an NTP server are
    connected to. `receivers`, `dnsbls`: beside those of worker.yml."""

    domains: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    client: str = ""
    connect: bool = True
    receivers: tuple[str, ...] = ()
    dnsbls: tuple[str, ...] = ()


async def examine(settings: Worker, config_dir: Path, wanted: Wanted) -> list[Finding]:
    """All findings, those that others rest on first."""
    lookups = Lookups(settings.dns.nameservers, settings.dns.port)
    try:
        base = [Look(Check("resolver", ", ".join(lookups.servers)), lambda: _resolver(lookups, settings))]
        if wanted.connect:
            base.append(Look(Check("clock", settings.doctor.ntp), lambda: _clock(lookups, settings)))
        seen = wanted.addresses or settings.doctor.addresses
        found, leaving = await asyncio.gather(together(base), leavings(settings, wanted.client, seen))
        if not leaving:
            return [*found, _no_address()]
        examination = _Examination(settings, config_dir, wanted, lookups, leaving)
        return found + await together(examination.looks())
    finally:
        await lookups.close()


def _no_address() -> Finding:
    seen = Text("this host has no address that leads outside", "本机没有可以出站的地址")
    return Check("ptr", "-").fail(seen, "ip route", Text("it shows what is missing", "查看缺少的路由"))


async def _resolver(lookups: Lookups, settings: Worker) -> list[Finding]:
    root, absent, bogus = await asyncio.gather(
        lookups.records(_EXISTS, "SOA"),
        lookups.addresses(f"hedwig-{secrets.token_hex(8)}.com"),
        lookups.addresses(SIGNED_WRONG, ("A",)),
    )
    lost = isinstance(root, Unknown)
    alive: Texts = root if isinstance(root, Unknown) else tuple(each.to_text() for each in root.rdatas)
    secure = not isinstance(root, Unknown) and root.secure
    if lost:
        absent = bogus = ()
    facts = network_rules.Nameservers(lookups.servers, alive, secure, absent, bogus, settings.dane)
    return [network_rules.judge_resolver(facts)]


async def _clock(lookups: Lookups, settings: Worker) -> list[Finding]:
    return [network_rules.judge_clock(await time_source.look(lookups, settings.doctor.ntp))]


class _Examination:
    """One run, once it is known which addresses mail leaves from."""

    def __init__(
        self, settings: Worker, config_dir: Path, wanted: Wanted, lookups: Lookups, leaving: Sequence[Leaving]
    ) -> None:
        self._settings = settings
        self._config_dir = config_dir
        self._wanted = wanted
        self._lookups = lookups
        self._leaving = leaving
        self._seen = [one.address for one in leaving if not address_rules.hidden(one.address)]

    def looks(self) -> list[Look]:
        """Everything that is looked at, in the order in which it is shown."""
        looks = [Look(Check("ptr", one.address), partial(self._origin, one)) for one in self._leaving]
        if self._wanted.connect:
            name = f"port-{self._settings.smtp_port}"
            looks += [Look(Check(name, one.address), partial(self._port, one), LONG) for one in self._leaving]
        zones = dict.fromkeys((*self._settings.doctor.dnsbls, *self._wanted.dnsbls))
        looks += [
            Look(Check("dnsbl", f"{address} at {zone}"), partial(self._listed, zone, address))
            for zone in zones
            for address in self._seen
        ]
        names = dict.fromkeys(one.ehlo for one in self._leaving if "." in one.ehlo and not one.ehlo.startswith("["))
        domains = self._wanted.domains or tuple(names)
        others = [name for name in names if name not in domains]  # a sender domain's SPF is looked at in any case
        looks += [Look(Check("spf-helo", name), partial(self._helo, name)) for name in others]
        for domain in domains:
            looks.append(Look(Check("spf", domain), partial(self._authentication, domain), LONG))
            looks.append(Look(Check("mx", domain), partial(self._mx, domain)))
            looks.append(Look(Check("mta-sts", domain), partial(self._policy, domain), LONG))
        return looks

    async def _origin(self, one: Leaving) -> list[Finding]:
        if address_rules.hidden(one.address):
            return address_rules.judge(Origin(one.address, one.ehlo, one.source))
        ptr = await self._lookups.ptr(one.address)
        names = [*(() if isinstance(ptr, Unknown) else ptr[:10])]
        if "." in one.ehlo and not one.ehlo.startswith("["):
            names.append(one.ehlo)
        answers = await asyncio.gather(*(self._lookups.addresses(name) for name in names))
        forward = dict(zip(names, answers, strict=True))
        return address_rules.judge(Origin(one.address, one.ehlo, one.source, ptr, forward))

    async def _port(self, one: Leaving) -> list[Finding]:
        receivers = self._wanted.receivers or self._settings.doctor.receivers
        port = self._settings.smtp_port
        doors = [knocking.Door(each, one.address, one.bind, one.ehlo, port) for each in receivers]
        knocks = await asyncio.gather(*(knocking.knock(self._lookups, door) for door in doors))
        return [reach_rules.judge_port(one.address, knocks, port)]

    async def _listed(self, zone: str, address: str) -> list[Finding]:
        name = reach_rules.question(address, zone)
        names = (name, reach_rules.question("127.0.0.2", zone), reach_rules.question("127.0.0.1", zone))
        answer, always, never = await asyncio.gather(*(self._lookups.addresses(each, ("A",)) for each in names))
        reason = await self._lookups.texts(name) if answer and not isinstance(answer, Unknown) else ()
        said = () if isinstance(reason, Unknown) else reason
        return [reach_rules.judge_listing(reach_rules.Listing(zone, address, answer, (always, never), said))]

    async def _helo(self, name: str) -> list[Finding]:
        own = [one.address for one in self._leaving if one.ehlo == name and one.address in self._seen]
        facts = [await spf_evaluator.evaluate(self._lookups, name, address, name) for address in own]
        found = [spf_rules.judge(each, own, helo=True) for each in facts]
        return _without_echoes(found)

    async def _authentication(self, domain: str) -> list[Finding]:
        """SPF from each address, DKIM, and DMARC by both."""
        sent = [one for one in self._leaving if one.address in self._seen]
        evaluated = asyncio.gather(
            *(spf_evaluator.evaluate(self._lookups, domain, one.address, one.ehlo) for one in sent)
        )
        keys, spf = await asyncio.gather(self._keys(domain), evaluated)
        by_spf = [spf_rules.judge(each, self._seen) for each in spf]
        by_dkim = dkim_rules.judge(domain, keys)
        passes = bool(spf) and all(each.result == "pass" for each in spf)
        signed = any(dkim_rules.sound(key) for key in keys)
        own = any(dkim_rules.sound(key) and key.domain == domain for key in keys)
        facts = Dmarc(domain, spf=passes, dkim=signed, own_key=own)
        return [*_without_echoes(by_spf), *by_dkim, *await self._dmarc(facts)]

    async def _keys(self, domain: str) -> list[dkim_rules.Signing]:
        """The keys of the domain, or of the nearest one above it that has some: they sign for what is below, too."""

        def find() -> list[dkim_rules.Signing]:
            above = dmarc_rules.parents(domain)
            return next((keys for each in above if (keys := dkim_keys.keys_of(self._config_dir, each))), [])

        return await asyncio.gather(*(self._published(each) for each in await in_thread(find)))

    async def _published(self, signing: dkim_rules.Signing) -> dkim_rules.Signing:
        """With what DNS has for it."""
        if (key := signing.key) is None:
            return signing
        if records := await self._lookups.texts(key.name):
            return replace(signing, records=records)
        return replace(signing, doubled=await self._lookups.texts(f"{key.name}.{key.domain}"))

    async def _dmarc(self, facts: Dmarc) -> list[Finding]:
        above = dmarc_rules.parents(facts.domain)
        answers = await asyncio.gather(*(self._lookups.texts(f"_dmarc.{name}") for name in above))
        for name, answer in zip(above, answers, strict=True):
            if isinstance(answer, Unknown):
                return dmarc_rules.judge(replace(facts, at=name, records=answer))
            if records := tuple(text for text in answer if dmarc_rules.is_dmarc(text)):
                facts = replace(facts, at=name, records=records)
                break
        consents = {}
        if facts.records and not isinstance(facts.records, Unknown):
            for stranger in dmarc_rules.strangers(facts.records[0], facts.at):
                consents[stranger] = await self._lookups.texts(dmarc_rules.consent(facts.at, stranger))
        return dmarc_rules.judge(replace(facts, consents=consents))

    async def _mx(self, domain: str) -> list[Finding]:
        return [domain_rules.judge_mx(await self._lookups.mx(domain))]

    async def _policy(self, domain: str) -> list[Finding]:
        facts = await policies.look(self._lookups, self._settings, domain, fetch=self._wanted.connect)
        return domain_rules.judge_policy(facts)


def _without_echoes(found: Sequence[Finding]) -> list[Finding]:
    """The same trouble of each address is one finding: they have one record."""
    kept: dict[tuple[Grade, str, str], Finding] = {}
    for each in found:
        key = (each.grade, each.mend, "" if each.mend else each.subject)
        kept.setdefault(key, each)
    return list(kept.values())
