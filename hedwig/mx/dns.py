"""Exchangers and addresses from DNS (RFC 5321 §5.1, RFC 7505; RFC 2308 for what is not there).

What DNS says becomes one of the values of hedwig.mx:

- MX records: MxFound. CNAMEs on the way are followed (RFC 5321 §5.1). A record whose host is no host name (an IP
  address, control or 8-bit characters, I11) is left out; where none is left the domain takes no mail (5.4.4).
- a lone "." (RFC 7505): MxNone 5.1.10. Beside others it is left out.
- no MX record: the domain itself, if it has an address; else MxNone 5.1.2. Never so where MX records exist, whatever
  becomes of their hosts.
- NXDOMAIN: MxNone 5.1.2.
- all else (SERVFAIL, REFUSED, time-out, malformed, a loop of CNAMEs): MxUnknown, a deferral (I8).

Answers are kept for their TTL within bounds, absence for the SOA's minimum up to five minutes, and failures for half a
minute, so that 50,000 letters to a dead domain ask once or twice a minute (I9); unless it is our nameservers that are
gone (control.py).
"""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rdtypes.ANY.MX

from hedwig.mx import (
    AddressAnswer,
    AddressesFound,
    AddressesNone,
    Exchanger,
    MxAnswer,
    MxFound,
    MxNone,
    MxUnknown,
    Resolver,
)
from hedwig.mx.cache import Cache
from hedwig.mx.nameserver import Nameservers, Unanswered
from hedwig.reply import one_line

