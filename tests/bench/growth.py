"""The far side is away, the queue grows, the far side comes back.

Away: nothing listens at its port, so connections are refused, which costs both sides least. Load comes in slices, on
connections that are reused, since that is where acceptance costs least and a queue's cost would show most. Rate, CPU
and memory are taken of each slice; the first few are "an empty queue", the last few a full one (goals.edges). Then the
far side comes back, and at that moment the operator says so to either: postqueue -f; hedwig site resume and hedwig
queue retry. From there to the last arrival is the time to drain; every recipient is counted.

Postfix is the tuned one alone: as it comes, in_flow_delay would let the queue grow for hours. Both wait minutes before
they try again by themselves: Postfix as it comes, hedwig as shipped.
"""

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from counted import FarSide, Load, send
from goals import Found, Row, compared, edges, growth, is_ours
from journey.world import World
from options import MESSAGES, MILLION, QUEUED, slice_of
from peers import STALLED, Field, Peer
from postfix import TUNED
from usage import cpu, memory

SESSIONS = 20
EACH = 12 * 1024  # octets on the disk for a message of 4 KB, at the most
RETRY = {"schedule": ["6m", "15m", "30m", "1h", "2h", "4h"], "jitter": "20%"}  # as shipped
PAUSE = 0.05  # seconds between two looks at the far side
EVERY = 0.25  # seconds between two points of the course that is told
AFTER = 1.0  # seconds, in which what comes twice would come


@dataclass(frozen=True)
class Slice:
    """`queued` before it; messages a second that were accepted, ms of CPU for each, and MiB of PSS at its end."""

    queued: int
    accepted: float
    cpu: float
    pss: float


@dataclass(frozen=True)
class Grown:
    """Of one peer. `drained`: seconds, until the last came. `course`: how many had come after so many seconds. `cpu`:
    ms a message."""

    slices: list[Slice]
    drained: float
    course: list[tuple[float, int]]
    cpu: float
    lost: int
    doubled: int

    @property
    def queued(self) -> int:
        """How many there were in the end."""
        return self.slices[-1].queued + self.slices[1].queued

    @property
    def first(self) -> float:
        """Seconds until the first came, as coarse as `course` is."""
        return next((at for at, came in self.course if came), self.drained)

    @property
    def rate(self) -> float:
        """Messages a second while it drained."""
        return (self.queued - self.lost) / self.drained

    @property
    def kept(self) -> float:
        """The rate of acceptance at the end, against that at the beginning."""
        empty, full = edges([one.accepted for one in self.slices])
        return full / empty

    @property
    def each(self) -> float:
        """Octets of memory that one more queued message costs."""
        return growth([one.queued for one in self.slices], [one.pss * 2**20 for one in self.slices])


def measure(peer: Peer, far: FarSide, count: int) -> Grown:
    """Let so many wait at a peer whose turn it is, and let them go."""
    far.away()
    far.forget()
    slices = _grow(peer, count)
    used = cpu(peer.pids)
    began = time.monotonic()
    course: list[tuple[float, int]] = []

    def looked(came: int) -> None:
        at = time.monotonic() - began
        if not course or at - course[-1][0] >= EVERY or came == count:
            course.append((round(at, 2), came))
        far.drop()

    far.back()
    peer.flush()
    far.wait(count, STALLED, pause=PAUSE, looked=looked)
    last = far.last
    time.sleep(AFTER)
    total, came = far.look(), len(far.came)
    used = cpu(peer.pids) - used
    return Grown(slices, last - began, course, used / count, count - came, total - came)


def _grow(peer: Peer, count: int) -> list[Slice]:
    size = slice_of(count)  # options.py has seen to it that it divides
    slices = []
    for queued in range(0, count, size):
        load = Load("", SESSIONS, size, reused=True)
        used, began = cpu(peer.pids), time.monotonic()
        send(load, peer.address, f"q{queued}x")
        took = time.monotonic() - began
        used = cpu(peer.pids) - used
        slices.append(Slice(queued, size / took, used / size, memory(peer.pids).pss))
    return slices


def show(name: str, grown: Grown) -> None:
    """What one peer did."""
    rates, costs = (edges([getattr(one, what) for one in grown.slices]) for what in ("accepted", "cpu"))
    print(
        f"  {name:22} {rates[0]:6.0f}/s accepted when empty, {rates[1]:6.0f}/s when full ({grown.kept:.2f}x), "
        f"{costs[0]:.2f} and {costs[1]:.2f} ms CPU; {grown.each:6.0f} B a message\n"
        f"  {'':22} drained in {grown.drained:.1f} s ({grown.rate:.0f}/s, {grown.cpu:.2f} ms CPU; the first after "
        f"{grown.first:.1f} s) {grown.lost:4} lost {grown.doubled:4} doubled",
        flush=True,
    )


def _run(world: World, in_memory: Path, count: int, *, alone: bool) -> dict[str, Grown]:
    """hedwig with one and two workers and Postfix; `alone`: hedwig with two, and nobody else."""
    free = shutil.disk_usage(world.directory).free
    if free < count * EACH:
        raise SystemExit(f"{count} messages want {count * EACH >> 20} MiB at {world.directory}: there are {free >> 20}")
    workers = (2,) if alone else (1, 2)
    field = Field(world, in_memory, workers=workers, postfix={} if alone else {"tuned": TUNED}, retry=RETRY)
    field.warm(Load("", SESSIONS, min(MESSAGES, 1000), reused=True))
    found = {}
    print(f"\n{count} queued while the far side is away; then it comes back", flush=True)
    for peer in field.peers:
        peer.begin()
        found[peer.name] = measure(peer, field.far, count)
        show(peer.name, found[peer.name])
        peer.end()
    return found


def _found(grown: dict[str, Grown], rows: list[Row]) -> Found:
    wrong = [
        f"{name} lost {one.lost} and doubled {one.doubled} of {one.queued} that were queued"
        for name, one in grown.items()
        if one.lost or one.doubled
    ]
    return Found(rows, {name: asdict(one) | {"rate": one.rate, "each": one.each} for name, one in grown.items()}, wrong)


def _acceptance(grown: dict[str, Grown], goal: float) -> list[Row]:
    """The row of hedwig that keeps less of its rate, and of it that needs more memory."""
    ours = {name: one for name, one in grown.items() if is_ours(name)}
    kept, each = min(ours, key=lambda name: ours[name].kept), max(ours, key=lambda name: ours[name].each)
    count = ours[kept].queued
    return [
        Row(f"rate of acceptance, {count} queued, against none", ours[kept].kept, goal, by=kept),
        Row(f"memory a queued message, {count} queued", ours[each].each, 600, least=False, unit="B", by=each),
    ]


def play(world: World, in_memory: Path) -> Found:
    """To 100,000, with both."""
    grown = _run(world, in_memory, QUEUED, alone=False)
    drain = compared(f"drain of {QUEUED}, messages/s", {name: one.rate for name, one in grown.items()}, 4.0)
    return _found(grown, [*_acceptance(grown, 0.95), drain])


def play_million(world: World, in_memory: Path) -> Found:
    """To a million, hedwig alone."""
    grown = _run(world, in_memory, MILLION, alone=True)
    return _found(grown, _acceptance(grown, 0.85))
