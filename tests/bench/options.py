"""What a bench may be told, by the environment: `make bench MESSAGES=400 ROUNDS=1 PARTS=growth`."""

import os
from pathlib import Path


def _number(name: str, usual: int) -> int:
    said = os.environ.get(name) or str(usual)
    if not said.isdigit():
        raise SystemExit(f"{name}={said}: it should be a number, {usual} say")
    return int(said)


MESSAGES = _number("MESSAGES", 4000)  # of each load
ROUNDS = _number("ROUNDS", 3)  # of each measurement, of which the median is told
LETTERS = _number("LETTERS", 100)  # one at a time, of each kind, in all rounds
QUEUED = _number("QUEUED", 100_000)  # how far the queue grows
_MILLION = _number("MILLION", 0)
MILLION = 1_000_000 if _MILLION == 1 else _MILLION  # and how far, once, with hedwig alone; 0: not at all
JSON = Path(os.environ.get("JSON") or "build/bench.json")
PARTS = [name for name in os.environ.get("PARTS", "").replace(",", " ").split() if name]
PEERS = [name for name in os.environ.get("PEERS", "").replace(",", " ").split() if name]
if unknown := set(PEERS) - {"haraka"}:
    raise SystemExit(f"PEERS={','.join(PEERS)}: there is no {', '.join(sorted(unknown))}; there is haraka")
