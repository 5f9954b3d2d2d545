"""What a bench may be told, by the environment: `make bench MESSAGES=400 ROUNDS=1 PARTS=growth`.

All of it is checked here, before anything starts: SystemExit says what is wrong, and what would be right.
"""

import math
import os
from pathlib import Path

# As a whole run has them; the pages for readers take none that has less (readme.py).
USUAL = {"MESSAGES": 4000, "ROUNDS": 3, "LETTERS": 100, "QUEUED": 100_000}
SLICES = 50  # in which a queue grows
SLICE = 2000  # messages in one at the most
FEWEST_MESSAGES = 200  # CPU is told in steps of 10 ms: that of fewer would be none
_FEWEST = 1000  # queued: 20 sessions have one message each of a slice


def number(name: str, usual: int, least: int) -> int:
    """A whole number, `least` or more; the usual one where nothing is said."""
    said = os.environ.get(name) or str(usual)
    if not (said.isascii() and said.isdigit()) or int(said) < least:
        raise SystemExit(f"{name}={said}: it should be a whole number, {least} or more; {usual} say")
    return int(said)


def decimal(name: str, usual: float) -> float:
    """A number above 0."""
    said = os.environ.get(name, str(usual))
    try:
        found = float(said)
    except ValueError:
        found = 0.0
    if not (math.isfinite(found) and found > 0):
        raise SystemExit(f"{name}={said}: it should be a number above 0; {usual:g} say")
    return found


def _queued(name: str, count: int) -> int:
    """So many that they make whole slices."""
    step = slice_of(count)
    if count < _FEWEST or count % step:
        fits = max(_FEWEST, count - count % (SLICES if count < SLICES * SLICE else SLICE))
        raise SystemExit(
            f"{name}={count}: it should be {_FEWEST} or more, and a multiple of {SLICES}, "
            f"from {SLICES * SLICE} on of {SLICE}; {fits} say"
        )
    return count


def slice_of(count: int) -> int:
    """How many messages a slice has where so many are to be queued."""
    return max(1, min(SLICE, count // SLICES))


MESSAGES = number("MESSAGES", USUAL["MESSAGES"], FEWEST_MESSAGES)  # of each load; that of 100 KB has a tenth
ROUNDS = number("ROUNDS", USUAL["ROUNDS"], 1)  # of each measurement, of which the median is told
LETTERS = number("LETTERS", USUAL["LETTERS"], 2)  # one at a time, of each kind, in all rounds
QUEUED = _queued("QUEUED", number("QUEUED", USUAL["QUEUED"], _FEWEST))  # how far the queue grows
_MILLION = number("MILLION", 0, 0)
# and how far, once, with hedwig alone; 0: not at all
MILLION = {0: 0, 1: 1_000_000}[_MILLION] if _MILLION < 2 else _queued("MILLION", _MILLION)
JSON = Path(os.environ.get("JSON") or "build/bench.json")
PARTS = [name for name in os.environ.get("PARTS", "").replace(",", " ").split() if name]
PEERS = [name for name in os.environ.get("PEERS", "").replace(",", " ").split() if name]
if unknown := set(PEERS) - {"haraka"}:
    raise SystemExit(f"PEERS={','.join(PEERS)}: there is no {', '.join(sorted(unknown))}; there is haraka")
