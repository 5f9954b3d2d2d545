"""Mail exchangers: which hosts take mail for a domain (RFC 5321 §5.1).

The answers are values, not exceptions, because each has its own consequence for the recipients: see `routing.py`.
An implementation keeps its own cache by TTL and has at most one look-up in flight for each name and type.

An answer is *secure* where DNSSEC vouches for all of it (RFC 4033 §5), as said by a validating nameserver on this host.
Everything else, also what any other nameserver says, is not (RFC 7672 §2.1). What is bogus is MxUnknown.
"""

from dataclasses import dataclass
from typing import Protocol

from hedwig.dane import TlsaRecord
from hedwig.routing import Exchanger, MxFound

__all__ = [
    "AddressAnswer",
    "AddressesFound",
    "AddressesNone",
    "Exchanger",
    "MxAnswer",
    "MxFound",
    "MxNone",
    "MxUnknown",
    "Resolver",
    "TextAnswer",
    "TlsaAnswer",
    "TlsaFound",
    "TlsaNone",
    "TlsaRecord",
]


@dataclass(frozen=True, slots=True)
class MxNone:
    """The domain takes no mail, for good. `status` is the enhanced status, `text` the reason in a sentence.

    NXDOMAIN (5.1.2), a null MX (RFC 7505: 5.1.10), neither MX nor address (5.1.2).
    """

    status: str
    text: str


@dataclass(frozen=True, slots=True)
class MxUnknown:
    """DNS could not say (SERVFAIL, REFUSED, time-out, malformed answer): a deferral, never a failure (I8). `gone`: for
    how many seconds our nameservers have answered nothing at all; 0 where it is this name that they can't tell."""

    text: str
    gone: float = 0.0


MxAnswer = MxFound | MxNone | MxUnknown


@dataclass(frozen=True, slots=True)
class AddressesFound:
    """Textual IP addresses of a host, IPv4 first. `name`: the name at the end of its CNAMEs, "" if it has none."""

    addresses: tuple[str, ...]
    secure: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class AddressesNone:
    """The host name does not exist, or has neither A nor AAAA."""

    text: str


AddressAnswer = AddressesFound | AddressesNone | MxUnknown


@dataclass(frozen=True, slots=True)
class TlsaFound:
    """A host's TLSA records, which are secure, and their base domain: the host's name, or the one that it is an alias
    of. Whether any of them can be used is another question (`hedwig.dane.usable`)."""

    base: str
    records: tuple[TlsaRecord, ...]


@dataclass(frozen=True, slots=True)
class TlsaNone:
    """DANE doesn't apply to this host: there are no records, or they or its addresses are not secure."""

    text: str


TlsaAnswer = TlsaFound | TlsaNone | MxUnknown
TextAnswer = tuple[str, ...] | MxUnknown


class Resolver(Protocol):
    """Safe to call from many tasks of one event loop."""

    async def exchangers(self, domain: str) -> MxAnswer:
        """The hosts that take mail for `domain` (lower-case A-labels, no literal)."""

    async def addresses(self, host: str) -> AddressAnswer:
        """The addresses of one exchanger, CNAMEs followed."""

    async def tlsa(self, host: str, port: int) -> TlsaAnswer:
        """The TLSA records of one exchanger and its TCP port (RFC 7672 §2.2). MxUnknown: the host is not to be used,
        not in the clear either, until DNS can say."""

    async def texts(self, name: str) -> TextAnswer:
        """The TXT records of a name, CNAMEs followed, each one's strings joined without a space (RFC 8461 §3.1, RFC
        8460 §3); () where there are none."""
