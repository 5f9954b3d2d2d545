"""Programs that the spool's contract tests run as processes of their own, to kill them, race them or fill their disk.

Each prints one line a step, flushed, so that the test knows how far it is.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

from spool_parts import NOW, Pieces, claim, done, letter, numbers, put, settle, waiting_ids

from hedwig.spool import Event, Kind, SpoolTrouble
from hedwig.spool.sqlite import open_spool


def say(*words: object) -> None:
    """One write(2) a line: threads never mix theirs."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def register_for_ever(path: str) -> None:
    """Acknowledge messages, four threads at a time, until killed: prints each queue ID once it is on disk."""
    spool = open_spool(path)

    def run() -> None:
        while True:
            letters = [letter("b@one.example", "c@two.example", "d@two.example") for _ in range(3)]
            spool.register(letters).result()
            say(*[one.queue_id for one in letters])

    for _ in range(4):
        threading.Thread(target=run, daemon=True).start()
    time.sleep(60)


def register_some(path: str, count: str) -> None:
    """One message a call."""
    spool = open_spool(path)
    for _ in range(int(count)):
        one = letter()
        assert len(put(spool, one)) == 1
        say(one.queue_id)
    spool.close()


def settle_for_ever(path: str, first: str, last: str) -> None:
    """Deliver until killed: prints each delivery once its settlement is on disk."""
    spool = open_spool(path)
    for number in range(int(first), int(last) + 1):
        [one] = claim(spool, [number], "child/1", now=time.time())
        event = Event(time.time(), Kind.DELIVERED, one.recipients[0].address)
        assert settle(spool, one, done(), events=(event,)).held_token
        say(number)


def claim_all(path: str, owner: str, first: str, last: str) -> None:
    """Race for the same deliveries: prints those that were got."""
    spool = open_spool(path)
    say("ready")
    sys.stdin.readline()
    for start in range(int(first), int(last) + 1, 5):
        for one in claim(spool, range(start, start + 5), owner):
            say(one.delivery)
    spool.close()


class Stuck:
    """A Body that stops in the middle, for the test to kill us there."""

    size = 8 << 20

    def pieces(self):
        for index in range(8):
            if index == 5:
                say("stuck")
                time.sleep(60)
            yield b"x" * (1 << 20)


def large_half_way(path: str) -> None:
    """Be killed while a large body is half written."""
    spool = open_spool(path)
    one = letter()
    object.__setattr__(one, "body", Stuck())
    spool.register([one]).result()


def full_disk(folder: str) -> None:
    """In a mount namespace of our own: fill the disk, try, make room, try again. Prints what happened as JSON."""
    spool = open_spool(f"{folder}/spool.db")
    kept = [letter() for _ in range(50)]
    numbers(spool.register(kept).result())
    [working] = claim(spool, [1])
    filler = Path(folder, "filler")
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    block = 1 << 16
    while block:
        try:
            os.write(descriptor, bytes(block))
        except OSError:
            block //= 2
    os.close(descriptor)
    attempts = [spool.register([letter(content=os.urandom(200_000))]) for _ in range(8)]
    attempts.append(spool.register([letter(body=Pieces(3 << 20))]))
    errors = [attempt.exception(20) for attempt in attempts]
    before = waiting_ids(spool)
    filler.unlink()
    after = [letter() for _ in range(5)]
    put(spool, *after)
    answer = settle(spool, working, done())
    deadline = time.monotonic() + 30
    while spool.used() != 54 * after[0].body.size and time.monotonic() < deadline:
        time.sleep(0.2)  # rubbish of the large body is swept by the clock
    result = {
        "troubles": [isinstance(error, SpoolTrouble) and "full" in str(error) for error in errors],
        "texts": [str(error) for error in errors],
        "before": before == [one.queue_id for one in kept],
        "after": waiting_ids(spool) == [one.queue_id for one in [*kept[1:], *after]],
        "settled": answer.held_token,
        "used": spool.used(),
        "expected": 54 * after[0].body.size,
    }
    spool.close()
    say(json.dumps(result))


def hold(path: str) -> None:
    """Have it open, with something in its log, until killed."""
    spool = open_spool(path)
    spool.register([letter()]).result(30)
    say("ready")
    sys.stdin.readline()


def create(path: str) -> None:
    """Race to create the spool."""
    say("ready")
    sys.stdin.readline()
    spool = open_spool(path)
    put(spool, letter())
    spool.close()


assert NOW
PROGRAMS = {
    program.__name__: program
    for program in (
        register_for_ever,
        register_some,
        settle_for_ever,
        claim_all,
        large_half_way,
        full_disk,
        hold,
        create,
    )
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
