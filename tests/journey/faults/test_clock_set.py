"""The clock is set an hour forward, or back, while mail is on its way: nothing expires, nothing is lost or doubled,
what was put off is tried in time, and the history reads as it happened."""

import threading

import pytest

from hedwig import queueid

from ..farside import Rule
from ..submit import SAMPLE, Post
from ..waiting import until
from ..world import HOME, World, mx
from .clock import WallClock
from .machine import LETTER, Machine, machine, once_each

HOUR = 3600
SLOW = {"retry": {"schedule": ["8s"], "jitter": "0%"}}
DREADED = ("in doubt", "expired", "watchdog", "no longer ours", "Traceback", "delay=-", "waited=-")


def clocked(world: World, clock: WallClock) -> Machine:
    """A host all of whose daemons live by that clock."""
    host = machine(world, worker=SLOW)
    for name in ("beanstalkd", "mailman", "postoffice", "worker"):
        host.before[name] = clock.command
    return host


def nothing_dreadful(host: Machine) -> None:
    told = "\n".join(process.words() for process in host.processes.values())
    assert [word for word in DREADED if word in told] == []


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_under_way(world: World, step: int) -> None:
    """Letters that are being sent, that are put off, and new ones: the next try of those that are put off is some
    seconds away, and not an hour."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    home = world.far(HOME)
    gate = threading.Event()
    far.add(Rule("dot", to="held", hold=gate))
    far.add(Rule("rcpt", "450 4.2.0 later", to="grey", times=5))
    clock = WallClock(world.directory)
    host = clocked(world, clock).start()
    counts = {"held": 3, "grey": 5}  # five connections at first: some are left for those that are put off
    ids = host.http.batch([Post((f"{name}{n}@163.com",), LETTER) for name in counts for n in range(counts[name])])
    until("dots", lambda: len(far.said("DATA")) >= 3)
    until("deferrals", lambda: host.listed().count("450 4.2.0") == 5)
    clock.set(step)
    ids += host.http.batch([Post((f"new{number}@163.com",), LETTER) for number in range(20)])
    ids += [world.msmtp.send(SAMPLE, "via@163.com")]
    gate.set()
    once_each(host, far, 29)
    assert home.letters == []  # no warning, no bounce
    assert len(set(ids)) == len(ids) and all(queueid.is_valid(queue_id) for queue_id in ids)
    story = host.history(ids[3])
    assert story.index("accepted") < story.index("deferred") < story.index("delivered")
    nothing_dreadful(host)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_while_it_waits_at_mailman(world: World, step: int) -> None:
    """The postoffice is down, and the clock is set: what was taken before and after goes on as soon as it is back."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    clock = WallClock(world.directory)
    host = clocked(world, clock).start("beanstalkd", "worker-1", "mailman")
    before = world.msmtp.send(SAMPLE, "before@163.com")
    until("an offer in vain", lambda: "deferred" in host.try_hedwig("queue", "show", before)[1])
    clock.set(step)
    world.msmtp.send(SAMPLE, "after@163.com")
    host.start("postoffice")
    once_each(host, far, 2)
    nothing_dreadful(host)
