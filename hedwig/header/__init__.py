"""The fields of a message's header that tell who it is from: found once, by bytes, and changed by place. Pure.

Only the header is looked at, up to its blank line, and of it only the fields that _FIELD names; a From that stands
below a line which is no field counts all the same, as some receivers read on there. Lines end with CRLF (I6). What a
field says is read by `mailboxes`.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MOST = 512 * 1024  # octets of a header that are looked at
# The line end in front makes it fast; the one behind belongs to the next field.
_FIELD = re.compile(
    rb"\n(from|sender|reply-to|list-unsubscribe(?:-post)?)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE
)


class Field(NamedTuple):
    """One field: where it lies in the header, and what stands behind its colon, folded as it is."""

    start: int
    end: int
    value: bytes


class Header(NamedTuple):
    """`raw`: its lines, without the blank one. `whole`: False where no end of it was found within MOST octets."""

    raw: bytes
    fields: dict[bytes, list[Field]]
    whole: bool

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
    for found in _FIELD.finditer(b"\n" + raw):
        fields.setdefault(found[1].lower(), []).append(Field(found.start(), found.end(), found[2] + b"\n"))
    return Header(raw, fields, whole)


def _between(raw: bytes, spans: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    position = 0
    for start, end in spans:
        yield raw[position:start]
        position = end
    yield raw[position:]
