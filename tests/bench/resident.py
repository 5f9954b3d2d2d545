"""Memory: idle, and at its peak under load. PSS shares out what several processes have in common."""

import threading
from dataclasses import asdict
from pathlib import Path
from statistics import median

from counted import Load
from goals import Found, Row, compared
from journey.world import World
from options import MESSAGES, ROUNDS
from peers import Field, Peer, Runs, measure
from scene import say_what_is_wrong
from usage import Memory, memory

LOAD = Load("one a connection, 20 sessions", 20, MESSAGES)
EVERY = 0.25  # seconds between two looks


class Peak:
    """While it is open it looks how much memory these have; `most` of it in MiB of PSS."""

    def __init__(self, peer: Peer) -> None:
        self.most = 0.0
        self._peer = peer
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            self.most = max(self.most, memory(self._peer.pids).pss)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def idle(field: Field) -> dict[str, Memory]:
    """What each has before its first message, and each of hedwig's daemons, the alerts' among them, which the packages
    start as well."""
    found = {}
    for peer in field.peers:
        peer.begin()
        found[peer.name] = memory(peer.pids)
        peer.end()
    _start_alerts(field)
    for name, process in field.host.processes.items():
        if process.alive:
            found[f"- {name}"] = memory([process.pid])
    field.host["alerts"].stop()
    return found


def _start_alerts(field: Field) -> None:
    host = field.host
    folder = host.directory / "alerts"
    (folder / "new").mkdir(parents=True)
    host.settings["alerts"] = {"folder": str(folder)}
    host.write("alerts")
    host.start("alerts")


def peaks(field: Field) -> tuple[dict[str, float], list[str]]:
    """The medians of the rounds, MiB of PSS; and what is wrong."""
    field.warm(LOAD.shortened(300))
    found: dict[str, list[float]] = {peer.name: [] for peer in field.peers}
    runs = {peer.name: Runs() for peer in field.peers}
    for number in range(ROUNDS):
        for peer in field.peers if number % 2 == 0 else field.peers[::-1]:
            peer.begin()
            with Peak(peer) as peak:
                runs[peer.name].runs.append(measure(peer, field.far, LOAD, f"p{number}x"))
            found[peer.name].append(peak.most)
            peer.end()
    return {name: median(each) for name, each in found.items()}, say_what_is_wrong(runs)


def play(world: World, in_memory: Path) -> Found:
    """All of it."""
    field = Field(world, in_memory)
    at_rest = idle(field)
    print("\nidle: PSS and RSS, MiB")
    for name, one in at_rest.items():
        print(f"  {name:22} {one.pss:6.1f} {one.rss:6.1f}", flush=True)
    busy, wrong = peaks(field)
    print(f"\npeak with {LOAD.title}: PSS, MiB")
    for name, most in busy.items():
        print(f"  {name:22} {most:6.1f}", flush=True)
    return Found(
        [
            Row("PSS idle, mailman alone", at_rest["- mailman"].pss, 35, least=False, unit="MiB"),
            Row("PSS idle, all, 1 worker", at_rest["hedwig, 1 worker"].pss, 110, least=False, unit="MiB"),
            Row("PSS idle, all, 2 workers", at_rest["hedwig, 2 workers"].pss, 110, least=False, unit="MiB"),
            compared("PSS at its peak, 20 sessions", busy, 0.9, least=False),
        ],
        {"idle": {name: asdict(one) for name, one in at_rest.items()}, "peak": busy},
        wrong,
    )
