"""Part three of a notification: the original's header, or the whole original where it was asked for (RFC 6522 §3).

The header is text/rfc822-headers, or message/global-headers where SMTPUTF8 gave it UTF-8 (RFC 6533). It comes back
octet by octet; where it isn't clean ASCII in short lines it travels as base64, so nothing in it breaks out (I11).

The whole message (RET=FULL, RFC 3461 §4.3) is message/rfc822, which must not be base64 (RFC 2046 §5.2.1): it stands as
it is, as 8bit where it has such octets. With UTF-8 in its header it is message/global, which may be (RFC 6532 §3.7).
One that can't stand there (a line over 998 octets, our boundary, a line end that isn't CRLF) comes back as its header.
"""

import re
from dataclasses import dataclass

from hedwig.dsn.letterhead import encoded

MAX_HEADER = 50_000  # octets of the original's header that are returned
_CLEAN = re.compile(rb"(?:[\t -~]{0,998}\r\n)*\Z")
_LINES = re.compile(rb"(?:[^\r\n\0]{0,998}\r\n)*\Z")


def head_of(original: bytes) -> bytes:
    """The header with the last CRLF, cut after a whole line where it is too long."""
    if original.startswith(b"\r\n"):
        return b""
    end = original.find(b"\r\n\r\n")
    head = original[: end + 2] if end >= 0 else original
    if len(head) <= MAX_HEADER:
        return head
    cut = head.rfind(b"\r\n", 0, MAX_HEADER)
    return head[: cut + 2 if cut >= 0 else MAX_HEADER]


@dataclass(frozen=True, slots=True)
class Returned:
    """What can come back. `head`: the original's header, as of head_of; `smtputf8`: it may have RFC 6532's header."""

    original: bytes
    head: bytes
    boundary: bytes
    smtputf8: bool

    def header(self) -> bytes:
        """The part with the header alone, its own fields first."""
        kind = "message/global-headers" if self._is_global() else "text/rfc822-headers"
        if _CLEAN.match(self.head) and self.boundary not in self.head:
            return f"Content-Type: {kind}\r\n\r\n".encode() + self.head
        return encoded(kind, self.head)

    def whole(self) -> bytes:
        """The part with the whole original, or with its header where that can't be."""
        if not _LINES.match(self.original) or self.boundary in self.original:
            return self.header()
        if self._is_global():
            return encoded("message/global", self.original)
        encoding = "7bit" if self.original.isascii() else "8bit"
        fields = f"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        return fields.encode() + self.original

    def _is_global(self) -> bool:
        """Whether it needs RFC 6533's types. UTF-8 that just lies in a header, as careless programs write it, does not:
        any program can read base64 in the types that it knows."""
        return self.smtputf8 and _is_utf8(self.head)


def _is_utf8(head: bytes) -> bool:
    """Text beyond ASCII that is UTF-8, and not some other charset's."""
    if head.isascii():
        return False
    try:
        head.decode()
    except UnicodeDecodeError:
        return False
    return True
