"""Kinds of values of clients.d/FQDN.yml: keys, senders, where to unsubscribe. As in kinds.py; pure."""

import re
from datetime import date, datetime, timedelta
from urllib.parse import urlsplit

from hedwig import moments
from hedwig.choices import FromMatch, FromMismatch
from hedwig.config.problem import Unfit, shown
from hedwig.config.ways import one_of
from hedwig.settings import ClientKey

ANY = "*"
PLACEHOLDERS = ("{id}", "{recipient}")
_HASH = re.compile(r"sha256:([0-9A-Fa-f]{64})")
_BRACES = re.compile(r"\{[^{}]*\}|[{}]")

from_mismatch = one_of(FromMismatch)
from_match = one_of(FromMatch)


def hash_(text: str) -> str:
    """What is kept of a key: "sha256:" and 64 hexadecimal digits, in lower case."""
    found = _HASH.fullmatch(text)
    if not found:
        raise Unfit("this is not the hash of a key", "let `hedwig key add FQDN` write it: sha256: and 64 hex digits")
    return f"sha256:{found[1].lower()}"


def key(text: str) -> ClientKey:
    """A key that has no end: its hash."""
    return ClientKey(hash_(text))


def expiry(text: str) -> float:
    """Unix seconds: the end of a day, in this host's time zone, or a time with its own. 0 for ""."""
    if not text:
        return 0.0
    try:
        when = moments.moment(text)
        if when is None:
            midnight = datetime.combine(date.fromisoformat(text) + timedelta(days=1), datetime.min.time())
            when = midnight.timestamp()
    except (ValueError, OverflowError):
        right = "write its last day like 2027-01-31, or a time like 2027-01-31T12:00:00+08:00"
        raise Unfit(f"{shown(text)} is not a day", right) from None
    return when


def sender(text: str) -> str:
    """A whole address, or "*@example.com"; the domain in lower-case A-labels, as policies compare it."""
    from hedwig.address import Address, AddressError, comparable  # it takes a while to load

    right = 'write "robot@example.com" or "*@example.com"'
    any_local = text.startswith(f"{ANY}@")
    if text == ANY or (not any_local and ANY in text):
        raise Unfit("a * stands for all that is before the @ and for nothing else", right + "; leave all out for any")
    try:
        address = Address.parse(f"any{text[1:]}" if any_local else text)
    except AddressError as error:
        raise Unfit(f"this is no address: {error}", right) from None
    return f"{ANY}@{address.destination}" if any_local else comparable(address)


def unsubscribe(text: str) -> str:
    """An https URL with one of PLACEHOLDERS, or ""."""
    if not text:
        return ""
    right = "write it like https://lists.example.com/unsubscribe?letter={id}"
    for found in _BRACES.findall(text):
        if found not in PLACEHOLDERS:
            raise Unfit(f"{shown(found)} stands for nothing", f"known are {' and '.join(PLACEHOLDERS)}")
    try:
        parts = urlsplit(text)
        sound = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        sound = False
    if not sound or not text.isascii() or not text.isprintable() or set(text) & set(' <>",'):
        raise Unfit(f"{shown(text)} is not an https URL", right)
    if _BRACES.search(parts.netloc) or not _BRACES.search(text):
        raise Unfit("nothing in it says who unsubscribes (RFC 8058 §3.1)", right)
    return text
