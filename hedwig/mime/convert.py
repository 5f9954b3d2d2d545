"""The second pass over a message: it comes in pieces, and goes out in 7 bits (see the package's page). Pure.

Raises Unconvertible at the first thing that can't be converted. What was given out before must not be sent then; the
way to know before is to convert once for nothing, by which the size is known as well.
"""

from collections.abc import Callable, Iterable, Iterator

from hedwig.mime import Unconvertible
from hedwig.mime.encoders import Base64, Encoder, MendedBase64, MendedQuotedPrintable, Plain, QuotedPrintable
from hedwig.mime.fields import seven_bit
from hedwig.mime.survey import Survey
from hedwig.mime.walk import Body, Entity, Filler, Head, Token, Walker, name_of
from hedwig.mime.words import ASCII, UNKNOWN

_ABOVE = bytes(range(128)) + b"?" * 128
_IDENTITY = frozenset({"8bit", "binary"})
_UNTOUCHABLE = frozenset({"message/partial", "message/external-body"})  # RFC 2046 §5.2.2, §5.2.3: 7bit, and that is all


def convert(pieces: Iterable[bytes], survey: Survey) -> Iterator[bytes]:
    """The message in 7 bits, piece by piece; with CRLF at its end. `survey`: of the same message."""
    if survey.broken:
        raise Unconvertible(survey.broken)
    conversion = _Conversion(survey)
    walker = Walker()
    for piece in pieces:
        yield b"".join(conversion.take(token) for token in walker.feed(piece))
    yield b"".join(conversion.take(token) for token in walker.end()) + conversion.end(unclosed=walker.unclosed)


class _Conversion:
    """Token by token. `_encoder` is that of the leaf at hand."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._encoder: Encoder = Plain()

    def take(self, token: Token) -> bytes:
        if isinstance(token, Body):
            return self._encoder.feed(token.octets)
        before = self._encoder.finish(delimited=True)
        self._encoder = Plain()
        if isinstance(token, Head):
            return before + self._head(token)
        if isinstance(token, Filler):
            if token.entity.sealed and not token.octets.isascii():
                raise _sealed()
            return before + token.octets.translate(_ABOVE)
        if not token.octets.isascii():
            raise Unconvertible("has a boundary with 8-bit octets")
        return before + token.octets

    def end(self, *, unclosed: bool) -> bytes:
        return self._encoder.finish(delimited=unclosed)

    def _head(self, head: Head) -> bytes:
        entity = head.entity
        eight_bit = entity.number in self._survey.bodies
        if entity.sealed:
            if eight_bit or not all(line.isascii() for line in head.fields):
                raise _sealed()
            return b"".join(head.fields) + head.blank
        charset = entity.charset if entity.charset not in ASCII else self._survey.charset
        fields = [seven_bit(line, charset) for line in head.fields]
        blank = head.blank
        if eight_bit:
            encoding, self._encoder = _encoding(entity)
            fields = self._named(entity, _replaced(fields, encoding))
            blank = b"\r\n"  # what was added must not run into the body
        elif entity.encoding in _IDENTITY:
            fields = _replaced(fields, b"7bit")
        return b"".join(fields) + blank

    def _named(self, entity: Entity, fields: list[bytes]) -> list[bytes]:
        """With the fields that make the encoding understood."""
        if not entity.named and entity.encoding not in _MENDED:
            charset = b"utf-8" if self._survey.bodies[entity.number] else UNKNOWN.encode()
            fields.append(b"Content-Type: text/plain; charset=" + charset + b"\r\n")
        if entity.message and not any(name_of(line) == b"mime-version" for line in fields):
            fields.append(b"MIME-Version: 1.0\r\n")
        return fields


def _encoding(entity: Entity) -> tuple[bytes, Encoder]:
    """What a leaf's body becomes, and by what."""
    if entity.type in _UNTOUCHABLE:
        raise Unconvertible(f"has 8-bit octets in a part of type {entity.type}")
    made = _MENDED.get(entity.encoding)
    if made is None and entity.encoding.startswith("x-"):
        raise Unconvertible(f"has 8-bit octets in a part with the encoding {entity.encoding[:40]!r}")
    if made is None:
        text = entity.type.startswith(("text/", "message/", "multipart/"))
        made = (b"quoted-printable", QuotedPrintable) if text else (b"base64", Base64)
    return made[0], made[1]()


_MENDED: dict[str, tuple[bytes, Callable[[], Encoder]]] = {
    "base64": (b"base64", MendedBase64),
    "quoted-printable": (b"quoted-printable", MendedQuotedPrintable),
}


def _replaced(fields: list[bytes], encoding: bytes) -> list[bytes]:
    """With this Content-Transfer-Encoding, where the first one stood, and no other."""
    own = b"Content-Transfer-Encoding: " + encoding + b"\r\n"
    places = [place for place, line in enumerate(fields) if name_of(line) == b"content-transfer-encoding"]
    if not places:
        return [*fields, own]
    return [own if place == places[0] else line for place, line in enumerate(fields) if place not in places[1:]]


def _sealed() -> Unconvertible:
    return Unconvertible("is signed (multipart/signed) with 8-bit octets in what is signed")
