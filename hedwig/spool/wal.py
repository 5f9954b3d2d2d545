"""SQLite's write-ahead log, read by ourselves (https://www.sqlite.org/fileformat2.html, section 4).

Whoever is the first to open a spool has SQLite take from PATH-wal what is whole, up to the first frame whose checksum
is wrong; the rest is dropped without a word. That is right for what a power cut tore. But where the log was damaged
further ahead it would drop mail that had its 250 (I1). The two can be told apart: each commit is synced before the next
one begins, so a power cut tears one transaction at the most, and nothing lies behind that one's last frame.

A frame is a page of the database as a transaction left it; the last one of a transaction carries the size of the
database. Checksums run on from frame to frame. Frames that an earlier round left behind have other salts.

PATH-shm, SQLite's index of the log, outlives a process that is killed. It names the last frame that was committed, and
does so after that was synced: a log that has less was cut off, or is gone.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct(">8I")  # magic, version, page size, round, salts, checksums
_FRAME = struct.Struct(">6I")  # page, size of the database in pages (0: not the last), salts, checksums
_LITTLE, _BIG = 0x377F0682, 0x377F0683  # the magic tells in which order of bytes checksums are computed
_MASK = 0xFFFFFFFF

_INDEX = struct.Struct("=16xI12x8s")  # of the index's header: the last frame, salts
_MOVED = struct.Struct("=I")  # and behind its two copies: how many frames are in the database
_MOVED_AT = 96

Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """`page`: its number; `size`: of the database in pages where a transaction ends here, else 0; `whole`: its own
    checksum is right, whatever is wrong with those before it."""

    page: int
    size: int
    content: bytes
    whole: bool


@dataclass(frozen=True, slots=True)
class Log:
    """What a WAL holds. `frames` are those of its round, in order; the first `sound` of them SQLite would take.

    `broken`: what is behind those is more than a power cut can have torn; in words, or "".
    """

    frames: tuple[Frame, ...]
    sound: int
    broken: str


def read_log(spool: str) -> Log:
    """Read the WAL of the spool at that path; an empty one, or none, holds nothing. OSError."""
    path, index = Path(f"{spool}-wal"), Path(f"{spool}-shm")
    octets = path.read_bytes() if path.exists() else b""
    log = _read(path, octets)
    last, salts, moved = _promised(index.read_bytes() if index.exists() else b"")
    lost = last > log.sound and octets[16:24] == salts if octets else last > moved
    if lost and not log.broken:
        return Log(log.frames, log.sound, f"{path.name} lacks {last - log.sound} of {last} frames that were committed")
    return log


def _promised(index: bytes) -> tuple[int, bytes, int]:
    """The last frame that was committed, its round's salts, and how many frames are in the database already."""
    if len(index) < _MOVED_AT + _MOVED.size:
        return 0, b"", 0
    return *_INDEX.unpack_from(index), *_MOVED.unpack_from(index, _MOVED_AT)


def _read(path: Path, octets: bytes) -> Log:
    if not octets.strip(b"\0"):  # made and never synced: nothing in it was ever promised
        return Log((), 0, "")
    if len(octets) < _HEADER.size:
        return Log((), 0, f"{path.name} is cut off")
    magic, _, page_size, _, *salts, first, second = _HEADER.unpack_from(octets)
    order = {_LITTLE: "<", _BIG: ">"}.get(magic, "")
    start = order and _sums(octets[:24], order, (0, 0))
    if start != (first, second) or page_size < 512 or page_size & (page_size - 1):
        return Log((), 0, f"the beginning of {path.name} is damaged")
    found = list(_frames(octets, page_size, (salts[0], salts[1]), order))
    frames = tuple(frame for frame, _ in found)
    unbroken = next((number for number, (_, chained) in enumerate(found) if not chained), len(found))
    ends = [number for number, frame in enumerate(frames) if frame.size]
    sound = max((end + 1 for end in ends if end < unbroken), default=0)
    torn = next((end for end in ends if end >= unbroken), len(frames))  # where the transaction that is torn would end
    lost = sum(end > torn for end in ends)
    if torn < len(frames) - 1:
        return Log(
            frames, sound, f"{path.name} is damaged at frame {unbroken + 1}; {lost} or more commits lie behind it"
        )
    return Log(frames, sound, "")


def _frames(octets: bytes, page_size: int, salts: Sums, order: str) -> Iterator[tuple[Frame, bool]]:
    """Frames of this round; each with whether all is well up to it."""
    stored = _HEADER.unpack_from(octets)[6:]
    sums: Sums = (stored[0], stored[1])  # as they are stored in front of the frame
    chained = True
    step = _FRAME.size + page_size
    for start in range(_HEADER.size, len(octets) - step + 1, step):
        page, size, *its_salts, first, second = _FRAME.unpack_from(octets, start)
        if (its_salts[0], its_salts[1]) != salts:
            if chained:
                return  # of an earlier round, from here on
            continue
        content = octets[start + _FRAME.size : start + step]
        whole = _sums(octets[start : start + 8] + content, order, sums) == (first, second) and page > 0
        chained = chained and whole
        sums = (first, second)
        yield Frame(page, size, content, whole), chained


def _sums(octets: bytes, order: str, before: Sums) -> Sums:
    """SQLite's checksum, a sum of sums over pairs of 32-bit words."""
    first, second = before
    words = iter(struct.unpack(f"{order}{len(octets) // 4}I", octets))
    for one, other in zip(words, words, strict=True):
        first = (first + one + second) & _MASK
        second = (second + other + first) & _MASK
    return first, second
