"""A body's encodings, for bodies that come as whole lines with CRLF (RFC 2045 §6.7, §6.8). Pure.

Each encoder is fed in turn and then finished. The line end before a delimiter is the delimiter's (RFC 2046 §5.1.1):
base64 must not count it in, and quoted-printable gives each line its own.
"""

import binascii
from typing import Protocol

_ABOVE = bytes(range(128, 256))
_SHORT = 24  # octets that make a line of at most 72 when each of them is written as three
_GROUP = 57  # octets that make a line of 76 in base64


class Encoder(Protocol):
    """What a leaf's body goes through."""

    def feed(self, lines: bytes) -> bytes:
        """What can be sent by now."""

    def finish(self, *, delimited: bool) -> bytes:
        """The rest. `delimited`: a delimiter follows, and not the end of the message."""


class Plain:
    """As it is."""

    def feed(self, lines: bytes) -> bytes:
        """The same."""
        return lines

    def finish(self, *, delimited: bool) -> bytes:
        """Nothing."""
        del delimited
        return b""


class QuotedPrintable(Plain):
    """Lines of at most 76 octets; blanks at a line's end are encoded, and a line that is a dot alone."""

    def feed(self, lines: bytes) -> bytes:
        """The lines encoded."""
        # To a blank that it must encode at a line's end the library gives no room: such a line could have 78 octets.
        if b" \r\n" in lines or b"\t\r\n" in lines:
            return b"".join(
                _cautious(line) if line.endswith((b" \r\n", b"\t\r\n")) else _quoted(line)
                for line in lines.splitlines(keepends=True)
            )
        return _quoted(lines)


class Base64:
    """Lines of 76 octets."""

    def __init__(self) -> None:
        self._rest = b""  # less than a line's, and the last line end, which may be the delimiter's

    def feed(self, lines: bytes) -> bytes:
        """As many whole lines as there are for sure."""
        octets = self._rest + lines
        whole = max(0, len(octets) - 2) // _GROUP * _GROUP
        self._rest = octets[whole:]
        return _base64(octets[:whole])

    def finish(self, *, delimited: bool) -> bytes:
        """The last lines."""
        return _base64(self._rest.removesuffix(b"\r\n") if delimited else self._rest)


class MendedBase64(Plain):
    """Base64 that has other octets in it, which decoders pass over (RFC 2045 §6.8): they go."""

    def feed(self, lines: bytes) -> bytes:
        """The lines without them."""
        return lines.translate(None, _ABOVE)


class MendedQuotedPrintable(Plain):
    """Quoted-printable with octets that should have been encoded (RFC 2045 §6.7, note 2): they are now."""

    def feed(self, lines: bytes) -> bytes:
        """The lines, with those of them encoded anew."""
        if lines.isascii():
            return lines
        return b"".join(line if line.isascii() else _requoted(line) for line in lines.splitlines(keepends=True))


def _base64(octets: bytes) -> bytes:
    encoded = binascii.b2a_base64(octets, newline=False)
    return b"".join(encoded[start : start + 76] + b"\r\n" for start in range(0, len(encoded), 76))


def _quoted(lines: bytes) -> bytes:
    encoded = binascii.b2a_qp(lines)
    # A line that is broken in two must not make a delimiter of its second half.
    if b"=\r\n--" in encoded:
        return b"".join(_cautious(line) for line in lines.splitlines(keepends=True))
    return encoded


def _cautious(line: bytes) -> bytes:
    """One line in quoted-printable, of which no continuation begins with a "-"."""
    text = line.removesuffix(b"\r\n")
    pieces = [binascii.b2a_qp(text[start : start + _SHORT]) for start in range(0, len(text), _SHORT)]
    pieces[1:] = [b"=2D" + piece[1:] if piece.startswith(b"-") else piece for piece in pieces[1:]]
    return b"=\r\n".join(pieces) + b"\r\n"


def _requoted(line: bytes) -> bytes:
    """A line of quoted-printable anew."""
    text = line.removesuffix(b"\r\n")
    soft = text.rstrip(b" \t").endswith(b"=")
    decoded = binascii.a2b_qp(text.rstrip(b" \t")[:-1] if soft else text)
    return _cautious(decoded).removesuffix(b"\r\n") + (b"=\r\n" if soft else b"\r\n")
