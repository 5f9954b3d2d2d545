"""DNS for the doctor: the workers' own way of asking (hedwig/mx), with little patience, each question once.

What is not there is (); what DNS could not say is Unknown, which knows whether it is this name or all nameservers.
"""

import asyncio
import re
import time
from collections.abc import Sequence

import dns.exception
import dns.name
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TXT

from hedwig.doctor.address_rules import reverse
from hedwig.doctor.domain_rules import Host, Mx
from hedwig.doctor.finding import Texts, Unknown
from hedwig.mx.nameserver import Nameservers, Unanswered, read_resolv_conf
from hedwig.mx.records import MAX_ABSENT, Records, host_of, look_up, name_of
from hedwig.reply import one_line

TIMEOUT = 1.2  # seconds for one server, more in later rounds
LIFETIME = 3.5  # for one question
_ERRNO = re.compile(r"\[Errno -?\d+\] ")  # the sentence behind it says as much


class Lookups:
    """Belongs to one event loop. `nameservers`: () for the system's."""

    def __init__(self, nameservers: Sequence[str] = (), port: int = 53) -> None:
        self.servers = tuple(nameservers) or read_resolv_conf()
        self._nameservers = Nameservers(nameservers, port, TIMEOUT, LIFETIME, time.monotonic)
        self._asked: dict[tuple[str, str], asyncio.Task[Records | Unknown]] = {}

    async def close(self) -> None:
        """End what is under way."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
        await self._nameservers.close()

    async def records(self, name: str, kind: str) -> Records | Unknown:
        """The records of that type (A, TXT ...) at the end of the name's CNAMEs."""
        question = (name.lower().rstrip("."), kind)
        task = self._asked.get(question)
        if task is None:
            task = self._asked[question] = asyncio.create_task(self._ask(*question))
        return await asyncio.shield(task)  # who is late ends no one else's question

    async def _ask(self, name: str, kind: str) -> Records | Unknown:
        rdtype = dns.rdatatype.from_text(kind)
        try:
            asked = name_of(name) if name else dns.name.root
            return await look_up(self._nameservers, asked, rdtype)
        except dns.exception.DNSException:
            return Records((), MAX_ABSENT, dns.name.root, exists=False)
        except Unanswered as error:
            return Unknown(one_line(f"{kind} of {name or '.'}: {_ERRNO.sub('', str(error))}"), bool(error.gone))

    async def texts(self, name: str) -> Texts:
        """TXT records, each one's strings joined (RFC 7208 §3.3)."""
        records = await self.records(name, "TXT")
        if isinstance(records, Unknown):
            return records
        named = [each.strings for each in records.rdatas if isinstance(each, dns.rdtypes.ANY.TXT.TXT)]
        return tuple(b"".join(strings).decode("utf-8", "replace") for strings in named)

    async def addresses(self, host: str, kinds: Sequence[str] = ("A", "AAAA")) -> Texts:
        """A and AAAA."""
        both = await asyncio.gather(*(self.records(host, kind) for kind in kinds))
        found = tuple(each.to_text() for one in both if isinstance(one, Records) for each in one.rdatas)
        lost = [one for one in both if isinstance(one, Unknown)]
        return lost[0] if lost and not found else found

    async def ptr(self, address: str) -> Texts:
        """The names of an address, lower case, without the final dot; what can't be a host's name is left out."""
        records = await self.records(reverse(address), "PTR")
        if isinstance(records, Unknown):
            return records
        names = (host_of(each.target) for each in records.rdatas if hasattr(each, "target"))
        return tuple(name for name in names if name is not None)

    async def mx(self, domain: str) -> Mx:
        """Where mail to a domain goes."""
        records = await self.records(domain, "MX")
        if isinstance(records, Unknown):
            return Mx(domain, records)
        named = [each for each in records.rdatas if isinstance(each, dns.rdtypes.ANY.MX.MX)]
        if named and all(each.exchange == dns.name.root for each in named):
            return Mx(domain, null=True)
        hosts = [host_of(each.exchange) for each in sorted(named, key=lambda each: each.preference)]
        if named:
            return Mx(domain, tuple(await asyncio.gather(*(self._host(host) for host in hosts if host))))
        found = await self.addresses(domain)
        if isinstance(found, Unknown):
            return Mx(domain, found)
        return Mx(domain, (Host(domain, found),) if found else (), exists=records.exists, implicit=bool(found))

    async def _host(self, name: str) -> Host:
        found = await self.addresses(name)
        alias = False
        for kind in ("A", "AAAA"):
            records = await self.records(name, kind)
            alias = alias or (isinstance(records, Records) and bool(records.rdatas) and records.name != name_of(name))
        return Host(name, found, alias)
