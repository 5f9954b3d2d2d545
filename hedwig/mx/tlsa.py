"""TLSA records of a host: where RFC 7672 §2.2.2 says to look, and what it says not to believe.

- The host's addresses must be secure, or nothing is asked: many unsigned zones have servers that fail at questions for
  TLSA, and their mail must not wait for that.
- A host that is an alias, securely all the way, is looked for under the name at the end first, and only if there are no
  records under its own.
- An alias that is secure itself and leads to a name that isn't has its own name alone. That takes one more question,
  for the CNAME.
- Records that are not secure are as good as none. Where there is no answer (a bogus one comes as SERVFAIL) that is an
  answer of its own, MxUnknown.

The name under which they were found is the *base domain*, by which SNI and the names in certificates go.
"""

from collections.abc import Awaitable, Callable

import dns.exception
import dns.rdatatype
import dns.rdtypes.ANY.TLSA

from hedwig.dane import TlsaRecord
from hedwig.mx import AddressAnswer, AddressesFound, MxUnknown, TlsaAnswer, TlsaFound, TlsaNone
from hedwig.mx.cache import Cache
from hedwig.mx.nameserver import Nameservers, Unanswered
from hedwig.mx.records import MAX_TTL, look_up, name_of, unknown
from hedwig.reply import one_line


class TlsaLookup:
    """`addresses` gives what is known of a host; `clock` is monotonic. Of one event loop."""

    def __init__(
        self,
        nameservers: Nameservers,
        addresses: Callable[[str], Awaitable[AddressAnswer]],
        clock: Callable[[], float],
    ) -> None:
        self._nameservers = nameservers
        self._addresses = addresses
        self._under: Cache[tuple[str, int], TlsaAnswer] = Cache(clock)
        self._aliases: Cache[str, bool | MxUnknown] = Cache(clock)

    async def tlsa(self, host: str, port: int) -> TlsaAnswer:
        """The records for `host` and TCP port, as Resolver.tlsa promises."""
        answer = await self._addresses(host)
        if isinstance(answer, MxUnknown):
            return answer
        if not isinstance(answer, AddressesFound):
            return TlsaNone(answer.text)
        bases = [answer.name, host] if answer.name else [host]
        if not answer.secure:
            secure = await self._is_secure_alias(host) if answer.name else False
            if isinstance(secure, MxUnknown):
                return secure
            if not secure:
                return TlsaNone(one_line(f"the addresses of {host} are not secured by DNSSEC"))
            bases = [host]
        for base in bases:
            found = await self._ask(base, port)
            if not isinstance(found, TlsaNone):
                return found
        return TlsaNone(one_line(f"there are no TLSA records for {' or '.join(bases)}"))

    async def close(self) -> None:
        """End what is under way."""
        await self._under.close()
        await self._aliases.close()

    async def _ask(self, base: str, port: int) -> TlsaAnswer:
        return await self._under.ask((base, port), lambda: self._look_up(base, port))

    async def _look_up(self, base: str, port: int) -> tuple[TlsaAnswer, float]:
        owner = f"_{port}._tcp.{base}"
        try:
            records = await look_up(self._nameservers, name_of(owner), dns.rdatatype.TLSA)
        except dns.exception.DNSException:  # with its prefix the name is too long: it can't have any
            return TlsaNone(f"{owner} is no valid name"), MAX_TTL
        except Unanswered as error:
            return unknown(f"TLSA of {owner}", error)
        found = tuple(
            TlsaRecord(rdata.usage, rdata.selector, rdata.mtype, rdata.cert)
            for rdata in records.rdatas
            if isinstance(rdata, dns.rdtypes.ANY.TLSA.TLSA)
        )
        if found and records.secure:
            return TlsaFound(base, found), records.ttl
        return TlsaNone(f"{owner} is not secured by DNSSEC" if found else f"{owner} has none"), records.ttl

    async def _is_secure_alias(self, host: str) -> bool | MxUnknown:
        return await self._aliases.ask(host, lambda: self._look_up_alias(host))

    async def _look_up_alias(self, host: str) -> tuple[bool | MxUnknown, float]:
        try:
            records = await look_up(self._nameservers, name_of(host), dns.rdatatype.CNAME)
        except Unanswered as error:
            return unknown(f"CNAME of {host}", error)
        return bool(records.rdatas) and records.secure, records.ttl
