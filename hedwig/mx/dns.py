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
gone (control.py). TLSA records are tlsa.py's.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

import dns.exception
import dns.name
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TXT

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
    TextAnswer,
    TlsaAnswer,
)
from hedwig.mx.cache import Cache
from hedwig.mx.nameserver import Nameservers, Unanswered
from hedwig.mx.records import (
    FAILURE_TTL,
    MAX_ABSENT,
    Records,
    alias_of,
    failure_ttl,
    host_of,
    look_up,
    name_of,
    unknown,
)
from hedwig.mx.tlsa import TlsaLookup
from hedwig.reply import one_line


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
        self._texts: Cache[str, TextAnswer] = Cache(clock)
        self._tlsa = TlsaLookup(self._nameservers, self.addresses, clock)

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

    async def tlsa(self, host: str, port: int) -> TlsaAnswer:
        """The TLSA records of `host` for that TCP port."""
        return await self._tlsa.tlsa(host, port)

    async def texts(self, name: str) -> TextAnswer:
        """The TXT records of `name`, CNAMEs followed."""
        return await self._texts.ask(name, lambda: self._look_up_texts(name))

    async def close(self) -> None:
        """End what is under way and close the sockets."""
        await self._texts.close()
        await self._tlsa.close()
        await self._exchangers.close()
        await self._addresses.close()
        await self._nameservers.close()

    async def _look_up_exchangers(self, domain: str) -> tuple[MxAnswer, float]:
        try:
            name = name_of(domain)
        except dns.exception.DNSException:
            return MxNone("5.1.2", one_line(f"{domain} is no valid domain name")), MAX_ABSENT
        try:
            records = await look_up(self._nameservers, name, dns.rdatatype.MX)
        except Unanswered as error:
            return unknown(f"MX of {domain}", error)
        if records.rdatas:
            return _mx_answer(domain, records, alias_of(name, records.name)), records.ttl
        if not records.exists:
            return MxNone("5.1.2", one_line(f"the domain {domain} does not exist")), records.ttl
        implicit = _implicit(domain, await self.addresses(domain), records.secure)
        return implicit, failure_ttl(implicit.gone) if isinstance(implicit, MxUnknown) else records.ttl

    async def _look_up_addresses(self, host: str) -> tuple[AddressAnswer, float]:
        try:
            name = name_of(host)
        except dns.exception.DNSException:
            return AddressesNone(one_line(f"{host} is no valid host name")), MAX_ABSENT
        families = await asyncio.gather(self._family(name, dns.rdatatype.A), self._family(name, dns.rdatatype.AAAA))
        failed = [answer for answer in families if isinstance(answer, Unanswered)]
        given = [answer for answer in families if isinstance(answer, Records)]
        addresses = tuple(dict.fromkeys(rdata.to_text() for records in given for rdata in records.rdatas))
        ttl = min([records.ttl for records in given if records.rdatas or not addresses], default=FAILURE_TTL)
        if failed:
            ttl = min(ttl, FAILURE_TTL)
        if addresses:
            where = [records for records in given if records.rdatas]
            secure = all(records.secure for records in where)
            return AddressesFound(addresses, secure, alias_of(name, where[0].name)), ttl
        if not all(records.exists for records in given):
            return AddressesNone(one_line(f"the host {host} does not exist")), ttl
        if failed:
            return unknown(f"addresses of {host}", failed[0])
        return AddressesNone(one_line(f"the host {host} has no address")), ttl

    async def _look_up_texts(self, text: str) -> tuple[TextAnswer, float]:
        try:
            records = await look_up(self._nameservers, name_of(text), dns.rdatatype.TXT)
        except dns.exception.DNSException:
            return (), MAX_ABSENT
        except Unanswered as error:
            return unknown(f"TXT of {text}", error)
        named = [rdata.strings for rdata in records.rdatas if isinstance(rdata, dns.rdtypes.ANY.TXT.TXT)]
        return tuple(b"".join(strings).decode("utf-8", "replace") for strings in named), records.ttl

    async def _family(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Records | Unanswered:
        try:
            return await look_up(self._nameservers, name, rdtype)
        except Unanswered as error:
            return error


def _mx_answer(domain: str, records: Records, alias: str) -> MxAnswer:
    named = [(rdata.preference, rdata.exchange) for rdata in records.rdatas if isinstance(rdata, dns.rdtypes.ANY.MX.MX)]
    if all(exchange == dns.name.root for _, exchange in named):
        return MxNone("5.1.10", one_line(f"the domain {domain} takes no mail (null MX)"))
    hosts = ((preference, host_of(exchange)) for preference, exchange in named)
    exchangers = {Exchanger(preference, host) for preference, host in hosts if host is not None}
    if not exchangers:
        return MxNone("5.4.4", one_line(f"the MX records of {domain} name no valid host"))
    in_order = tuple(sorted(exchangers, key=lambda exchanger: (exchanger.preference, exchanger.host)))
    return MxFound(in_order, secure=records.secure, name=alias)


def _implicit(domain: str, answer: AddressAnswer, none_for_sure: bool) -> MxAnswer:
    """RFC 5321 §5.1: without MX records the domain is its own exchanger, with preference 0, if it has an address.
    `none_for_sure`: that there are no MX records is secure."""
    if isinstance(answer, AddressesFound):
        secure = none_for_sure and answer.secure
        return MxFound((Exchanger(0, domain),), implicit=True, secure=secure, name=answer.name)
    if isinstance(answer, AddressesNone):
        return MxNone("5.1.2", one_line(f"the domain {domain} has neither MX record nor address"))
    return answer
