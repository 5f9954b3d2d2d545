"""The "relaxed" canonical form of header and body (RFC 6376 §3.4.2, §3.4.4). Pure.

All of it is done by whole-text replacements, which run at memory speed, for text with CRLF line ends alone (I6): a tab
counts as a space there, so tabs become spaces first, runs of them one, and then those at a line's end go.
"""

import hashlib


def relaxed_lines(header: bytes) -> list[bytes]:
    """The fields of a header, in order, each as "name:value" without its line end; what has no colon is left out."""
    text = _single_spaces(header).replace(b"\r\n ", b" ")  # unfolded
    text = _single_spaces(text)
    lines = []
    for line in text.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            lines.append(name.rstrip(b" ").lower() + b":" + value.strip(b" "))
    return lines


def relaxed_field(field: bytes) -> bytes:
    """One field; it has a colon."""
    return relaxed_lines(field.removesuffix(b"\r\n"))[0]


class BodyHash:
    """The SHA-256 of a body that comes in pieces of any size. Holds no more than a piece of it."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._begun = False  # there is more than blank lines
        self._ends = 0  # line ends that count only if anything follows: empty lines at the end of a body don't
        self._tail = b""  # blanks and half a line end behind them, of the line at hand

    def feed(self, piece: bytes) -> None:
        """The next piece."""
        if self._tail:
            piece = self._tail + piece
        text = piece.rstrip(b" \t\r\n")
        if text:
            self._begun = True
            self._put_ends()
            self._hash.update(_single_spaces(text).replace(b" \r\n", b"\r\n"))
        if len(text) == len(piece):
            self._tail = b""
            return
        blank = piece[len(text) :]
        self._ends += blank.count(b"\n")
        rest = blank[blank.rfind(b"\n") + 1 :]
        half = b"\r" if rest.endswith(b"\r") else b""
        self._tail = (b" " if len(rest) > len(half) else b"") + half

    def _put_ends(self) -> None:
        while self._ends:
            some = min(self._ends, 1 << 16)
            self._hash.update(b"\r\n" * some)
            self._ends -= some

    def digest(self) -> bytes:
        """When the body is over, once. Its last line has an end on the wire, whether it had one here or not; a body of
        nothing but blank lines is empty."""
        if self._begun:
            self._hash.update(b"\r\n")
        return self._hash.digest()


def _single_spaces(text: bytes) -> bytes:
    """With one space for each run of spaces and tabs."""
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text
