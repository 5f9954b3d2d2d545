"""The form of `POST /`: fields fqdn, key, email, perhaps id and a message's wishes; urlencoded or multipart, any order.

Read as a stream, in pieces, so that a form of any size takes little memory: the short fields are kept, `email` goes to
a temporary file (in memory up to 1 MiB). Of everything else the names are kept, so that one which is nearly ours can be
refused (wishes.py), and the values passed over. Percent signs that introduce no octet stay as
they are (WHATWG URL §5.1). A multipart part may have a filename, as with `curl -F email=@letter.json`; it is not used
(I11). Standards: WHATWG URL §5.1 (urlencoded), RFC 7578 (multipart/form-data).

`Form.read` raises Refusal (400) for what is no such form.
"""

import binascii
import re
from collections.abc import Iterator
from email.message import Message
from tempfile import SpooledTemporaryFile
from typing import IO
from urllib.parse import unquote_to_bytes

from hedwig.postoffice.refusal import Refusal, malformed
from hedwig.settings import MIB
from hedwig.wishes import FORM

PIECE = 64 * 1024
IN_MEMORY = 1 * MIB
MAX_SHORT = 4096
MAX_OTHERS = 100  # names that are kept of other fields: strangers send forms too
MAX_PART_HEADER = 16 * 1024
SHORT = ("fqdn", "key", "id", *FORM)
LONG = "email"


class Form:
    """The fields that were found. `email` is at its start, for reading; None where it is missing. `others`: the names
    of fields that are not ours, the first MAX_OTHERS."""

    def __init__(self) -> None:
        self.short: dict[str, str] = {}
        self.email: IO[bytes] | None = None
        self.others: set[str] = set()
        self._raw: dict[str, bytearray] = {}
        self._name: str | None = None

    @classmethod
    def read(cls, stream: IO[bytes], content_type: str) -> "Form":
        """Read the whole of `stream`."""
        header = Message()
        header["Content-Type"] = re.sub(r"[^\x20-\x7e]", "?", content_type)
        form = cls()
        try:
            form._read(stream, header)
            form._finish()
        except Refusal:
            form.close()
            raise
        return form

    def _read(self, stream: IO[bytes], header: Message) -> None:
        kind = header.get_content_type()
        if kind == "application/x-www-form-urlencoded":
            self._urlencoded(stream)
        elif kind == "multipart/form-data":
            boundary = header.get_param("boundary")
            if not isinstance(boundary, str) or not 0 < len(boundary) <= 200:
                raise malformed("the multipart form has no boundary in its Content-Type")
            self._multipart(stream, boundary.encode("ascii"))
        else:
            raise malformed(
                "send a form with the fields fqdn, key and email, as application/x-www-form-urlencoded or "
                "multipart/form-data"
            )

    def close(self) -> None:
        """Remove the temporary file."""
        if self.email is not None:
            self.email.close()

    def _begin(self, name: str) -> None:
        """The next octets belong to the field `name`."""
        self._name = name if name == LONG or name in SHORT else None
        if name == LONG and self.email is None:
            self.email = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 -- closed by close
        elif name in self._raw or (name == LONG and self.email is not None and self.email.tell()):
            raise malformed(f"the form has the field {name} twice")
        elif name in SHORT:
            self._raw[name] = bytearray()
        elif name != LONG and len(self.others) < MAX_OTHERS:
            self.others.add(name)

    def _take(self, octets: bytes) -> None:
        if self._name is None:
            return
        if self._name == LONG and self.email is not None:
            self.email.write(octets)
            return
        field = self._raw[self._name]
        field += octets
        if len(field) > MAX_SHORT:
            raise malformed(f"the field {self._name} is longer than {MAX_SHORT} octets")

    def _finish(self) -> None:
        for name, octets in self._raw.items():
            try:
                self.short[name] = octets.decode("utf-8")
            except UnicodeDecodeError as error:
                raise malformed(f"the field {name} is not UTF-8") from error
        if self.email is not None:
            self.email.seek(0)

    def _urlencoded(self, stream: IO[bytes]) -> None:
        name: bytearray | None = bytearray()  # of the field whose name is being read; None while in its value
        for piece in _whole_escapes(stream):
            for number, part in enumerate(piece.split(b"&")):
                if number:
                    name = bytearray()
                octets = part
                if name is not None:
                    head, equals, octets = part.partition(b"=")
                    name += head
                    if len(name) > MAX_SHORT:
                        raise malformed("a field of the form has a name that is far too long")
                    if not equals:
                        continue
                    self._begin(_plain(bytes(name)).decode("utf-8", "replace"))
                    name = None
                self._take(_plain(octets))

    def _multipart(self, stream: IO[bytes], boundary: bytes) -> None:
        delimiter = b"\r\n--" + boundary
        rest = b"\r\n"  # the first delimiter may stand at the very start
        inside = False
        while True:
            piece = stream.read(PIECE)
            rest += piece
            while (at := rest.find(delimiter)) >= 0:
                if inside:
                    self._take(rest[:at])
                inside, (rest, last) = True, self._part(rest[at + len(delimiter) :], stream)
                if last:
                    return
            if not piece:
                raise malformed("the multipart form ends before its last boundary")
            keep = len(delimiter) - 1
            if inside:
                self._take(rest[:-keep])
            rest = rest[-keep:]

    def _part(self, rest: bytes, stream: IO[bytes]) -> tuple[bytes, bool]:
        """Read what follows a delimiter: the next part's header, or the end of the form."""
        while b"\r\n\r\n" not in rest:
            if rest.startswith(b"--"):
                return b"", True
            piece = stream.read(PIECE)
            if not piece or len(rest) > MAX_PART_HEADER:
                raise malformed("a part of the multipart form has no end of its header")
            rest += piece
        if rest.startswith(b"--"):
            return b"", True
        head, _, rest = rest.partition(b"\r\n\r\n")
        header = Message()
        for line in head.decode("utf-8", "replace").split("\r\n"):
            key, colon, value = line.partition(":")
            if colon and key.strip().lower() == "content-disposition":
                header["Content-Disposition"] = re.sub(r"[^\x20-\x7e]", "?", value.strip())
        name = header.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            raise malformed("a part of the multipart form has no name in its Content-Disposition")
        self._begin(name)
        return b"\r\n" + rest if rest.startswith(b"--") else rest, False


def _whole_escapes(stream: IO[bytes]) -> Iterator[bytes]:
    """The stream in pieces, none of which ends within a %XX."""
    rest = b""
    while piece := stream.read(PIECE):
        piece = rest + piece
        cut = piece.rfind(b"%", max(0, len(piece) - 2))
        rest = piece[cut:] if cut >= 0 else b""
        yield piece[: len(piece) - len(rest)]
    if rest:
        yield rest


def _plain(octets: bytes) -> bytes:
    """Decoded. Quoted-printable (RFC 2045 §6.7) is the same with another sign, and C does that, thirty times faster."""
    octets = octets.replace(b"+", b" ")
    if b"%" not in octets:
        return octets
    quoted = octets.replace(b"=", b"=3D").replace(b"%", b"=")
    plain = binascii.a2b_qp(quoted)
    # Each escape gives one octet for three; "=" before a line end means something else in quoted-printable.
    if len(plain) == len(quoted) - 2 * quoted.count(b"=") and b"=\n" not in quoted and b"=\r" not in quoted:
        return plain
    return unquote_to_bytes(octets)
