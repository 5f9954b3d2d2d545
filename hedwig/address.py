"""Mail addresses, read strictly (RFC 5321 §4.1.2, RFC 6531 §3.3).

`Address.parse` takes what may stand between the angle brackets of MAIL and RCPT, and refuses the rest with a sentence
that says what is wrong. Nothing is repaired here: an address that needs guessing is the sender's to mend.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

import idna

MAX_LOCAL = 64  # octets, RFC 5321 §4.5.3.1.1
MAX_DOMAIN = 255  # octets, RFC 5321 §4.5.3.1.2
MAX_ADDRESS = 254  # a path is at most 256 octets with its brackets, RFC 5321 §4.5.3.1.3

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]+"
_DOT_STRING = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*\Z")
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"\Z')
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class AddressError(ValueError):
    """The text is no address; str(error) says why in a sentence fit for an SMTP reply."""


@dataclass(frozen=True, slots=True)
class Address:
    """`local` and `domain` as they were written; `destination` is what routes: lower-case A-labels or "[literal]"."""

    local: str
    domain: str
    destination: str

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `local@domain` or raise AddressError."""
        return _parse(text)

    @property
    def needs_smtputf8(self) -> bool:
        """Whether the local part has characters that only an SMTPUTF8 host takes (RFC 6531)."""
        return not self.local.isascii()

    @property
    def widest(self) -> str:
        """The spelling that most hosts take: where the domain alone is not ASCII it is written in A-labels."""
        if self.domain.isascii() or self.needs_smtputf8:
            return str(self)
        return f"{self.local}@{self.destination}"

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


@lru_cache(maxsize=4096)
def _parse(text: str) -> Address:
    if _CONTROL.search(text):
        raise AddressError("the address has a control character in it")
    local, at, domain = text.rpartition("@")
    if not at:
        raise AddressError("the address has no domain: write it as name@example.com")
    if not local or not (_DOT_STRING.match(local) or _QUOTED.match(local)):
        raise AddressError("the part before the @ is malformed")
    if len(local.encode()) > MAX_LOCAL:
        raise AddressError(f"the part before the @ is longer than {MAX_LOCAL} octets")
    destination = _destination(domain)
    if len(local.encode()) + 1 + len(destination) > MAX_ADDRESS:
        raise AddressError(f"the address is longer than {MAX_ADDRESS} octets")
    return Address(local, domain, destination)


def _destination(domain: str) -> str:
    if domain.startswith("["):
        return _literal(domain)
    ascii_domain = domain
    if not domain.isascii():
        try:
            ascii_domain = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise AddressError("the domain is not a valid international name") from error
    labels = ascii_domain.split(".")
    if len(ascii_domain) > MAX_DOMAIN or not all(_LABEL.match(label) for label in labels):
        raise AddressError("the domain is malformed")
    if labels[-1].isdigit():
        raise AddressError("the domain is malformed: an IP address stands in brackets, name@[192.0.2.1]")
    return ascii_domain.lower()


def _literal(domain: str) -> str:
    """An address literal (RFC 5321 §4.1.3), normalised: "[192.0.2.1]" or "[IPv6:2001:db8::1]"."""
    inner = domain[1:-1]
    if not domain.endswith("]"):
        raise AddressError("the address literal has no closing bracket")
    try:
        if inner[:5].lower() == "ipv6:":
            if "%" in inner:
                raise ValueError("a scoped address")
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError as error:
        raise AddressError("the address literal is malformed: write [192.0.2.1] or [IPv6:2001:db8::1]") from error


def comparable(address: Address) -> str:
    """The spelling by which two addresses are the same mailbox to a policy: the domain as it routes, an ASCII local
    part in lower case and without quotes that it does not need.

    RFC 5321 §2.4 lets a domain tell "Robot" from "robot"; none is known that does, and people write both. A local part
    beyond ASCII stays as it is: what looks alike there need not be the same.
    """
    local = address.local
    if local.startswith('"'):
        bare = re.sub(r"\\(.)", r"\1", local[1:-1])
        local = bare if _DOT_STRING.match(bare) else '"' + re.sub(r'(["\\])', r"\\\1", bare) + '"'
    return f"{local.lower() if local.isascii() else local}@{address.destination}"