MIN_TTL = 1.0  # seconds, like all of these
MAX_TTL = 86_400.0
MAX_ABSENT = 300.0
UNBOUNDED_ABSENT = 30.0  # no SOA came with it: RFC 2308 §5 says not to keep it, 50,000 letters say to keep it briefly
FAILURE_TTL = 30.0
GONE_TTL = 1.0  # of a failure while the nameservers are gone
_MAX_HOPS = 8
_LABEL = re.compile(rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\Z")


@dataclass(frozen=True, slots=True)
class _Records:
    """What is there for a name and type; empty where nothing is. `exists`: the name has records, if of other types."""

    rdatas: tuple[dns.rdata.Rdata, ...]
    ttl: float
    exists: bool = True


class DnsResolver(Resolver):
    """The resolver by dnspython's messages over asyncio. Belongs to one event loop."""

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        port: int = 53,
        *,
        timeout: float = 5.0,
        lifetime: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`nameservers`: IP addresses (ValueError for anything else); none means those of /etc/resolv.conf.

        `timeout`: seconds for one server's answer (less at first, more later); `lifetime`: for one question in all.
        """
        self._nameservers = Nameservers(nameservers, port, timeout, lifetime, clock)
        self._exchangers: Cache[str, MxAnswer] = Cache(clock)
        self._addresses: Cache[str, AddressAnswer] = Cache(clock)

    async def exchangers(self, domain: str) -> MxAnswer:
        """The hosts that take mail for `domain` (lower-case A-labels, no literal)."""
        known = self._exchangers.get(domain)
        if known is not None:
            return known
        return await self._exchangers.ask(domain, lambda: self._look_up_exchangers(domain))

    async def addresses(self, host: str) -> AddressAnswer:
        """The addresses of `host`, IPv4 first, CNAMEs followed."""
        known = self._addresses.get(host)
        if known is not None:
            return known
        return await self._addresses.ask(host, lambda: self._look_up_addresses(host))

    async def close(self) -> None:
        """End what is under way and close the sockets."""
        await self._exchangers.close()
        await self._addresses.close()
        await self._nameservers.close()

    async def _look_up_exchangers(self, domain: str) -> tuple[MxAnswer, float]:
        try:
            name = _name(domain)
        except dns.exception.DNSException:
            return MxNone("5.1.2", one_line(f"{domain} is no valid domain name")), MAX_ABSENT
        try:
            records = await self._records(name, dns.rdatatype.MX)
        except Unanswered as error:
            return _unknown(f"MX of {domain}", error)
        if records.rdatas:
            return _mx_answer(domain, records.rdatas), records.ttl
        if not records.exists:
            return MxNone("5.1.2", one_line(f"the domain {domain} does not exist")), records.ttl
        implicit = _implicit(domain, await self.addresses(domain))
        return implicit, _ttl(implicit.gone) if isinstance(implicit, MxUnknown) else records.ttl

    async def _look_up_addresses(self, host: str) -> tuple[AddressAnswer, float]:
        try:
            name = _name(host)
        except dns.exception.DNSException:
            return AddressesNone(one_line(f"{host} is no valid host name")), MAX_ABSENT
        families = await asyncio.gather(self._family(name, dns.rdatatype.A), self._family(name, dns.rdatatype.AAAA))
        failed = [answer for answer in families if isinstance(answer, Unanswered)]
        given = [answer for answer in families if isinstance(answer, _Records)]
        addresses = tuple(dict.fromkeys(rdata.to_text() for records in given for rdata in records.rdatas))
        ttl = min([records.ttl for records in given if records.rdatas or not addresses], default=FAILURE_TTL)
        if failed:
            ttl = min(ttl, FAILURE_TTL)
        if addresses:
            return AddressesFound(addresses), ttl
        if not all(records.exists for records in given):
            return AddressesNone(one_line(f"the host {host} does not exist")), ttl
        if failed:
            return _unknown(f"addresses of {host}", failed[0])
        return AddressesNone(one_line(f"the host {host} has no address")), ttl

    async def _family(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> _Records | Unanswered:
        try:
            return await self._records(name, rdtype)
        except Unanswered as error:
            return error

    async def _records(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> _Records:
        """Records of that type at the end of the chain of CNAMEs. Raises Unanswered."""
        ttl = MAX_TTL
        for _ in range(_MAX_HOPS):
            message = await self._nameservers.ask(name, rdtype)
            try:
                chain = message.resolve_chaining()
            except dns.exception.DNSException as error:
                raise Unanswered(f"malformed answer ({type(error).__name__})") from error
            ttl = min(ttl, chain.minimum_ttl)
            if chain.answer is not None:
                return _Records(tuple(chain.answer), max(ttl, MIN_TTL))
            has_soa = any(rrset.rdtype == dns.rdatatype.SOA for rrset in message.authority)
            exists = message.rcode() != dns.rcode.NXDOMAIN
            if has_soa or not exists or not chain.cnames:
                absent = min(max(ttl, MIN_TTL), MAX_ABSENT) if has_soa else UNBOUNDED_ABSENT
                return _Records((), absent, exists)
            name = chain.canonical_name  # a server that doesn't follow CNAMEs itself
        raise Unanswered(f"more than {_MAX_HOPS} CNAMEs in a row")


def _name(text: str) -> dns.name.Name:
    """`text` as an absolute name, without any interpretation of escapes or IDNs (I11)."""
    return dns.name.Name([*text.encode("utf-8", "replace").split(b"."), b""])


def _host(name: dns.name.Name) -> str | None:
    """The name as text if it can be a host's: letters, digits, hyphens and (seen in the wild) underscores; not an IP
    address written as a name. Else None."""
    labels = name.labels[:-1]
    if not labels or not all(_LABEL.match(label) for label in labels) or labels[-1].isdigit():
        return None
    return b".".join(labels).decode("ascii").lower()


def _mx_answer(domain: str, rdatas: Sequence[dns.rdata.Rdata]) -> MxAnswer:
    named = [(rdata.preference, rdata.exchange) for rdata in rdatas if isinstance(rdata, dns.rdtypes.ANY.MX.MX)]
    if all(exchange == dns.name.root for _, exchange in named):
        return MxNone("5.1.10", one_line(f"the domain {domain} takes no mail (null MX)"))
    hosts = ((preference, _host(exchange)) for preference, exchange in named)
    exchangers = {Exchanger(preference, host) for preference, host in hosts if host is not None}
    if not exchangers:
        return MxNone("5.4.4", one_line(f"the MX records of {domain} name no valid host"))
    return MxFound(tuple(sorted(exchangers, key=lambda exchanger: (exchanger.preference, exchanger.host))))


def _unknown(what: str, error: Unanswered) -> tuple[MxUnknown, float]:
    return MxUnknown(one_line(f"{what}: {error}"), error.gone), _ttl(error.gone)


def _ttl(gone: float) -> float:
    return GONE_TTL if gone else FAILURE_TTL


def _implicit(domain: str, answer: AddressAnswer) -> MxAnswer:
    """RFC 5321 §5.1: without MX records the domain is its own exchanger, with preference 0, if it has an address."""
    if isinstance(answer, AddressesFound):
        return MxFound((Exchanger(0, domain),), implicit=True)
    if isinstance(answer, AddressesNone):
        return MxNone("5.1.2", one_line(f"the domain {domain} has neither MX record nor address"))
    return answer
