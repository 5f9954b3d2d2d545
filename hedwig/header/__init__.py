"""The fields of a message's header that tell who it is from: found once, by bytes, and changed by place. Pure.

Only the header is looked at, up to its blank line, and of it only the fields that _FIELD names; a From that stands
below a line which is no field counts all the same, as some receivers read on there. Lines end with CRLF (I6). What a
field says is read by `mailboxes`, what a name shows by `names`.

`odd` is a line that only some programs take for a field of these: a first line that begins with a blank, which is part
of no field before it, and a name with controls or octets beyond ASCII around it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MOST = 512 * 1024  # octets of a header that are looked at
# The line end in front makes it fast; the one behind belongs to the next field.
_FIELD = re.compile(
    rb"\n(from|sender|reply-to|resent-(?:from|sender|to|cc|date|message-id)|list-unsubscribe(?:-post)?)[ \t]*:"
    rb"([^\n]*(?:\n[ \t][^\n]*)*)",
    re.IGNORECASE,
)
RESENT = (b"resent-from", b"resent-sender", b"resent-to", b"resent-cc", b"resent-date", b"resent-message-id")
_BESIDE = rb"[\x00-\x08\x0b-\x1f\x7f-\xff]"
_ODD = re.compile(
    rb"\n(?:" + _BESIDE + rb"[^!-~\n]*(?:resent-)?(?:from|sender)[^!-~\n]*"
    rb"|(?:resent-)?(?:from|sender)[ \t]*" + _BESIDE + rb"[^!-~\n]*):",
    re.IGNORECASE,
)


class Field(NamedTuple):
    """One field: where it lies in the header, and what stands behind its colon, folded as it is."""

    start: int
    end: int
    value: bytes


class Header(NamedTuple):
    """`raw`: its lines, without the blank one. `whole`: False where no end of it was found within MOST octets. `odd`:
    it has a line that only some take for one of these fields."""

    raw: bytes
    fields: dict[bytes, list[Field]]
    whole: bool
    odd: bool = False

    def get(self, name: bytes) -> list[Field]:
        """The fields of that name (in lower case)."""
        return self.fields.get(name, [])

    def edited(self, gone: Iterable[bytes], added: bytes) -> bytes:
        """Its lines without the fields of these names, `added` behind them."""
        spans = sorted((field.start, field.end) for name in gone for field in self.get(name))
        kept = b"".join(_between(self.raw, spans))
        return kept + (b"\r\n" if kept and not kept.endswith(b"\n") else b"") + added


def read(content: bytes) -> Header:
    """The header of a message that begins with `content`."""
    if content.startswith(b"\r\n"):
        return Header(b"", {}, True)
    end = content.find(b"\r\n\r\n", 0, MOST)
    whole = end >= 0 or len(content) < MOST
    raw = content[: end + 2] if end >= 0 else content[:MOST]
    fields: dict[bytes, list[Field]] = {}
    lines = b"\n" + raw
    for found in _FIELD.finditer(lines):
        fields.setdefault(found[1].lower(), []).append(Field(found.start(), found.end(), found[2] + b"\n"))
    return Header(raw, fields, whole, raw.startswith((b" ", b"\t")) or _ODD.search(lines) is not None)


def _between(raw: bytes, spans: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    position = 0
    for start, end in spans:
        yield raw[position:start]
        position = end
    yield raw[position:]
