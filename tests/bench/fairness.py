"""What does one tarpit cost the mail to everybody else, and do limits hold exactly?

    make bench-fairness [LETTERS=50000] [BAR=95] [ROUNDS=12] [LIMITS=80]

Postoffice, workers, beanstalkd and a resolver as real processes, and receivers that count (journey/crowd.py).

*Fairness*: two hosts are alike, but with one of them LETTERS wait for one tarpit. In each round both get the same load
for ten other receivers, by turns, while the processes of the other one stand still (SIGSTOP): first as many letters as
go through, for the rate; then one every so often, for the time that each takes from the postoffice's answer (it is in
the spool, fsynced) to the end of its data. The tarpit is of another kind for each ROUNDS rounds: it says nothing, takes
five seconds for each answer, or drips. What else the machine does counts for both, and what is told is the median of
the rounds' shares; where that does not meet the bar, up to three times as many rounds are played, lest a moment's noise
decide. The bar: at least BAR % of the rate, and p99 less than 0.2 s later.

*Limits* (for LIMITS seconds, 0: not these): four workers send to receivers of two sites each, while one of them is
killed every second. The receivers count connections at a time, messages of a connection, recipients of a transaction,
and messages and connections in any minute. No figure may be above its limit.

It needs root, or `unshare --map-root-user`, for a network of its own.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).parents[1]))

from journey.crowd import Crowd, Manner
from journey.host import POSTOFFICE_PORT, Host
from journey.limits import play as play_limits
from journey.network import Network
from journey.submit import SAMPLE, Post
from journey.waiting import until
from journey.world import World, mx

LETTERS = int(os.environ.get("LETTERS", "50000"))
BAR = int(os.environ.get("BAR", "95"))  # percent
ROUNDS = int(os.environ.get("ROUNDS", "12"))  # of each kind of tarpit
LOAD = int(os.environ.get("LOAD", "1000"))  # letters of a half for the rate
PACED = int(os.environ.get("PACED", "30"))  # letters of a half for the time, one every EVERY seconds
LIMITS = float(os.environ.get("LIMITS", "80"))  # seconds
TIMES = 3  # as many rounds at the most
EVERY = 0.02
LATER = 0.2  # seconds that p99 may be later
BODY = SAMPLE.replace(b"\n", b"\r\n") + b"x" * 70 + b"\r\n"
OTHERS = {f"d{number}.example": f"192.0.2.{10 + number}" for number in range(10)}
TARPIT = "192.0.2.66"
KINDS = {"is silent": Manner(silent=True), "is slow": Manner(pause=5.0), "drips": Manner(drip=0.5)}
DAEMONS = ("beanstalkd", "postoffice", "worker-1")


@dataclass
class Measured:
    """By half of a round: `rates` in letters a second, `cpu` in seconds of worker and postoffice for a letter. `times`
    of all paced letters, in seconds."""

    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def by_round(self) -> list[float]:
        """The rate of each round, of two halves."""
        halves = zip(self.rates[::2], self.rates[1::2], strict=True)
        return [2 / (1 / first + 1 / second) for first, second in halves]

    def percentile(self, percent: int) -> float:
        """Of the times, in milliseconds."""
        return 1000 * quantiles(self.times, n=100, method="inclusive")[percent - 1]

    def row(self, what: str) -> str:
        """One line of the table."""
        times = f"p50 {self.percentile(50):6.1f} ms   p99 {self.percentile(99):6.1f} ms"
        return (
            f"{what:30} {median(self.rates):6.0f} letters/s   {times}   {1e6 * median(self.cpu):4.0f} us CPU a letter"
        )


def queue_tarpits(host: Host, count: int) -> None:
    """Queue so many letters for the tarpit."""
    with running(host, "beanstalkd", "postoffice"):
        for start in range(0, count, 1000):
            some = range(start, min(count, start + 1000))
            host.http.batch([Post((f"reader{one}@tarpit.example",), BODY) for one in some])


@contextmanager
def running(host: Host, *names: str) -> Iterator[None]:
    """These run, and end in order."""
    host.start(*names)
    yield
    for name in reversed(names):
        host.thaw(name)
        host[name].stop(60)


def cpu(host: Host, *names: str) -> float:
    """Seconds of CPU that these have used."""
    ticks = 0
    for name in names:
        after_name = Path(f"/proc/{host[name].pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(after_name[11]) + int(after_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def load(host: Host, far: Crowd, name: str, into: Measured) -> None:
    """As many as go through."""
    names, domains = ("worker-1", "postoffice"), list(OTHERS)
    used, started = cpu(host, *names), time.monotonic()
    for start in range(0, LOAD, 100):
        some = range(start, min(LOAD, start + 100))
        host.http.batch([Post((f"{name}{one}@{domains[one % len(domains)]}",), BODY) for one in some])
    until("the load", lambda: len(far.came) >= LOAD, seconds=300, pause=0.005)
    into.rates.append(LOAD / (max(far.came.values()) - started))
    into.cpu.append((cpu(host, *names) - used) / LOAD)


def paced(host: Host, far: Crowd, name: str, into: Measured) -> None:
    """One after the other, at leisure."""
    sent: dict[str, float] = {}
    domains, began = list(OTHERS), time.monotonic()
    for one in range(PACED):
        time.sleep(max(0.0, began + one * EVERY - time.monotonic()))
        rcptto = f"{name}{one}@{domains[one % len(domains)]}"
        host.http.batch([Post((rcptto,), BODY)])
        sent[rcptto] = time.monotonic()
    until("the paced letters", lambda: sent.keys() <= far.came.keys(), seconds=60, pause=0.02)
    into.times += [max(0.0, far.came[rcptto] - at) for rcptto, at in sent.items()]


def play(host: Host, far: Crowd, name: str, into: Measured) -> None:
    """One host's half of a round."""
    with awake(host):
        for part in (load, paced):
            part(host, far, f"{name}-{part.__name__}", into)
            far.forget()


