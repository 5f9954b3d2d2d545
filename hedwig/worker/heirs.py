"""Frees the claims of workers that died (I5, I12): their own successor does so at its start, and any other worker that
obtains their lock does so meanwhile, in case they never come back."""

import time
from pathlib import Path

from hedwig import log
from hedwig.settings import Retry, Worker
from hedwig.spool import SpoolTrouble, Waiting, Work, owner
from hedwig.worker.dots import path_of, read_marks


def free_claims(spool: Work, name: str, dots: Path, retry: Retry) -> list[Waiting]:
    """Free what the owner `name` holds, whose lock the caller has; returns what can be tried again at once.

    A claim with a dot mark is in doubt: it is tried again after the schedule's first wait, with the same Message-ID.
    """
    marks = read_marks(dots)
    now = time.time()

    def doubtful(delivery: int, token: int) -> bool:
        return (delivery, token) in marks

    freed = spool.free(name, doubtful, now, retry.schedule[0]).result()
    ready = [waiting for waiting in freed if waiting.due <= now]
    if freed:
        doubts = f", {len(freed) - len(ready)} of them in doubt" if len(ready) < len(freed) else ""
        log.say(log.Level.NOTICE, f"{len(freed)} deliveries that {name} held when it ended are free again{doubts}")
    return ready


def free_predecessors(spool: Work, myself: str, dots: Path, retry: Retry) -> list[Waiting]:
    """At a worker's start: free what its number held before, under this host's name or an earlier one.

    All of them go by the same dot marks, so they are freed before a new worker begins with none.
    """
    number = owner.number_of(myself)
    names = [name for name in spool.owners() if owner.number_of(name) == number]
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
