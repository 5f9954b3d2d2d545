"""The long acts on a million deliveries, while mail flows: how long they take, and what a registration waits then."""

import os
import pty
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import quantiles

from backlog import Mixture
from commands import Place, one_run

from hedwig.spool import Claim, RecipientResult, Settlement, State
from hedwig.spool.sqlite import open_spool


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
                    spool.settle([_delivered(claim) for claim in claims]).result(60)


def _delivered(claim: Claim) -> Settlement:
    results = tuple(RecipientResult(one.number, State.DONE, "250 2.0.0 ok") for one in claim.recipients)
    return Settlement(claim.delivery, claim.token, results)


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
