"""The octets between DATA's 354 and the end of data, as state without a socket (RFC 5321 §4.1.1.4, §4.5.2).

Only CRLF.CRLF ends data (I6). It is searched for as five octets, never line by line, so no other mixture of CR, LF and
dots can be taken for it: that mixture is content. The CRLF that ends the DATA command counts as the first of the five.
Chunks may be cut anywhere.

Beyond the limit the content is thrown away while the end is still searched for, so that the client gets its refusal at
the place where it can hear it, and no octet of a letter is ever read as a command.

A large letter can be moved to a file while it arrives (`spill`), so that many slow senders of large letters hold disk
and not memory (I9).
"""

from io import FileIO

END = b"\r\n.\r\n"


class Intake:
    """One message on its way in. `limit`: octets of content that are kept at the most (SIZE, RFC 1870)."""

    def __init__(self, limit: int) -> None:
        # A stuffed line ("..CRLF") is at most 4/3 of its content, so this much may still be within the limit.
        self._raw_limit = limit * 4 // 3 + len(END)
        self._limit = limit
        self._octets = bytearray(b"\r\n")
        self._file: FileIO | None = None
        self.received = 0
        self.too_large = False
        self._discarding = False

    @property
    def in_memory(self) -> int:
        """Octets that this intake holds in memory."""
        return len(self._octets)

    def discard(self) -> None:
        """Throw away the content, now and until the end."""
        self._discarding = True
        del self._octets[: -len(END)]
        self.close()

    def feed(self, chunk: bytes | bytearray) -> bytes | None:
        """Take a chunk. None: more is needed. Otherwise what follows the end of data: the next commands."""
        octets = self._octets
        # The end may have begun in the last four octets that were there before.
        begin = max(0, len(octets) - len(END) + 1)
        octets += chunk
        self.received += len(chunk)
        end = octets.find(END, begin)
        if end >= 0:
            rest = bytes(octets[end + len(END) :])
            self.received -= len(rest)
            del octets[end + 2 :]
            return rest
        if self._discarding:
            del octets[: -len(END)]
        elif self.received > self._raw_limit:
            self.too_large = True
            self.discard()
        return None

    def spill(self, file: FileIO) -> None:
        """Move to `file`, the same one each time, what is no longer needed to find the end. Raises OSError."""
        self._file = file
        movable = max(0, len(self._octets) - len(END))
        with memoryview(self._octets) as octets:
            written = 0
            while written < movable:  # an unbuffered write may take a part only, as when the disk becomes full
                written += file.write(octets[written:movable])
        del self._octets[:movable]

    def content(self) -> bytes:
        """The content, dots unstuffed once; b"" when it was thrown away or too large. The intake is empty afterwards.

        Raises OSError when the file can't be read.
        """
        octets, self._octets = self._octets, bytearray()
        if self._discarding:
            return b""
        octets = self._read_back(octets)
        # RFC 5321 §4.5.2: a dot that begins a line is taken away. The octets begin with the CRLF of DATA itself.
        if octets.find(b"\r\n.") >= 0:
            octets = octets.replace(b"\r\n.", b"\r\n")
        del octets[:2]
        self.too_large = len(octets) > self._limit
        return b"" if self.too_large else bytes(octets)

    def _read_back(self, last: bytearray) -> bytearray:
        """All octets again, in one piece and with one copy: what went to the file, and the last ones."""
        file, self._file = self._file, None
        if file is None:
            return last
        with file:
            size = file.tell()
            octets = bytearray(size + len(last))
            file.seek(0)
            if file.readinto(memoryview(octets)[:size]) != size:
                raise OSError("the file of a letter that was arriving is shorter than what was written")
        octets[size:] = last
        return octets

    def close(self) -> None:
        """Give back the file."""
        if self._file:
            self._file.close()
            self._file = None
