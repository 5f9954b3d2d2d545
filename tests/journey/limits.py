"""Four workers, receivers with limits, and what the receivers counted while workers are killed and started again.

Each of the receivers has two sites: domains with MX hosts of their own, on addresses of their own, under one entry of
worker.yml's `sites`.
"""

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

from .crowd import Crowd, Manner
from .host import Host
from .submit import SAMPLE, Post
from .waiting import until
from .world import World

WORKERS = tuple(f"worker-{number}" for number in range(1, 5))
BODY = SAMPLE.replace(b"\n", b"\r\n")
CONNECTIONS, MESSAGES, RECIPIENTS, PER_MINUTE, DIALS = 6, 5, 3, 30, 20


@dataclass(frozen=True)
class Finding:
    """What a receiver counted. `least`: less would mean that nothing was put to the test."""

    what: str
    limit: int
    seen: int
    least: int = 0

    @property
    def holds(self) -> bool:
        """Whether the limit was kept, and reached."""
        return self.least <= self.seen <= self.limit

    def row(self) -> str:
        """One line of a table."""
        verdict = "holds" if self.holds else f"DOES NOT HOLD (at least {self.least} were to be seen)"
        return f"{self.what:58} limit {self.limit:4}   seen {self.seen:4}   {verdict}"


@dataclass
class Partner:
    """A receiver of two sites, NAME1.example and NAME2.example."""

    name: str
    number: int  # of its addresses
    rule: dict[str, Any]
    manner: Manner = field(default_factory=Manner)

    @property
    def domains(self) -> tuple[str, str]:
        """Its recipient domains."""
        return f"{self.name}1.example", f"{self.name}2.example"

    @property
    def addresses(self) -> tuple[str, str]:
        """Its MX hosts'."""
        return f"192.0.2.{self.number}", f"192.0.2.{self.number + 1}"

    @property
    def records(self) -> str:
        """Its zone lines."""
        lines = []
        for place, (domain, address) in enumerate(zip(self.domains, self.addresses, strict=True)):
            host = f"h{place}.mx.{self.name}.example."
            lines += [f"{domain}. MX 10 {host}", f"{host} A {address}"]
        return "\n".join(lines) + "\n"

    @property
    def site(self) -> dict[str, Any]:
        """Its entry of `sites`."""
        return {"mx": [f".mx.{self.name}.example"], **self.rule}


def partners() -> tuple[Partner, Partner, Partner]:
    """One for each kind of limit."""
    at_once = {"connections": CONNECTIONS, "messages_per_connection": MESSAGES, "recipients": RECIPIENTS}
    return (
        Partner("busy", 30, at_once, Manner(dot=0.03)),
        Partner("slow", 40, {"per_minute": PER_MINUTE}),
        Partner("rare", 50, {"connections_per_minute": DIALS, "messages_per_connection": 2}),
    )


def letters(partner: Partner, count: int) -> list[Post]:
    """To one or several of its recipients, by turns at each of its domains and at both."""
    found = []
    for number in range(count):
        one, two = partner.domains
        whom = [(f"a{number}@{one}",), (f"b{number}@{two}",), tuple(f"c{number}-{each}@{one}" for each in range(7))]
        found.append(Post(whom[number % 3], BODY))
    return found


def play(world: World, seconds: float, kill_every: float) -> list[Finding]:
    """What was counted in so many seconds."""
    busy, _, _ = all_of_them = partners()
    world.dns(*(each.records for each in all_of_them))
    fars = {each.name: Crowd(each.addresses, each.manner) for each in all_of_them}
    for far in fars.values():
        world.at_end(far.close)
    host = world.host(worker={"sites": {each.name: each.site for each in all_of_them}})
    host.start("beanstalkd", "postoffice", *WORKERS)
    counts = {"busy": int(40 * seconds), "slow": int(3 * seconds), "rare": int(10 * seconds)}
    for partner in all_of_them:
        host.http.batch(letters(partner, counts[partner.name]))
    _kill_for(host, seconds, kill_every)
    far = fars["busy"]
    findings = [
        Finding("busy: connections at a time", CONNECTIONS, max(far.most_open.values()), CONNECTIONS),
        Finding("busy: messages of a connection", MESSAGES, max(call.messages for call in far.calls), MESSAGES),
        Finding("busy: recipients of a transaction", RECIPIENTS, max(len(each.rcpttos) for each in far.carried), 2),
    ]
    far = fars["slow"]
    # A twentieth at once, and then one each time that the others would be spread over a minute.
    least = int(0.6 * PER_MINUTE * min(seconds, 60.0) / 60)
    findings.append(Finding("slow: messages in any minute", PER_MINUTE, far.most_in(60.0), least))
    findings.append(Finding("slow: messages in any 20 s", PER_MINUTE // 3 + 1, far.most_in(20.0), 5))
    far = fars["rare"]
    least = int(0.6 * DIALS * min(seconds, 60.0) / 60)
    findings.append(Finding("rare: connections in any minute", DIALS, far.most_calls_in(60.0), least))
    findings.append(Finding("rare: connections in any 20 s", DIALS // 3 + 1, far.most_calls_in(20.0), 3))
    wanted = {rcptto for post in letters(busy, counts["busy"]) for rcptto in post.rcpttos}
    until("all of the busy one's letters", lambda: wanted <= fars["busy"].came.keys(), seconds=120, pause=0.1)
    return findings


def _kill_for(host: Host, seconds: float, every: float) -> None:
    """One worker after the other dies, and is there again; by turns with SIGKILL and with SIGTERM."""
    end = time.monotonic() + seconds
    for number, name in enumerate(itertools.cycle(WORKERS)):
        time.sleep(min(every, max(0.0, end - time.monotonic())))
        if time.monotonic() >= end:
            return
        if number % 2:
            host[name].stop()
        else:
            host[name].kill()
        host.start(name)
