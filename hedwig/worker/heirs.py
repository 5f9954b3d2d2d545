"""Frees the claims of workers that died (I5, I12): their own successor does so at its start, and any other worker that
obtains their lock does so meanwhile, in case they never come back."""

import time
from pathlib import Path

from hedwig import log
from hedwig.settings import Retry, Worker
from hedwig.spool import Doubt, Freed, Kind, SpoolTrouble, Waiting, Work, owner
from hedwig.worker import talks
from hedwig.worker.dots import path_of, read_marks


def free_claims(spool: Work, name: str, dots: Path, retry: Retry) -> list[Waiting]:
    """Free what the owner `name` holds, whose lock the caller has; returns what can be tried again at once.

    A claim with a dot mark is in doubt: as its client's policy says, it is tried again after the schedule's first wait,
    with the same Message-ID, or held.
    """
    marks = read_marks(dots)
    known = talks.read_talks(talks.path_of(dots))
    now = time.time()

    def doubtful(delivery: int, token: int) -> bool | Doubt:
        return known.get((delivery, token)) or (delivery, token) in marks

    freed = spool.free(name, doubtful, now, retry.schedule[0]).result()
    for each in freed:
        _tell(each, name)
    doubted = [each for each in freed if each.doubted]
    if freed:
        doubts = f", {len(doubted)} of them in doubt" if doubted else ""
        count = "1 delivery" if len(freed) == 1 else f"{len(freed)} deliveries"
        log.say(log.Level.NOTICE, f"{count} that {name} held when it ended, free again{doubts}")
    return [each.waiting for each in freed if each.kind is not Kind.HELD and each.waiting.due <= now]


def _tell(freed: Freed, name: str) -> None:
    if freed.doubted:
        what = "is held" if freed.kind is Kind.HELD else "waits for its next try"
        log.event(
            freed.kind,
            f"in doubt: {name} ended between the final dot and its reply; the message {what}",
            log.Level.WARNING,
            queue_id=freed.queue_id,
            rcpt=freed.doubted,
            site=freed.waiting.destination,
        )


def free_predecessors(spool: Work, myself: str, dots: Path, retry: Retry) -> list[Waiting]:
    """At a worker's start: free what its number held before, under this host's name or an earlier one, and end the
    pauses that it asked for.

    All of them go by the same dot marks, so they are freed before a new worker begins with none.
    """
    number = owner.number_of(myself)
    names = sorted({myself} | {name for name in spool.owners() if owner.number_of(name) == number})
    return [waiting for name in names for waiting in free_claims(spool, name, dots, retry)]


def free_dead_owners(spool: Work, myself: str, settings: Worker) -> list[Waiting]:
    """Look for claims of owners whose lock nobody holds, and free them; returns what can be tried again at once.

    Thread-safe; blocks for a commit.
    """
    ready: list[Waiting] = []
    try:
        for name in spool.owners():
            number = owner.number_of(name)
            if number is None or number == owner.number_of(myself):
                continue
            lock = owner.worker_lock(settings.run_dir, number)
            if not lock.take():
                continue
            try:
                ready += free_claims(spool, name, path_of(settings.state_dir, number), settings.retry)
            finally:
                lock.give_back()
    except (SpoolTrouble, OSError) as trouble:
        text = f"claims of dead workers can't be freed now: {trouble}"
        log.event(log.Matter.SPOOL_TROUBLE, text, log.Level.WARNING, reason=str(trouble))
    return ready
