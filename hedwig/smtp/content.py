"""A transaction's body made ready for the wire: whole and checked, or streamed and checked as it goes. Pure.

Both forms give `blocks` (stuffed, of bounded size) and, when those are through, `dot`, the end of data. Both fail with
BodyError, whose `reply` is our own word to the sender: 554 5.6.0 for octets that must not leave (I6), 554 5.6.3 for
8-bit content where the host takes none (fitting.py has converted it before, if it may), 451 4.3.0 where the body is not
as long as the transaction says, which is a fault of ours (I8).
"""

from collections.abc import Iterable, Iterator

from hedwig.reply import Reply
from hedwig.smtp.commands import EIGHT_BIT
from hedwig.smtp.stuffing import BLOCK, BodyError, Stuffer, blocks


class Whole:
    """A body that is in memory: checked before anything is sent. Raises BodyError."""

    def __init__(self, pieces: Iterable[bytes], size: int) -> None:
        stuffer = Stuffer()
        self.octets = stuffer.feed(_joined(pieces))
        self.dot = stuffer.finish()
        self.eight_bit = stuffer.eight_bit
        check_size(stuffer.size, size)

    def blocks(self) -> Iterator[bytes]:
        """What to send before the dot."""
        return blocks((self.octets,)) if self.octets else iter(())


class Streamed:
    """A body too large to hold. `dot` is there when `blocks` has come to its end."""

    def __init__(self, pieces: Iterable[bytes], size: int, *, eight_bit_clean: bool) -> None:
        self.dot = b""
        self._pieces = pieces
        self._size = size
        self._eight_bit_clean = eight_bit_clean

    def blocks(self) -> Iterator[bytes]:
        """What to send before the dot. Raises BodyError at the bad block, and what `pieces` raises."""
        stuffer = Stuffer()
        for block in blocks(self._pieces, BLOCK):
            stuffed = stuffer.feed(block)
            if stuffer.eight_bit and not self._eight_bit_clean:
                raise BodyError(EIGHT_BIT)
            yield stuffed
        self.dot = stuffer.finish()
        check_size(stuffer.size, self._size)


def header_is_ascii(pieces: Iterable[bytes]) -> bool:
    """Whether the header is, by which RFC 6532 §3 tells an internationalized message; of the body as little is read as
    can be."""
    tail = b"\r\n"  # a message may begin with its blank line
    for piece in pieces:
        text = tail + piece
        end = text.find(b"\r\n\r\n")
        if end >= 0:
            return text[:end].isascii()
        if not piece.isascii():
            return False
        tail = text[-3:]
    return True


def _joined(pieces: Iterable[bytes]) -> bytes:
    """One bytes object; without a copy where there is one piece."""
    gathered = tuple(pieces)
    return gathered[0] if len(gathered) == 1 else b"".join(gathered)


def check_size(found: int, expected: int) -> None:
    """Raise BodyError, a fault of ours (I8), where they differ."""
    if found != expected:
        raise BodyError(Reply(451, "4.3.0", f"the body has {found} octets where {expected} were expected"))
