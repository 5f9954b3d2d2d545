"""How long do the operator's commands take with a million deliveries in the queue?

    make bench-operator [DELIVERIES=1000000] [FOLDER=where the spool is kept for the next time]

Fills a spool (backlog.py: some minutes) and runs `hedwig queue`, `top`, `trace` and `mail` on it as a user does: a
process each time. "p50" and "most" are of all of it, from its start to its end; "inside" leaves out the start of Python
itself; "CPU" is what it computed, which a busy machine changes little. "cold" is one more run after the kernel forgot
the spool's pages and its history's (Python's own files it still has).

Then the long acts, on a copy, while letters are registered, claimed and settled beside them at a steady rate: how long
they take, and what a registration waits for its commit without them and meanwhile.
"""

import os
import pty
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from backlog import PAUSED_CLIENT, Mixture, fill

from hedwig.spool import RecipientResult, Settlement, State
from hedwig.spool.sqlite import open_spool

DELIVERIES = int(os.environ.get("DELIVERIES", "1000000"))
FOLDER = os.environ.get("FOLDER", "")
RUNS = 9
GOAL = 200  # ms
HEDWIG = Path(sys.executable).with_name("hedwig")
INSIDE = """
import sys, time
began = time.perf_counter()
from hedwig.cli.hedwig import main
try:
    main()
finally:
    sys.stdout.flush()
    print("inside", time.perf_counter() - began, file=sys.stderr)
"""


@dataclass(frozen=True)
class Place:
    """A spool, and the folder of settings that name it."""

    spool: Path
    config: Path

    def command(self, *words: str) -> list[str]:
        """`hedwig ...`"""
        return [str(HEDWIG), "--config-dir", str(self.config), *words]


def settings(folder: Path, spool: Path) -> Place:
    """Settings as a host of postoffice and worker has them."""
    config = folder / "config"
    (config / "clients.d").mkdir(parents=True, exist_ok=True)
    (config / "postoffice.yml").write_text(
        f'listen: ["127.0.0.1:8025", "172.17.0.1:8025"]\nspool: {spool}\nmax_size: 30 MiB\nexpire: 5d\n'
    )
    (config / "worker.yml").write_text(f"spool: {spool}\nehlo: robot.example.cn\nretry:\n  expire: 5d\n")
    (config / "clients.d" / f"{PAUSED_CLIENT}.yml").write_text("")
    return Place(spool, config)


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
    start = median(one_run([sys.executable, "-c", "pass"])[0] for _ in range(RUNS))
    print(f"\nPython alone starts in {start:.0f} ms. Milliseconds, {RUNS} runs each:\n")
    print(f"{'':66} {'p50':>6} {'most':>6} {'inside':>7} {'CPU':>6} {'cold':>6}")
    slow = 0
    for words in cases(place):
        command = place.command(*words)
        runs = [one_run(command) for _ in range(RUNS)]
        inside = median(one_inside(place, words) for _ in range(3))
        forget(place.spool)
        cold, _ = one_run(command)
        one_run(command)
        p50, most = median(wall for wall, _ in runs), max(wall for wall, _ in runs)
        slow += p50 > GOAL
        told = f"{p50:6.0f} {most:6.0f} {inside:7.0f} {median(cpu for _, cpu in runs):6.0f} {cold:6.0f}"
        print(f"{'hedwig ' + ' '.join(words):66} {told}{'  over' if p50 > GOAL else ''}", flush=True)
    print(f"\n{slow} of them take more than {GOAL} ms\n" if slow else f"\nall within {GOAL} ms\n")


def one_run(command: Sequence[str]) -> tuple[float, float]:
    """Milliseconds of a process: by the clock, and of computing."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return 1000 * took, 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def one_inside(place: Place, words: Sequence[str]) -> float:
    """Milliseconds of hedwig's own in a process."""
    command = [sys.executable, "-c", INSIDE, *place.command(*words)[1:]]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    return 1000 * float(done.stderr.rsplit("inside", 1)[1])


