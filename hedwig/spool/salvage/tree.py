"""One page of a B-tree and the rows in it, read with mistrust (https://www.sqlite.org/fileformat2.html, sections 1.6
and 2.1). What makes no sense raises ValueError for its row alone; nothing is believed of a length or a place that the
page can't have.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Value = None | int | float | str | bytes
Overflow = Callable[[int, int], bytes]

_TABLE_LEAF, _INDEX_LEAF, _TABLE_INNER, _INDEX_INNER = 0x0D, 0x0A, 0x05, 0x02
_KINDS = frozenset({_TABLE_LEAF, _INDEX_LEAF, _TABLE_INNER, _INDEX_INNER})
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # octets of each serial type
_LARGEST = 1 << 21  # octets of a row: a chunk has 1 MiB


@dataclass(frozen=True, slots=True)
class Row:
    """`rowid`: None in a table WITHOUT ROWID."""

    rowid: int | None
    values: tuple[Value, ...]


class Page:
    """A page's content. `first`: it is page 1, which begins with the header of the file."""

    def __init__(self, content: bytes, first: bool) -> None:
        self._content = content
        self._at = 100 if first else 0
        self.kind = content[self._at]
        self._count = int.from_bytes(content[self._at + 3 : self._at + 5], "big")
        self._inner = self.kind in (_TABLE_INNER, _INDEX_INNER)
        if self.kind not in _KINDS or self._count * 2 > len(content):
            self.kind, self._count = 0, 0

    @property
    def has_rows(self) -> bool:
        """Whether rows of a table can be in it. Those of a table WITHOUT ROWID lie in inner pages, too."""
        return self.kind in (_TABLE_LEAF, _INDEX_LEAF, _INDEX_INNER)

    @property
    def is_sound(self) -> bool:
        """Whether it looks like a page of a tree, and each of its rows can be read, but for what overflows."""
        try:
            return bool(self.kind) and all(True for _ in self._cells(lambda _, octets: bytes(octets), strict=True))
        except ValueError:
            return False

    def children(self) -> list[int]:
        """The pages below an inner one."""
        if not self.kind or not self._inner:
            return []
        places = [place for place in self._places() if place + 4 <= len(self._content)]
        found = [int.from_bytes(self._content[place : place + 4], "big") for place in places]
        return [*found, int.from_bytes(self._content[self._at + 8 : self._at + 12], "big")]

    def rows(self, overflow: Overflow) -> Iterator[Row | None]:
        """Its rows; None for each that can't be read. `overflow(page, octets)` gives what lies elsewhere."""
        yield from self._cells(overflow, strict=False)

    def _places(self) -> list[int]:
        start = self._at + (12 if self._inner else 8)
        pointers = self._content[start : start + 2 * self._count]
        return [place for (place,) in struct.iter_unpack(">H", pointers)]

    def _cells(self, overflow: Overflow, *, strict: bool) -> Iterator[Row | None]:
        for place in self._places() if self.has_rows else ():
            try:
                yield self._cell(place, overflow)
            except (ValueError, IndexError, struct.error) as error:
                if strict:
                    raise ValueError("a row is damaged") from error
                yield None

    def _cell(self, place: int, overflow: Overflow) -> Row:
        usable = len(self._content)
        if not self._at + 8 <= place < usable:
            raise ValueError("a row lies outside of its page")
        place += 4 if self._inner else 0
        length, place = _varint(self._content, place)
        rowid = None
        if self.kind == _TABLE_LEAF:
            rowid, place = _varint(self._content, place)
            rowid -= (rowid >> 63) << 64
        if length > _LARGEST:
            raise ValueError("a row is far too long")
        local = _local(length, usable, usable - 35 if rowid is not None else (usable - 12) * 64 // 255 - 23)
        payload = self._content[place : place + local]
        if len(payload) < local:
            raise ValueError("a row leads out of its page")
        if local < length:
            first = int.from_bytes(self._content[place + local : place + local + 4], "big")
            payload += overflow(first, length - local)
        return Row(rowid, tuple(_values(payload)))


def _local(length: int, usable: int, most: int) -> int:
    """How many octets of a row lie in its page."""
    if length <= most:
        return length
    least = (usable - 12) * 32 // 255 - 23
    local = least + (length - least) % (usable - 4)
    return local if local <= most else least


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = 0
    for number in range(9):
        octet = content[place + number]
        if number == 8:
            return (value << 8) | octet, place + 9
        value = (value << 7) | (octet & 0x7F)
        if octet < 0x80:
            return value, place + number + 1
    raise ValueError("unreachable")


def _values(payload: bytes) -> Iterator[Value]:
    size, place = _varint(payload, 0)
    at = size
    if size > len(payload):
        raise ValueError("the head of a row is longer than the row")
    while place < size:
        kind, place = _varint(payload, place)
        octets = _octets(kind)
        content = payload[at : at + octets]
        if len(content) < octets:
            raise ValueError("a value leads out of its row")
        at += octets
        yield _value(kind, content)
    if at != len(payload):
        raise ValueError("a row is longer than its values")


def _octets(kind: int) -> int:
    if kind in (0, 8, 9):
        return 0
    if kind == 7:
        return 8
    if kind in _INTEGERS:
        return _INTEGERS[kind]
    if kind < 12:
        raise ValueError("a value of a kind that there is not")
    return (kind - 12) // 2


def _value(kind: int, content: bytes) -> Value:
    if kind in (8, 9):
        return kind - 8
    if kind == 0:
        return None
    if kind == 7:
        return float(struct.unpack(">d", content)[0])
    if kind < 12:
        return int.from_bytes(content, "big", signed=True)
    return content if kind % 2 == 0 else content.decode("utf-8")
