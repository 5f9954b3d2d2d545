"""A header, as far as a signature needs it: whose letter it is, and which fields are signed (RFC 6376 §5.4). Pure.

ALWAYS are named once more than they are there, also where they are not there at all: what most mail programs show or
heed can't be added to a signed letter. WHERE_PRESENT are treated so only where there is one: mailing lists add some of
them (List-*, Sender), and a letter that they pass on unchanged else shall stay whole. What every relay adds or changes
(Received, Return-Path, Authentication-Results ...) is not signed, nor is what nobody shows.
"""

import re
from email.utils import getaddresses

from hedwig.address import Address, AddressError
from hedwig.dkim.canonical import relaxed_lines

ALWAYS = (
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"reply-to",
    b"in-reply-to",
    b"references",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
WHERE_PRESENT = (
    b"sender",
    b"content-disposition",
    b"content-id",
    b"content-description",
    b"auto-submitted",
    b"feedback-id",
    b"list-id",
    b"list-help",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"list-subscribe",
    b"list-post",
    b"list-owner",
    b"list-archive",
    b"resent-date",
    b"resent-from",
    b"resent-sender",
    b"resent-to",
    b"resent-cc",
    b"resent-message-id",
    b"tls-required",
    b"tls-report-domain",
    b"tls-report-submitter",
)
LONGEST = 4096  # octets of a From: that is read: patterns and mail libraries take long for absurd ones
MOST_SIGNED = 100  # of one name in h=, which must have an end; with that many none is named once more
_SIGNED = frozenset(ALWAYS + WHERE_PRESENT)
_MUST = frozenset(ALWAYS)
# Nearly all letters have one of two forms, which need no mail library to read: an address, and words and <address>.
_PLAIN = re.compile(
    rb'(?:(?:[^<>"(),:;@\\\[\]]*|"(?:[^"\\]|\\.)*" ?)<)?([^<>"(),:;\\\[\]\s@]+@[^<>"(),:;\\\[\]\s@]+)>?\Z'
)
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)')  # strings and comments
_DOMAIN_OF_SIGNATURE = re.compile(rb"[:;] ?d ?= ?([^ ;]+)")


class Header:
    """Of a letter, from its relaxed lines. `author`: the domain of From:, in lower-case A-labels; "" where there is
    no From:, more than one, or one that does not name one address that can be read."""

    def __init__(self, header: bytes) -> None:
        self._fields: dict[bytes, list[bytes]] = {}
        self.signed_by: set[str] = set()  # the d= of signatures that are there
        for line in relaxed_lines(header):
            name = line[: line.index(b":")]
            if name in _SIGNED:
                self._fields.setdefault(name, []).append(line)
            elif name == b"dkim-signature" and (found := _DOMAIN_OF_SIGNATURE.search(line)):
                self.signed_by.add(found[1].decode("ascii", "replace").lower())
        authors = self._fields.get(b"from", [])
        self.author = domain_of(authors[0].partition(b":")[2]) if len(authors) == 1 else ""

    def chosen(self) -> tuple[list[bytes], bytes]:
        """The names for h=, and what is hashed of the header: of a name that comes more than once the last field is
        the first (RFC 6376 §5.4.2)."""
        names: list[bytes] = []
        lines: list[bytes] = []
        for name in ALWAYS + WHERE_PRESENT:
            found = self._fields.get(name)
            if found:
                names += [name] * min(len(found) + 1, MOST_SIGNED)
                lines += found[: -MOST_SIGNED - 1 : -1]
            elif name in _MUST:
                names.append(name)
        lines.append(b"")
        return names, b"\r\n".join(lines)


def domain_of(value: bytes) -> str:
    """The domain of the address in From:'s value; "" where there is none, several, or a group (RFC 6854): none of
    several authors answers for the letter, and of a group readers see the name alone."""
    found = _PLAIN.match(value)
    if found:
        return _domain(found[1].decode("utf-8", "replace"))
    if len(value) > LONGEST or b";" in _QUOTED.sub(b"", value):
        return ""
    named = [address for _, address in getaddresses([value.decode("utf-8", "replace")]) if "@" in address]
    return _domain(named[0]) if len(named) == 1 else ""


def _domain(address: str) -> str:
    try:
        domain = Address.parse(address).destination
    except AddressError:
        return ""
    return "" if domain.startswith("[") else domain