def forget(spool: Path) -> None:
    """Have the kernel drop what it keeps of these files."""
    for file in (spool, *Path(f"{spool}.history").glob("*.db")):
        handle = os.open(file, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


class Flow:
    """Mail that flows meanwhile: ten letters every 20 ms, which are claimed and settled a second later."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._stop = threading.Event()
        self.waits: list[float] = []
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def flowing(self) -> Iterator[list[float]]:
        """Within it mail flows; the list grows: milliseconds from a registration to its commit."""
        self._stop.clear()
        self.waits = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        try:
            yield self.waits
        finally:
            self._stop.set()
            self._thread.join()

    def _run(self) -> None:
        mixture, under_way = Mixture(5), []
        with closing(open_spool(str(self._spool), create=False)) as spool:
            while not self._stop.wait(0.02):
                letters = [mixture.letter(time.time()) for _ in range(10)]
                began = time.perf_counter()
                answers = spool.register(letters).result(60)
                self.waits.append(1000 * (time.perf_counter() - began))
                under_way.append([one.delivery for answer in answers for one in answer.deliveries])
                if len(under_way) > 50:
                    claims = spool.claim(under_way.pop(0), "host/9", time.time()).result(60)
                    spool.settle(
                        Settlement(
                            claim.delivery,
                            claim.token,
                            tuple(RecipientResult(one.number, State.DONE, "250 ok") for one in claim.recipients),
                        )
                        for claim in claims
                    )


def told(what: str, took: float, waits: Sequence[float], more: str = "") -> None:
    """One line of the acts' table."""
    cuts = quantiles(waits, n=100, method="inclusive")
    figures = f"{cuts[49]:6.1f} {cuts[98]:6.1f} {max(waits):6.1f}"
    print(f"{what:66} {took:6.1f} {figures}  {more}", flush=True)


def act(place: Place, flow: Flow, *words: str) -> None:
    """An act, with its progress as on a terminal."""
    with flow.flowing() as waits:
        began = time.monotonic()
        ours, its = pty.openpty()
        process = subprocess.Popen(place.command(*words), stdout=subprocess.PIPE, stderr=its, text=True)
        os.close(its)
        shown = bytearray()
        reader = threading.Thread(target=lambda: shown.extend(_all_of(ours)))
        reader.start()
        said, _ = process.communicate()
        reader.join()
        took = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"hedwig {' '.join(words)}: exit {process.returncode}\n{said}{shown.decode()}")
    told(f"hedwig {' '.join(words)}", took, waits, f"progress {shown.count(13)} times; {said.strip().splitlines()[-1]}")


def _all_of(terminal: int) -> bytes:
    found = b""
    try:
        while piece := os.read(terminal, 4096):
            found += piece
    except OSError:  # a terminal's other end is closed
        pass
    os.close(terminal)
    return found


def act_all(place: Place) -> None:
    """The table of the acts."""
    client, site = "forum.example.cn", "163.com"
    print(
        f"{'seconds; milliseconds of a registration until its commit':66} {'took':>6} {'p50':>6} {'p99':>6} {'most':>6}"
    )
    for words in (
        ("queue", "hold", "--client", client, "--dry-run"),
        ("queue", "drop", "--all", "--dry-run", "--no-dsn"),
        ("queue", "release", "--client", "nowhere.example", "--dry-run"),
        ("queue", "retry", "--site", "small-4000.example", "--dry-run"),
    ):
        wall, _ = one_run(place.command(*words))
        print(f"{'hedwig ' + ' '.join(words):66} {wall / 1000:6.1f}")
    flow = Flow(place.spool)
    with flow.flowing() as waits:
        time.sleep(20)
    told("(mail alone)", 20, waits)
    act(place, flow, "queue", "hold", "--client", client, "--yes")
    act(place, flow, "queue", "release", "--client", client, "--yes")
    act(place, flow, "queue", "retry", "--site", site, "--yes")
    act(place, flow, "queue", "pause", "--client", client)
    act(place, flow, "queue", "resume", "--client", client)
    act(place, flow, "queue", "drop", "--client", client, "--no-dsn", "--yes")
    act(place, flow, "queue", "drop", "--client", "school.example.cn", "--dsn", "--yes")
    with flow.flowing() as waits:
        time.sleep(20)
    told("(mail alone, again)", 20, waits)


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
