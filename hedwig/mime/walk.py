"""Where a message's headers, bodies and delimiters are (RFC 2045, 2046 §5.1), for a message that comes in pieces. Pure.

Pieces of any size go in, tokens come out: Head, Body, Filler, Delimiter. Their octets, one behind the other, are the
message again. A body comes in as many tokens as it needs, each of whole lines.

Of headers the fields are taken many at a time, other lines one by one; of bodies only the lines that begin with "--"
are looked at. A delimiter is what RFC 2046 says: "--", the boundary, perhaps "--", perhaps blanks; one of an outer
multipart ends the inner ones. A line that is no field ends a header, as a blank line does.

Bounds, past which Unconvertible is raised: MAX_ENTITIES, MAX_DEPTH of multiparts, MAX_HEADER and MAX_LINE octets.
"""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from hedwig.mime import Unconvertible

MAX_ENTITIES = 1000
MAX_DEPTH = 100
MAX_HEADER = 1 << 20
MAX_LINE = 1 << 20

_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_RUN = re.compile(rb"(?:(?!--)[!-9;-~]+[ \t]*:[^\n]*\n|[ \t][^\n]*\n)+")  # a delimiter may have a colon in it
_FIELDS = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")
_COMMENT = re.compile(r"\([^()]*\)")
_ENCODED = frozenset({"base64", "quoted-printable"})


class Kind(enum.Enum):
    """What follows an entity's header."""

    LEAF = enum.auto()
    MULTIPART = enum.auto()
    MESSAGE = enum.auto()  # another header


@dataclass(frozen=True, slots=True)
class Entity:
    """The message, a part of it, or a message in it. `number`: in the order of their headers, 0 is the whole.
    `message`: it begins with a message's header, and not a part's. `type`: "text/plain". `named`: a Content-Type field
    says so. `encoding`: Content-Transfer-Encoding in lower case, "" where none is. `sealed`: within multipart/signed.
    `charset`: the type's parameter or ""."""

    number: int
    message: bool
    sealed: bool
    kind: Kind
    type: str
    named: bool
    encoding: str
    charset: str
    boundary: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """A header: its fields, each with its line ends, and the blank line, b"" where it is missing."""

    entity: Entity
    fields: tuple[bytes, ...]
    blank: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """Whole lines of a leaf's body."""

    entity: Entity
    octets: bytes


@dataclass(frozen=True, slots=True)
class Filler:
    """Whole lines before the first delimiter of a multipart, or behind its last."""

    entity: Entity
    octets: bytes


@dataclass(frozen=True, slots=True)
class Delimiter:
    """One line between parts, or behind the last."""

    octets: bytes


Token = Head | Body | Filler | Delimiter


@dataclass(frozen=True, slots=True)
class _Open:
    """A multipart whose end has not come. `part`: what a part without Content-Type is."""

    entity: Entity
    part: str


