"""Frees the claims of workers that died (I5, I12): their own successor does so at its start, and any other worker that
obtains their lock does so meanwhile, in case they never come back."""

import time
from pathlib import Path

from hedwig import log
from hedwig.settings import Retry, Worker
from hedwig.spool import SpoolTrouble, Work, owner
from hedwig.worker.dots import path_of, read_marks


def free_claims(spool: Work, name: str, dots: Path, retry: Retry) -> int:
    """Free what the owner `name` holds, whose lock the caller has; returns how many claims. A claim with a dot mark is
    in doubt: it is tried again after the schedule's first wait, with the same Message-ID."""
    marks = read_marks(dots)
    freed = spool.free(
        name, lambda delivery, token: (delivery, token) in marks, time.time(), retry.schedule[0]
    ).result()
    if freed:
        log.say(log.Level.NOTICE, f"{freed} deliveries that {name} held when it ended are free again")
    return freed


def free_dead_owners(spool: Work, myself: str, settings: Worker) -> None:
    """Look for claims of owners whose lock nobody holds, and free them. Thread-safe; blocks for a commit."""
    try:
        for name in spool.owners():
            number = owner.number_of(name)
            if name == myself or number is None:
                continue
            lock = owner.worker_lock(settings.run_dir, number)
            if not lock.take():
                continue
            try:
                free_claims(spool, name, path_of(settings.state_dir, number), settings.retry)
            finally:
                lock.give_back()
    except SpoolTrouble as trouble:
        log.say(log.Level.WARNING, f"claims of dead workers can't be freed now: {trouble}")
