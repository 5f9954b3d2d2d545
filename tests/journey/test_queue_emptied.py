"""beanstalkd is killed and comes back empty: it carried hints only, so nothing is lost and nothing doubled (I2)."""

import threading

from .farside import Rule
from .host import Host
from .submit import SAMPLE, Post, sample_email
from .waiting import until
from .world import World, mx

LETTERS = 1000


def all_exactly_once(host: Host, world: World) -> None:
    """Every letter arrived, and is queued no more."""
    far = world.fars[0]
    until("all letters", lambda: len(far.copies()) == LETTERS, seconds=60)
    until("an empty queue", lambda: "@163.com" not in host.listed())
    assert set(far.copies().values()) == {1}


def post(host: Host) -> None:
    """1,000 letters, each to another recipient."""
    host.http.batch([Post((f"user{number}@163.com",), SAMPLE.replace(b"\n", b"\r\n")) for number in range(LETTERS)])


def test_killed_before_the_worker_starts(world: World) -> None:
    """1,000 queued; the hints are all gone before anyone took one."""
    world.dns(mx("163.com", "192.0.2.1"))
    world.far("192.0.2.1")
    host = world.host().start("beanstalkd", "postoffice")
    post(host)
    host["beanstalkd"].kill()
    host.start("beanstalkd", "worker-1", "worker-2")
    all_exactly_once(host, world)


def test_killed_in_the_middle_of_delivery(world: World) -> None:
    """Two workers are at it when the queue goes; they go on when it is back."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    gate = threading.Event()
    far.add(Rule("dot", to="user5", hold=gate))
    host = world.host().start("beanstalkd", "postoffice", "worker-1", "worker-2")
    post(host)
    until("some letters", lambda: len(far.copies()) > LETTERS // 10)
    host["beanstalkd"].kill()
    gate.set()
    host.start("beanstalkd")
    all_exactly_once(host, world)


def test_postoffice_takes_mail_while_the_queue_is_down(world: World) -> None:
    """No beanstalkd at all: still 200, and delivered once it is there."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start("postoffice")
    assert host.http.form(sample_email("b@163.com"))[0] == 200
    host.start("beanstalkd", "worker-1")
    until("the letter", far.accepted)
