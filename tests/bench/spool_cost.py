"""What a message costs in the spool: CPU seconds of this process for register, claim and settle, in batches of 100.

    .venv/bin/python tests/bench/spool_cost.py [messages [supersede key]]

Prints microseconds a message, the least of several rounds: on a busy machine the least is what repeats. The spool lies
in /dev/shm where there is one, so that the disk's time is none of it. It is for comparing two releases.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hedwig import queueid
from hedwig.envelope import Envelope, digest
from hedwig.options import Options
from hedwig.spool import Bytes, NewMessage, RecipientResult, Settlement, State
from hedwig.spool.sqlite import open_spool

BATCH = 100
ROUNDS = 7
BODY = b"Subject: hello\r\n\r\n" + b"x" * 70 * 50 + b"\r\n"


def letters(numbers: range, now: float, **other: Any) -> list[NewMessage]:
    """Fresh messages to a few hundred destinations, each to another recipient."""
    made = []
    for number in numbers:
        envelope = Envelope("a@host.example", (f"user{number}@d{number % 300}.example",))
        parts = envelope.by_destination()
        body = Bytes(BODY)
        name = digest(envelope, body.pieces())
        fields = {"client": "host.example", "accepted_at": now, "expires_at": now + 432_000} | other
        made.append(NewMessage(queueid.new(now), envelope=envelope, body=body, digest=name, parts=parts, **fields))
    return made


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of all threads, and what `work` gave."""
    before = time.process_time()
    found = work()
    return time.process_time() - before, found


def one_round(folder: str, count: int, **other: Any) -> dict[str, float]:
    """Microseconds a message for each step."""
    now = time.time()
    spool = open_spool(str(Path(folder) / "spool.db"))
    lots = [letters(range(start, start + BATCH), now, **other) for start in range(0, count, BATCH)]
    spent = dict.fromkeys(("register", "claim", "settle"), 0.0)
    for lot in lots:
        took, answers = cpu(lambda lot=lot: spool.register(lot).result(60))
        spent["register"] += took
        numbers = [waiting.delivery for answer in answers for waiting in answer.deliveries]
        took, claims = cpu(lambda numbers=numbers: spool.claim(numbers, "host/1", now).result(60))
        spent["claim"] += took
        ends = [
            Settlement(each.delivery, each.token, tuple(_done(one.number) for one in each.recipients))
            for each in claims
        ]
        took, settled = cpu(lambda ends=ends: spool.settle(ends).result(60))
        assert all(each.held_token for each in settled)
        spent["settle"] += took
    spool.close()
    return {step: 1e6 * seconds / count for step, seconds in spent.items()}


def _done(number: int) -> RecipientResult:
    return RecipientResult(number, State.DONE, "250 2.0.0 ok")


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    other = {"options": Options(supersede=sys.argv[2])} if len(sys.argv) > 2 else {}
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=place) as folder:
            rounds.append(one_round(folder, count, **other))
    for step in rounds[0]:
        values = sorted(each[step] for each in rounds)
        print(f"{step:9} {values[0]:6.1f} us a message (median {values[len(values) // 2]:.1f})")


if __name__ == "__main__":
    main()
