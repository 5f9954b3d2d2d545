"""How long does a password reset take while newsletters wait for the same receiver?

    make bench-priority [LETTERS=100000] [URGENT=300]

A postoffice, a worker, beanstalkd and a resolver as real processes; the receiver takes PAUSE seconds for each letter on
each of the ten connections that a worker makes to it. LETTERS bulk letters are queued, and then an urgent one every so
often; its time runs from the postoffice's answer (it is in the spool, fsynced) to the end of its data at the receiver.
First the same with nothing in its way. It needs root, or `unshare --map-root-user`, for a network of its own.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

sys.path.insert(0, str(Path(__file__).parents[1]))

from journey.farside import FarSide, Letter, Rule
from journey.host import Host
from journey.network import Network
from journey.submit import SAMPLE, Post
from journey.waiting import until
from journey.world import World, mx

LETTERS = int(os.environ.get("LETTERS", "100000"))
URGENT = int(os.environ.get("URGENT", "300"))
PAUSE = 0.05  # seconds that the receiver takes for a letter
EVERY = 0.1  # seconds between two urgent ones
ALONE = 50  # urgent ones with nothing in their way
REPLY = "250 2.0.0 ok"
BODY = SAMPLE.replace(b"\n", b"\r\n")


class Timed(FarSide):
    """An MX that writes down when an urgent letter came, and only counts the others."""

    def __init__(self, *rules: Rule) -> None:
        super().__init__("192.0.2.1", *rules)
        self.came: dict[str, float] = {}
        self.others = 0

    def keep(self, letter: Letter) -> None:
        """A letter's data has ended."""
        now, rcptto = time.monotonic(), letter.rcpttos[0]
        with self.lock:
            if rcptto.startswith("urgent"):
                self.came[rcptto] = now
            else:
                self.others += 1

    def record(self, number: int, text: str) -> None:
        """Commands are not kept: there are a million of them."""


def queue_bulk(host: Host, count: int) -> float:
    """Queue so many newsletters; the seconds that took."""
    started = time.monotonic()
    for start in range(0, count, 1000):
        some = range(start, min(count, start + 1000))
        host.http.batch([Post((f"reader{one}@163.com",), BODY, options={"priority": "bulk"}) for one in some])
    return time.monotonic() - started


def resets(host: Host, far: Timed, name: str, count: int) -> list[float]:
    """The seconds that each of so many urgent letters took, in rising order."""
    sent: dict[str, float] = {}
    for number in range(count):
        rcptto = f"urgent-{name}{number}@163.com"
        host.http.batch([Post((rcptto,), BODY, options={"priority": "urgent"})])
        sent[rcptto] = time.monotonic()
        time.sleep(EVERY)
    until("all urgent letters", lambda: sent.keys() <= far.came.keys(), seconds=120, pause=0.5)
    return sorted(max(0.0, far.came[rcptto] - at) for rcptto, at in sent.items())


def told(what: str, times: list[float]) -> str:
    """One line of the table."""
    cuts = quantiles(times, n=100, method="inclusive")
    p50, p99, most = (1000 * seconds for seconds in (cuts[49], cuts[98], times[-1]))
    return f"{what:34} p50 {p50:7.1f} ms   p99 {p99:7.1f} ms   most {most:7.1f} ms"


def measure(world: World) -> None:
    """Play it, and print."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = Timed(Rule("dot", REPLY, to="reader", drip=PAUSE / (len(REPLY) + 2)))
    world.at_end(far.close)
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    resets(host, far, "warm", 10)
    print(told(f"{ALONE} urgent, nothing in their way", resets(host, far, "before", ALONE)), flush=True)
    took = queue_bulk(host, LETTERS)
    print(f"{LETTERS} bulk letters queued in {took:.0f} s ({LETTERS / took:.0f} a second)", flush=True)
    began, there = time.monotonic(), far.others
    times = resets(host, far, "among", URGENT)
    rate = (far.others - there) / (time.monotonic() - began)
    left = LETTERS - far.others
    print(f"{left} of them still wait; the receiver takes {rate:.0f} a second, so the last waits {left / rate:.0f} s")
    print(told(f"{URGENT} urgent, among them", times), flush=True)
    assert left > 0, "the newsletters were gone before the end: more LETTERS, or less URGENT"


def main() -> None:
    """In a namespace of its own."""
    network = Network()
    with tempfile.TemporaryDirectory(prefix="hedwig-bench-") as folder:
        world = World(network, Path(folder))
        try:
            measure(world)
        finally:
            world.close()
            network.close()


if __name__ == "__main__":
    main()
