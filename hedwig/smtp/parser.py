"""Received octets in, whole replies out (RFC 5321 §4.2). Pure: no socket, no clock.

Octets come in pieces of any size. A line ends with CRLF; a lone LF is tolerated, because some hosts send it and nothing
can be smuggled towards us by it: a reply is never passed on as SMTP. The text is UTF-8; other octets become U+FFFD.

Bounds against a far side that never stops: MAX_KEPT octets of a line are kept, a line past MAX_LINE octets or a reply
past MAX_LINES lines is an error. So at most about 200 KB are held for one reply.

Fails with ProtocolError: no three-digit code of 2 to 5, a wrong separator, a reply whose lines contradict each other in
the first digit (where only a later digit differs the last line's code counts), or one past the bounds. After that the
parser is of no more use.
"""

import re

from hedwig.reply import one_line
from hedwig.smtp.events import Heard, ProtocolError

MAX_KEPT = 2000
MAX_LINE = 65536
MAX_LINES = 100

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?\Z", re.DOTALL)


class ReplyParser:
    """Feed it octets, then take replies until there is none."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._code = 0
        self._lines: list[str] = []

    def feed(self, octets: bytes) -> None:
        """Add what was received."""
        self._buffer += octets

    @property
    def pending(self) -> bool:
        """Whether anything was received that is not yet part of a reply taken."""
        return bool(self._buffer or self._lines)

    def next(self) -> Heard | None:
        """The next whole reply, or None if more octets are needed. Raises ProtocolError."""
        while (line := self._line()) is not None:
            found = _LINE.match(line)
            if found is None:
                raise ProtocolError(f"not an SMTP reply: {one_line(line[:100].decode('utf-8', 'replace'))!r}")
            code = int(found[1])
            if self._lines and code // 100 != self._code // 100:
                raise ProtocolError(f"a reply contradicts itself: {self._code} and {code}")
            self._code = code
            self._lines.append((found[3] or b"")[:MAX_KEPT].decode("utf-8", "replace"))
            if found[2] != b"-":
                heard = Heard(code, tuple(self._lines))
                self._lines.clear()
                return heard
            if len(self._lines) >= MAX_LINES:
                raise ProtocolError(f"a reply of more than {MAX_LINES} lines")
        return None

    def _line(self) -> bytes | None:
        """The next line without its end."""
        end = self._buffer.find(b"\n", self._searched)
        if end > MAX_LINE or (end < 0 and len(self._buffer) > MAX_LINE):
            raise ProtocolError(f"a reply line of more than {MAX_LINE} octets")
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line.removesuffix(b"\r")
