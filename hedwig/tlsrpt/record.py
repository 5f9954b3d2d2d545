"""Where a domain wants its reports: the TXT record of _smtp._tls.DOMAIN (RFC 8460 §3).

    v=TLSRPTv1; rua=mailto:tls@example.com,https://reports.example.com/v1

Strict where the standard is: only one record may begin with the version, or the domain has none. What makes no sense in
it (another scheme, a malformed address, user and password in a URL) is left out; fields that are not known are ignored.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from hedwig.address import Address, AddressError

NAME = "_smtp._tls."  # stands before the domain
MOST = 4  # places that a report goes to: a record may name any number of other people's
_MAX_URL = 2000
_VERSION = re.compile(r"v=TLSRPTv1[ \t]*;")


@dataclass(frozen=True, slots=True)
class Destinations:
    """`mail`: addresses; `https`: URLs. None of either: the domain wants no reports."""

    mail: tuple[str, ...] = ()
    https: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.mail or self.https)


def read(texts: Sequence[str]) -> Destinations:
    """From all TXT records of the name."""
    ours = [text for text in texts if _VERSION.match(text)]
    if len(ours) != 1:
        return Destinations()
    uris: list[str] = []
    for field in ours[0].split(";")[1:]:
        name, _, value = field.strip().partition("=")
        if name == "rua":
            uris += [uri.strip() for uri in value.split(",")]
    mail: dict[str, None] = {}
    https: dict[str, None] = {}
    for uri in uris:
        if len(mail) + len(https) < MOST:
            mail.update(dict.fromkeys(_address(uri)))
            https.update(dict.fromkeys(_url(uri)))
    return Destinations(tuple(mail), tuple(https))


def _address(uri: str) -> tuple[str, ...]:
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "mailto":
        return ()
    try:
        address = unquote(rest.partition("?")[0], errors="strict")
        parsed = Address.parse(address)
    except (AddressError, UnicodeDecodeError):
        return ()
    return () if parsed.destination.startswith("[") or not address.isascii() else (address,)


def _url(uri: str) -> tuple[str, ...]:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return ()
    sound = parts.scheme == "https" and parts.hostname and port != 0 and parts.username is None and not parts.fragment
    return (uri,) if sound and uri.isascii() and uri.isprintable() and " " not in uri and len(uri) <= _MAX_URL else ()