@contextmanager
def awake(host: Host) -> Iterator[None]:
    """Its processes run, for so long."""
    for name in DAEMONS:
        host.thaw(name)
    time.sleep(0.2)  # what has waited meanwhile is none of the load's
    try:
        yield
    finally:
        for name in reversed(DAEMONS):
            host.freeze(name)


def compare(hosts: tuple[Host, Host], far: Crowd, tarpit: Crowd, kind: str) -> bool:
    """The rounds with one kind of tarpit; whether the bar is met."""
    tarpit.manner = KINDS[kind]
    measured = Measured(), Measured()
    mark = kind.rpartition(" ")[2]
    with running(hosts[0], *DAEMONS), running(hosts[1], *DAEMONS):
        until("the tarpit to hold connections", lambda: tarpit.open >= 5)
        for host, into in zip(hosts, (Measured(), Measured()), strict=True):
            for name in DAEMONS:
                host.freeze(name)
            play(host, far, f"{mark}warm", into)
        for number in range(TIMES * ROUNDS):
            if number and number % ROUNDS == 0 and shortcoming(*measured) == "":
                break
            # In this order what grows or fades meanwhile, on the machine, counts for both alike.
            for turn, one in enumerate((0, 1, 1, 0)):
                play(hosts[one], far, f"{mark}{number}-{turn}", measured[one])
    alone, beside = measured
    print(alone.row("alone"))
    print(beside.row(f"beside a tarpit that {kind}"))
    wrong = shortcoming(alone, beside)
    later = beside.percentile(99) - alone.percentile(99)
    print(f"{'':30} {share(alone, beside):6.1f} % of the rate, p99 {later:+.1f} ms: {wrong or 'met'}", flush=True)
    return not wrong


def share(alone: Measured, beside: Measured) -> float:
    """What is left of the rate, in percent."""
    return 100 * median(there / here for there, here in zip(beside.by_round(), alone.by_round(), strict=True))


def shortcoming(alone: Measured, beside: Measured) -> str:
    """How the bar is not met; "" where it is."""
    slower = share(alone, beside) < BAR
    later = beside.percentile(99) - alone.percentile(99) >= 1000 * LATER
    words = [f"at least {BAR} %"] * slower + [f"less than {1000 * LATER:.0f} ms later"] * later
    return f"NOT MET ({' and '.join(words)})" if words else ""


def fairness(world: World) -> bool:
    """Play it, and print; whether the bar is met."""
    world.dns(mx("tarpit.example", TARPIT), *(mx(domain, address) for domain, address in OTHERS.items()))
    hosts = []
    for number, name in enumerate(("alone", "beside")):
        port = POSTOFFICE_PORT + number
        host = Host(world.directory / name, postoffice={"listen": [f"127.0.0.1:{port}"]}, worker={"stop_time": "2s"})
        host.http = replace(host.http, port=port)
        world.at_end(host.close)
        hosts.append(host)
    far, tarpit = Crowd(tuple(OTHERS.values())), Crowd((TARPIT,))
    world.at_end(far.close)
    world.at_end(tarpit.close)
    began = time.monotonic()
    queue_tarpits(hosts[1], LETTERS)
    print(f"{LETTERS} letters queued for the tarpit in {time.monotonic() - began:.0f} s", flush=True)
    met = [compare((hosts[0], hosts[1]), far, tarpit, kind) for kind in KINDS]
    return all(met)


def limits(world: World) -> bool:
    """Play it, and print; whether all hold."""
    findings = play_limits(world, seconds=LIMITS, kill_every=1.0)
    for finding in findings:
        print(finding.row(), flush=True)
    return all(finding.holds for finding in findings)


def in_a_world(measure: Callable[[World], bool]) -> bool:
    """In a namespace of its own."""
    network = Network()
    with tempfile.TemporaryDirectory(prefix="hedwig-bench-") as folder:
        world = World(network, Path(folder))
        try:
            return measure(world)
        finally:
            world.close()
            network.close()


def main() -> None:
    """All of it."""
    met = in_a_world(fairness)
    if LIMITS:
        met = in_a_world(limits) and met
    if not met:
        sys.exit("the bar is not met")


if __name__ == "__main__":
    main()
