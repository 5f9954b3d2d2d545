"""How long do the operator's commands take with a million deliveries in the queue?

    make bench-operator [DELIVERIES=1000000] [FOLDER=where the spool is kept for the next time]

Fills a spool (backlog.py: some minutes) and runs `hedwig queue`, `top`, `trace` and `mail` on it as a user does: a
process each time. "least", "p50" and "most" are of all of it, from its start to its end; "inside" leaves out Python's
own start; "CPU" is what it computed, which a busy machine changes little. "cold" is one more run after the kernel
forgot the spool's pages and its history's (Python's own files it still has).

Then the long acts, on a copy, while letters are registered, claimed and settled beside them at a steady rate: how long
they take, and what a registration waits for its commit without them and meanwhile.
"""

import os
import shlex
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

from backlog import PAUSED_CLIENT, fill
from commands import Place, forget, one_inside, one_run, remember, settings
from long_acts import act_all

DELIVERIES = int(os.environ.get("DELIVERIES", "1000000"))
FOLDER = os.environ.get("FOLDER", "")
RUNS = 9
GOAL = 200  # ms


def cases(place: Place) -> Iterator[tuple[str, ...]]:
    """The commands: what fits much, little and nothing; alone and together; by name, and from deep within."""
    known = Known(place.spool)
    big, small = "163.com", "small-4000.example"
    yield ("queue",)
    yield ("queue", "--json")
    yield ("queue", "--after", known.deep)
    for name, values in {
        "--site": (big, small, "nowhere.example"),
        "--client": ("news.example.cn", "seldom.example.cn", "nowhere.example"),
        "--sender": ("noreply@news.example.cn", known.sender, "nobody@nowhere.example", "<>"),
        "--rcpt": (known.rcpt, f"nobody@{big}", f"nobody@{small}", f"@{big}"),
        "--state": ("ready", "deferred", "active", "held", "paused"),
        "--older": ("1h", "4d", "20d"),
        "--reply": ("greylisted", "no such words"),
    }.items():
        for value in values:
            yield ("queue", name, value)
    yield ("queue", "--sender", "@seldom.example.cn")
    yield ("queue", "--sender", "@nowhere.example")
    yield ("queue", "--site", big, "--client", "seldom.example.cn", "--state", "deferred")
    yield ("queue", "--site", big, "--client", "news.example.cn", "--after", known.deep)
    yield ("queue", "--client", "nowhere.example", "--reply", "over quota")
    yield ("queue", "--client", "news.example.cn", "--reply", "no such words")
    yield ("queue", "--client", PAUSED_CLIENT, "--state", "ready")
    yield ("queue", "--site", big, "--state", "ready", "--older", "4d")
    yield ("queue", "show", known.queue_id)
    yield ("trace", known.queue_id)
    yield ("trace", known.done_id)
    yield ("trace", known.message_id)
    yield ("trace", "noreply@news.example.cn")
    yield ("trace", known.rcpt)
    yield ("trace", "nobody@nowhere.example")
    yield ("top",)
    yield ("top", "--json")
    yield ("mail", known.queue_id)


class Known:
    """Names that lie in the spool and its history."""

    def __init__(self, spool: Path) -> None:
        with closing(sqlite3.connect(spool)) as db:
            half = db.execute("SELECT count(*) / 2 FROM deliveries").fetchone()[0]
            middle = "SELECT message, delivery FROM deliveries ORDER BY delivery LIMIT 1 OFFSET ?"
            message, delivery = db.execute(middle, (half,)).fetchone()
            self.deep = f"{message}.{delivery}.0"
            (self.queue_id,) = db.execute("SELECT queue_id FROM messages WHERE message = ?", (message,)).fetchone()
            (self.rcpt,) = db.execute("SELECT address FROM recipients WHERE delivery = ?", (delivery,)).fetchone()
            rare = "SELECT mailfrom FROM messages WHERE mailfrom <> '' GROUP BY 1 HAVING count(*) < 4 LIMIT 1"
            (self.sender,) = db.execute(rare).fetchone()
        first, *_ = sorted(Path(f"{spool}.history").glob("*.db"))
        with closing(sqlite3.connect(first)) as db:
            self.done_id, rcptto = db.execute("SELECT queue_id, rcptto FROM events WHERE kind = 'delivered'").fetchone()
            names = "SELECT name FROM names WHERE queue_id = ? AND name LIKE '01%' AND name <> ?"
            (self.message_id,) = db.execute(names, (self.done_id, rcptto)).fetchone()


def read_all(place: Place) -> None:
    """The table of what only looks."""
    remember(place.spool)
    start = median(one_run([sys.executable, "-c", "pass"])[0] for _ in range(RUNS))
    print(f"\nPython alone starts in {start:.0f} ms. Milliseconds, {RUNS} runs each:\n")
    print(f"{'':72} {'least':>6} {'p50':>6} {'most':>6} {'inside':>7} {'CPU':>6} {'cold':>6}")
    slow = 0
    for words in cases(place):
        command = place.command(*words)
        runs = [one_run(command) for _ in range(RUNS)]
        inside = median(one_inside(place, words) for _ in range(3))
        forget(place.spool)
        cold, _ = one_run(command)
        remember(place.spool)
        walls = sorted(wall for wall, _ in runs)
        slow += median(walls) > GOAL
        times = (walls[0], median(walls), walls[-1], inside, median(cpu for _, cpu in runs), cold)
        told = " ".join(f"{one:6.0f}" for one in times)
        print(f"{'hedwig ' + shlex.join(words):72} {told}{'  over' if median(walls) > GOAL else ''}", flush=True)
    print(
        f"\n{slow} of them take more than {GOAL} ms at p50" if slow else f"\nall within {GOAL} ms at p50", _load(), "\n"
    )


def _load() -> str:
    return f"(others wanted the {os.cpu_count()} CPUs too: load {os.getloadavg()[0]:.1f})"


def main() -> None:
    """Fill, look, act."""
    with tempfile.TemporaryDirectory(prefix="hedwig-bench-") as temporary:
        folder = Path(FOLDER or temporary)
        spool, filled = folder / "spool.db", folder / "filled"
        if not filled.exists():
            folder.mkdir(parents=True, exist_ok=True)
            fill(spool, DELIVERIES, DELIVERIES, lambda text: print(text, flush=True))
            filled.touch()
        if "acts" not in sys.argv[1:]:
            read_all(settings(folder, spool))
        if "looks" not in sys.argv[1:]:
            copy = Path(temporary) / "acts"
            copy.mkdir()
            shutil.copy(spool, copy / "spool.db")
            act_all(settings(copy, copy / "spool.db"))


if __name__ == "__main__":
    main()
