"""The octets between DATA's 354 and the end of data, as pure state without a socket (RFC 5321 §4.1.1.4, §4.5.2).

Only CRLF.CRLF ends data (I6). It is searched for as five octets, never line by line, so no other mixture of CR, LF and
dots can be taken for it: that mixture is content. The CRLF that ends the DATA command counts as the first of the five.
Chunks may be cut anywhere.

Beyond the limit the content is thrown away while the end is still searched for, so that the client gets its refusal at
the place where it can hear it, and no octet of a letter is ever read as a command.
"""

END = b"\r\n.\r\n"


class Intake:
    """One message on its way in. `limit`: octets of content that are kept at the most (SIZE, RFC 1870)."""

    def __init__(self, limit: int) -> None:
        # A stuffed line ("..CRLF") is at most 4/3 of its content, so this much may still be within the limit.
        self._raw_limit = limit * 4 // 3 + len(END)
        self._limit = limit
        self._octets = bytearray(b"\r\n")
        self._kept = True
        self.received = 0

    @property
    def kept(self) -> int:
        """Octets that this intake holds in memory."""
        return len(self._octets)

    @property
    def too_large(self) -> bool:
        """Whether the content was over the limit; it is gone then."""
        return not self._kept

    def discard(self) -> None:
        """Throw away the content, now and until the end."""
        self._kept = False
        del self._octets[: -len(END)]

    def feed(self, chunk: bytes | bytearray) -> bytes | None:
        """Take a chunk. None: more is needed. Otherwise what follows the end of data: the next commands."""
        self.received += len(chunk)
        octets = self._octets
        # The end may have begun in the last four octets that were there before.
        begin = max(0, len(octets) - len(END) + 1)
        octets += chunk
        end = octets.find(END, begin)
        if end >= 0:
            rest = bytes(octets[end + len(END) :])
            self.received -= len(rest)
            del octets[end + 2 :]
            return rest
        if not self._kept:
            del octets[: -len(END)]
        elif self.received > self._raw_limit:
            self.discard()
        return None

    def content(self) -> bytes:
        """The content, dots unstuffed once; b"" when it was too large. The intake is empty afterwards."""
        # RFC 5321 §4.5.2: a dot that begins a line is taken away. The octets begin with the CRLF of DATA itself.
        content = bytes(self._octets.replace(b"\r\n.", b"\r\n")[2:]) if self._kept else b""
        self._octets = bytearray()
        if len(content) > self._limit:
            self._kept = False
            return b""
        return content
