"""What was submitted, by either interface, before it is registered. Pure, but for a body that lies in a file.

`envelope_of` and `fault_of` are the checks that both interfaces share: strict addresses (I11), the number of
recipients, and line ends (I6).
"""

import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hedwig.address import Address, AddressError
from hedwig.envelope import Envelope
from hedwig.options import PLAIN, Options
from hedwig.postoffice.refusal import Unacceptable
from hedwig.spool import Body, Bytes

PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Submission:
    """One message as a client handed it in. `digest`: see hedwig.envelope.digest. `accepted_at`: None means now;
    `sent_at`: when it left the client's host, by that host's clock, or None. `submitter`: see Submitter.packed."""

    queue_id: str
    envelope: Envelope
    body: Body
    digest: bytes
    smtputf8: bool = False
    accepted_at: float | None = None
    sent_at: float | None = None
    options: Options = PLAIN
    message_id: str = ""
    submitter: str = ""


class InFile:
    """A Body: `size` octets from `offset` on of a file that may be closed or read elsewhere meanwhile.

    It has a descriptor of its own (closed with this object) and reads by pread: no position is shared.
    """

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self._own = os.dup(descriptor)
        weakref.finalize(self, os.close, self._own)
        self._offset = offset
        self._size = size

    @property
    def size(self) -> int:
        """Octets."""
        return self._size

    def pieces(self) -> Iterator[bytes]:
        """The bytes in pieces of at most 1 MiB. OSError where the file has become shorter."""
        position, end = self._offset, self._offset + self._size
        while position < end:
            piece = os.pread(self._own, min(PIECE, end - position), position)
            if not piece:
                raise OSError("the temporary file of a request has become shorter")
            yield piece
            position += len(piece)


def in_file(content: bytes) -> InFile:
    """A Body with these bytes in a temporary file instead of memory."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return InFile(file.fileno(), 0, len(content))


@dataclass(frozen=True, slots=True)
class _Headed:
    """See headed."""

    head: bytes
    rest: Body
    skip: int

    @property
    def size(self) -> int:
        """Octets."""
        return len(self.head) + self.rest.size - self.skip

    def pieces(self) -> Iterator[bytes]:
        """The bytes in pieces of at most 1 MiB, or of what `rest` gives. OSError as that has it."""
        yield self.head
        pieces = iter(self.rest.pieces())
        first = next(pieces, b"")
        if len(first) > self.skip:
            yield first[self.skip :]
        yield from pieces


def headed(body: Body, head: bytes, skip: int = 0) -> Body:
    """A Body with `head` in place of the first `skip` octets, which lie within its first piece; what lies in a file is
    not copied."""
    return Bytes(head + body.content[skip:]) if isinstance(body, Bytes) else _Headed(head, body, skip)


def envelope_of(mailfrom: str, rcpttos: list[str], max_recipients: int) -> Envelope:
    """The checked envelope, or Unacceptable."""
    if not rcpttos:
        raise Unacceptable(554, "5.5.1", "there are no recipients: rcpttos is an empty list")
    if len(rcpttos) > max_recipients:
        raise Unacceptable(554, "5.5.3", f"{len(rcpttos)} recipients; {max_recipients} are taken with one message")
    if mailfrom:  # the null sender is "" (I7)
        try:
            Address.parse(mailfrom)
        except AddressError as error:
            raise Unacceptable(553, "5.1.7", f"mailfrom {shown(mailfrom)}: {error}") from error
    for rcptto in rcpttos:
        try:
            Address.parse(rcptto)
        except AddressError as error:
            raise Unacceptable(553, "5.1.3", f"rcpttos {shown(rcptto)}: {error}") from error
    return Envelope(mailfrom, tuple(rcpttos))


def needs_smtputf8(envelope: Envelope) -> bool:
    """Whether an address of the envelope can only travel by SMTPUTF8 (RFC 6531)."""
    return any(
        address and not address.isascii() and Address.parse(address).needs_smtputf8
        for address in (envelope.mailfrom, *envelope.rcpttos)
    )


def fault_of(pieces: Iterable[bytes]) -> str:
    """What keeps these bytes from being sent as they are (I6): bare CR, bare LF or NUL; "" where nothing does."""
    returns = feeds = pairs = 0
    last = b""
    for piece in pieces:
        if b"\0" in piece:
            return "the message has a NUL in it"
        returns += piece.count(b"\r")
        feeds += piece.count(b"\n")
        pairs += piece.count(b"\r\n") + (last == b"\r" and piece[:1] == b"\n")
        last = piece[-1:]
    if feeds > pairs:
        return "the message has a bare LF in it: lines end with CRLF"
    return "the message has a bare CR in it: lines end with CRLF" if returns > pairs else ""


def shown(text: str) -> str:
    """Text from outside as it may stand in a sentence: quoted, escaped, at most 100 characters."""
    return ascii(text if len(text) <= 100 else text[:97] + "...")
