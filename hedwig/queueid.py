"""The queue ID: the one name that a message keeps for life (I3).

A ULID: 26 characters of Crockford's base 32; the first 10 are the time in milliseconds, the other 16 are random.
So IDs sort by time of acceptance, and two hosts never make the same one.
"""

import os
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
_ALLOWED = frozenset(ALPHABET)
_PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)  # ten bits at once


def new(now: float | None = None, random: bytes | None = None) -> str:
    """A fresh queue ID. `now`: Unix time in seconds; `random`: 10 bytes. Both are for tests."""
    milliseconds = int((time.time() if now is None else now) * 1000)
    number = (milliseconds << 80) | int.from_bytes(os.urandom(10) if random is None else random, "big")
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


def is_valid(text: str) -> bool:
    """Whether `text` is a queue ID exactly as `new` writes it (upper case, within 128 bits)."""
    return len(text) == LENGTH and text[0] <= "7" and _ALLOWED.issuperset(text)


def time_of(queue_id: str) -> float:
    """The Unix time in seconds at which this ID was made."""
    number = 0
    for character in queue_id[:10]:
        number = number * 32 + ALPHABET.index(character)
    return number / 1000
