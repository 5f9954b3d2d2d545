"""A damaged database as its pages: the file, and over it what its log holds, whatever is wrong with either.

The formats are SQLite's (https://www.sqlite.org/fileformat2.html): sections 1.8 (pointer map) and 4 (log). A spool has
a pointer map (auto_vacuum), which tells for each page what it is and which page points to it. So a page is known for
what it is also where the page above it is destroyed; and what was deleted long ago is known for that, or letters would
go out again.
"""

import mmap
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from hedwig.spool.salvage import tree
from hedwig.spool.wal import read_log

PAGE = 4096  # SQLite's default, and so a spool's
_ENTRY = 5  # octets for each page in the map
_MAPPED = PAGE // _ENTRY
_ROOT, _FREE, _OVERFLOW, _MORE_OVERFLOW, _TREE = range(1, 6)  # what the map says of a page
_DEEPEST = 40


class Image:
    """Pages by number, from 1 on. `close` it. OSError where the disk can't be read."""

    def __init__(self, path: str) -> None:
        self._open = ExitStack()
        file = Path(path)
        size = file.stat().st_size if file.exists() else 0
        self._file: bytes | mmap.mmap = b""
        if size:
            opened = self._open.enter_context(file.open("rb"))
            self._file = self._open.enter_context(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
        self._newer: dict[int, bytes] = {}
        self._stale: set[int] = set()  # pages whose newest content is destroyed: there is only what they had before
        self.pages = -(-size // PAGE)
        self._read_log(path)

    def close(self) -> None:
        """Let the file go."""
        self._open.close()

    def _read_log(self, path: str) -> None:
        """Take in all that was committed: what is broken in the log may lie before what isn't."""
        frames = read_log(path).frames
        ends = [number for number, frame in enumerate(frames) if frame.size and len(frame.content) == PAGE]
        for frame in frames[: ends[-1] + 1] if ends else ():
            if frame.whole or tree.Page(frame.content, frame.page == 1).is_sound:
                self._newer[frame.page] = frame.content
                self._stale.discard(frame.page)
            else:
                self._stale.add(frame.page)
        if ends:
            self.pages = max(frames[ends[-1]].size, 1)

    def page(self, number: int) -> bytes:
        """The newest content; zeros where there is none."""
        if number in self._newer:
            return self._newer[number]
        content = self._file[(number - 1) * PAGE : number * PAGE]
        return content + bytes(PAGE - len(content))

    def _entry(self, number: int) -> tuple[int, int]:
        """What the map says of a page: its kind, and the page that points to it; (0, 0) for nothing sensible."""
        if number < 3:
            return (_ROOT, 0) if number == 1 else (0, 0)
        home = (number - 2) // (_MAPPED + 1) * (_MAPPED + 1) + 2
        if home == number:
            return 0, 0
        entry = self.page(home)[(number - home - 1) * _ENTRY :][:_ENTRY]
        kind, parent = entry[0], int.from_bytes(entry[1:], "big")
        return (kind, parent) if _ROOT <= kind <= _TREE and parent <= self.pages else (0, 0)

    def root_of(self, number: int) -> int:
        """The root of the tree that a page belongs to, by the map alone; 0 where that can't be told."""
        for _ in range(_DEEPEST):
            kind, parent = self._entry(number)
            if kind == _ROOT:
                return number
            if kind != _TREE or not parent:
                return 0
            number = parent
        return 0

    def is_free(self, number: int) -> bool:
        """Whether the map says that nothing lies there any more."""
        return self._entry(number)[0] == _FREE

    def overflow(self, first: int, octets: int, owner: int) -> bytes:
        """What a chain of overflow pages holds; ValueError where it breaks off or leads astray."""
        parts: list[bytes] = []
        number, before = first, owner
        while octets > 0:
            kind, parent = self._entry(number)
            known = kind in (_OVERFLOW, _MORE_OVERFLOW) and parent == before
            if not 2 < number <= self.pages or number in self._stale or not (known or not kind):
                raise ValueError("a chain of pages is broken")
            page = self.page(number)
            parts.append(page[4 : 4 + min(octets, PAGE - 4)])
            octets -= len(parts[-1])
            number, before = int.from_bytes(page[:4], "big"), number
        return b"".join(parts)

    def leaves(self, roots: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Pages that hold rows, with the root of their tree: by the trees as far as they are sound, then by the map.
        `roots`: those that are known otherwise; a part of the map may be destroyed."""
        met: set[int] = set()
        mapped = (number for number in range(1, self.pages + 1) if self._entry(number)[0] == _ROOT)
        for root in sorted({*roots, *mapped}):
            yield from self._walk(root, root, met)
        for number in range(1, self.pages + 1):
            if number not in met and not self.is_free(number) and tree.Page(self.page(number), number == 1).has_rows:
                root = self.root_of(number)
                if root:
                    yield number, root

    def _walk(self, number: int, root: int, met: set[int]) -> Iterator[tuple[int, int]]:
        if number in met or not 0 < number <= self.pages or self.is_free(number):
            return
        met.add(number)
        page = tree.Page(self.page(number), number == 1)
        if page.has_rows:
            yield number, root
        for child in page.children():
            yield from self._walk(child, root, met)