class Walker:
    """One message. Feed it, then call `end`."""

    def __init__(self) -> None:
        self._carry = b""  # a line whose end has not come
        self._entities = 0
        self._open: list[_Open] = []
        self._delimiters: dict[bytes, tuple[int, bool]] = {}  # a line: how deep, and whether it closes
        self._here: Entity | None = None  # whose body or filler this is; None: in a header
        self._header: list[bytes] = []
        self._header_size = 0
        self._message = True  # of the header that is read
        self._default = "text/plain"

    def feed(self, piece: bytes) -> Iterator[Token]:
        """The tokens that this piece completes. Raises Unconvertible."""
        text = self._carry + piece if self._carry else piece
        end = text.rfind(b"\n") + 1
        self._carry = text[end:]
        if len(self._carry) > MAX_LINE:
            raise Unconvertible(f"has a line of more than {MAX_LINE} octets")
        position = 0
        while position < end:
            if self._here is None:
                stop = self._fields_end(text, position, end)
                if stop == position:
                    stop = text.index(b"\n", position) + 1
                    yield from self._header_line(text[position:stop])
                position = stop
            else:
                at, stop = self._next_delimiter(text, position, end)
                if position < at:
                    yield self._text(self._here, text[position:at])
                if at < stop:
                    yield from self._delimit(text[at:stop])
                position = stop

    def end(self) -> Iterator[Token]:
        """The last tokens; a last line without CRLF gets one, as it does on the wire."""
        if self._carry:
            yield from self.feed(b"\r\n")
        if self._here is None:
            yield self._end_header(b"")

    @property
    def unclosed(self) -> bool:
        """Whether a multipart is still open: then what ends here is a part, as if a delimiter followed."""
        return bool(self._open)

    # headers

    def _fields_end(self, text: bytes, start: int, end: int) -> int:
        """Take the lines that are fields for sure, and that many at a time; where the next line begins."""
        found = _RUN.match(text, start, end)
        if found is None or (text[start : start + 1] in (b" ", b"\t") and not self._header):
            return start
        self._take_fields(found[0])
        return found.end()

    def _take_fields(self, lines: bytes) -> None:
        self._header.append(lines)
        self._header_size += len(lines)
        if self._header_size > MAX_HEADER:
            raise Unconvertible(f"has a header of more than {MAX_HEADER} octets")

    def _header_line(self, line: bytes) -> Iterator[Token]:
        if line.startswith(b"--") and self._found(line):
            yield self._end_header(b"")
            yield from self._delimit(line)
        elif line == b"\r\n":
            yield self._end_header(line)
        elif self._is_field(line):
            self._take_fields(line)
        else:
            head = self._end_header(b"")
            yield head
            if self._here is None:
                yield from self._header_line(line)
            else:
                yield self._text(head.entity, line)

    def _is_field(self, line: bytes) -> bool:
        if line[:1] in (b" ", b"\t"):
            return bool(self._header)
        if line.startswith((b"From ", b">From ")):
            return not self._header and self._message
        return _FIELD.match(line) is not None

    def _end_header(self, blank: bytes) -> Head:
        fields = tuple(_FIELDS.findall(b"".join(self._header)))
        entity = self._entity(fields)
        self._header.clear()
        self._header_size = 0
        if entity.kind is Kind.MESSAGE:
            self._here, self._message, self._default = None, True, "text/plain"
        else:
            self._here = entity
        if entity.kind is Kind.MULTIPART:
            self._push(entity)
        return Head(entity, fields, blank)

    def _entity(self, fields: tuple[bytes, ...]) -> Entity:
        if self._entities >= MAX_ENTITIES:
            raise Unconvertible(f"has more than {MAX_ENTITIES} parts")
        number, self._entities = self._entities, self._entities + 1
        read = Message()
        for name in ("Content-Type", "Content-Transfer-Encoding"):
            value = _first(fields, name.lower().encode())
            if value is not None:
                read[name] = value
        named = "Content-Type" in read
        read.set_default_type(self._default)
        kind = read.get_content_type()
        boundary = (read.get_boundary() or "").encode("latin-1", "replace")
        encoding = _COMMENT.sub("", str(read.get("Content-Transfer-Encoding", ""))).strip().lower()
        return Entity(
            number,
            self._message,
            any(parent.entity.type == "multipart/signed" for parent in self._open),
            _kind(kind, boundary, encoding),
            kind,
            named,
            encoding,
            str(read.get_content_charset("") or ""),
            boundary,
        )

    # bodies

    def _next_delimiter(self, text: bytes, start: int, end: int) -> tuple[int, int]:
        """Where the next one begins and ends; (end, end) where there is none."""
        if self._delimiters:
            for at in _dashed(text, start, end):
                stop = text.index(b"\n", at) + 1
                if self._found(text[at:stop]):
                    return at, stop
        return end, end

    def _found(self, line: bytes) -> tuple[int, bool] | None:
        return self._delimiters.get(line.rstrip(b" \t\r\n"))

    def _text(self, entity: Entity, octets: bytes) -> Token:
        return Filler(entity, octets) if entity.kind is Kind.MULTIPART else Body(entity, octets)

    def _delimit(self, line: bytes) -> Iterator[Token]:
        found = self._found(line)
        assert found is not None  # noqa: S101
        depth, closes = found
        yield Delimiter(line)
        opened = self._open[depth]
        del self._open[depth + (not closes) :]
        self._list_delimiters()
        if closes:
            self._here = opened.entity
        else:
            self._here, self._message, self._default = None, False, opened.part

    def _push(self, entity: Entity) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise Unconvertible(f"has parts within parts, more than {MAX_DEPTH} deep")
        part = "message/rfc822" if entity.type == "multipart/digest" else "text/plain"
        self._open.append(_Open(entity, part))
        self._list_delimiters()

    def _list_delimiters(self) -> None:
        # RFC 2046 §5.1.2: outer ones count at any depth, also where an inner one has the same name.
        self._delimiters = {}
        for depth, opened in reversed(list(enumerate(self._open))):
            self._delimiters[b"--" + opened.entity.boundary + b"--"] = (depth, True)
            self._delimiters[b"--" + opened.entity.boundary] = (depth, False)


def _dashed(text: bytes, start: int, end: int) -> Iterator[int]:
    """Where lines begin that begin with "--"; at `start` one begins."""
    if text.startswith(b"--", start):
        yield start
    while (found := text.find(b"\n--", start, end)) >= 0:
        start = found + 1
        yield start


def _kind(kind: str, boundary: bytes, encoding: str) -> Kind:
    if kind.startswith("multipart/") and boundary:
        return Kind.MULTIPART
    return Kind.MESSAGE if kind == "message/rfc822" and encoding not in _ENCODED else Kind.LEAF


def name_of(field: bytes) -> bytes:
    """A field's name in lower case."""
    return field.partition(b":")[0].strip().lower()


def _first(fields: tuple[bytes, ...], name: bytes) -> str | None:
    """The value of the first field of this name, unfolded."""
    for field in fields:
        if name_of(field) == name:
            return field.partition(b":")[2].replace(b"\r\n", b"").strip().decode("latin-1")
    return None
