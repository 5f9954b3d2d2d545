"""Talks: dot marks that survive a power cut too, with the conversation up to the dot (I5).

For messages that must not go out twice (`on_doubt: hold` or `retry-once`) a worker writes, before the final dot, a
record of 8 KiB into a file beside its dot marks, and waits until that is fsynced. The record says which claim it is,
which of its recipients the message is handed over for, and what was said so far; so whoever frees a dead worker's
claims can show the operator what happened.

One fdatasync is for all that wait (group commit), in a thread apart: a slow disk holds up those messages, and neither
the event loop nor the messages of other clients. What fails is told to all that waited for it, and no dot goes out: a
later fdatasync might not tell again what the kernel gave up, so a record counts only if its own one succeeded.

A record needs no erasing, as a dot mark needs none: once its claim is settled the token is nobody's any more.
"""

import asyncio
import os
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hedwig.spool import Doubt

RECORD = 8192  # octets
_HEAD = struct.Struct("<IIqqII")  # the record's octets, CRC-32 of all after it, delivery, token, recipients, 0
_SUMMED = 8  # octets of it before what the checksum is of
_MOST_NUMBERS = 100  # recipients of one transaction, and more than there are (courier.py)
_CUT = "* (some lines are left out)"


def fitting(lines: Sequence[str]) -> str:
    """A conversation as it is kept: all its lines where a record has room for them. A host that talks without end gets
    neither disk nor memory for it."""
    return _cut(lines, RECORD - _HEAD.size - 4 * _MOST_NUMBERS).decode("utf-8", "replace")


def path_of(dots: Path) -> Path:
    """The file that belongs to that file of dot marks."""
    return dots.with_suffix(".talks")


def read_talks(path: Path) -> Mapping[tuple[int, int], Doubt]:
    """By (delivery, token) what is known of each claim; none where there is no file. A torn record is left out: its
    fsync can't have ended, so its dot never went out."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    found = {}
    for start in range(0, len(content) - _HEAD.size + 1, RECORD):
        octets, checksum, delivery, token, count, _ = _HEAD.unpack_from(content, start)
        record = content[start : start + octets]
        if len(record) == octets >= _HEAD.size + 4 * count and zlib.crc32(record[_SUMMED:]) == checksum:
            numbers = struct.unpack_from(f"<{count}I", record, _HEAD.size)
            talk = record[_HEAD.size + 4 * count :].decode("utf-8", "replace")
            found[delivery, token] = Doubt(numbers, talk)
    return found


class Talks:
    """The running worker's file. Belongs to the event loop."""

    def __init__(self, path: Path, sync: Callable[[int], None] = os.fdatasync) -> None:
        """Begin with none: the caller has freed the claims that the old ones were about."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        _sync_folder(path.parent)
        self._sync = sync
        self._hand = ThreadPoolExecutor(1, thread_name_prefix="dot-marks")
        self._next: asyncio.Future[None] | None = None  # done with the next fdatasync to begin
        self._task: asyncio.Task[None] | None = None

    async def write(self, slot: int, claim: tuple[int, int], doubt: Doubt) -> None:
        """Have this record on disk in the slot, for (delivery, token); OSError where that can't be."""
        os.pwrite(self._file, _packed(claim, doubt), slot * RECORD)
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        # One who is cancelled must not take the others' future along.
        await asyncio.shield(self._next)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._next is not None:
            waiting, self._next = self._next, None
            try:
                await loop.run_in_executor(self._hand, self._sync, self._file)
            except OSError as error:
                waiting.set_exception(error)
                waiting.exception()  # heard by each that waits still; nobody may be left
            else:
                waiting.set_result(None)

    def close(self) -> None:
        """Close the file; what is written stays for whoever frees this worker's claims."""
        self._hand.shutdown()
        os.close(self._file)


def _packed(claim: tuple[int, int], doubt: Doubt) -> bytes:
    numbers = struct.pack(f"<{len(doubt.numbers)}I", *doubt.numbers)
    talk = _cut(doubt.talk.split("\n"), RECORD - _HEAD.size - len(numbers))
    octets = _HEAD.size + len(numbers) + len(talk)
    record = _HEAD.pack(octets, 0, *claim, len(doubt.numbers), 0) + numbers + talk
    return _HEAD.pack(octets, zlib.crc32(record[_SUMMED:]), *claim, len(doubt.numbers), 0) + numbers + talk


def _cut(lines: Sequence[str], octets: int) -> bytes:
    """The lines, in at most so many octets: where they are too many, some in the middle are left out, since how it
    began and how it ended tell most."""
    encoded = [line.encode("utf-8", "replace") + b"\n" for line in lines]
    if sum(map(len, encoded)) <= octets:
        return b"".join(encoded)[:-1]
    cut = _CUT.encode() + b"\n"
    head: list[bytes] = []
    tail: list[bytes] = []
    room = octets - len(cut)
    while encoded:
        side = head if len(head) <= len(tail) else tail
        line = encoded.pop(0 if side is head else -1)
        room -= len(line)
        if room < 0:
            break
        side.append(line)
    return b"".join([*head, cut, *reversed(tail)])[:-1]


def _sync_folder(folder: Path) -> None:
    """The file's own name must survive a power cut too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
