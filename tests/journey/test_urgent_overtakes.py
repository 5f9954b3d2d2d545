"""A password reset overtakes the newsletters that wait for the same receiver."""

import threading

from hedwig.spool import State
from hedwig.spool.sqlite import open_spool

from .farside import Rule
from .submit import SAMPLE, Post
from .waiting import until
from .world import World, mx

LETTERS = 3_000
CONNECTIONS = 5  # that a worker has at first to one receiver
BODY = SAMPLE.replace(b"\n", b"\r\n")


def bulk(count: int) -> list[Post]:
    return [Post((f"reader{number}@163.com",), BODY, options={"priority": "bulk"}) for number in range(count)]


def test_a_password_reset_overtakes_3000_newsletters(world: World) -> None:
    """All connections to the receiver are busy with bulk, the queue is full of hints about bulk, and the worker holds
    as much of it as it may. A letter with `Hedwig-Priority: urgent` is the next on one of these connections."""
    world.dns(mx("163.com", "192.0.2.1"))
    go_on = threading.Event()
    far = world.far("192.0.2.1", Rule("dot", to="reader", hold=go_on))
    host = world.host().start()
    host.http.batch(bulk(LETTERS))
    until("all connections busy", lambda: len(far.said("DATA")) == CONNECTIONS)
    queue_id = world.msmtp.send(b"Hedwig-Priority: urgent\n" + SAMPLE, "stenote@163.com")
    spool = open_spool(str(host.spool), create=False)
    until("the claim", lambda: spool.queued(queue_id)[0][0].state is State.ACTIVE)
    spool.close()
    assert not far.copies()
    go_on.set()
    until("the password reset", lambda: far.has("stenote@163.com"))
    before = [letter.rcpttos[0] for letter in far.accepted()].index("stenote@163.com")
    print(f"{before} letters before it, of {LETTERS}")
    assert before < 3 * CONNECTIONS, "those under way, and what began beside it"
    assert "Hedwig-Priority" not in far.accepted()[before].header
    until("all letters", lambda: len(far.copies()) == LETTERS + 1, seconds=90)
    assert set(far.copies().values()) == {1}


def test_a_client_whose_mail_is_bulk_waits_for_normal_mail(world: World) -> None:
    """The client's policy says bulk; a normal letter of it passes, and all arrive."""
    world.dns(mx("163.com", "192.0.2.1"))
    go_on = threading.Event()
    far = world.far("192.0.2.1", Rule("dot", to="reader", hold=go_on))
    host = world.host()
    client = host.config / "clients.d" / f"{host.http.fqdn}.yml"
    client.write_text(client.read_text() + "priority: bulk\n")
    host.start("beanstalkd", "postoffice", "worker-1")
    host.http.batch([Post((f"reader{number}@163.com",), BODY) for number in range(300)])
    until("all connections busy", lambda: len(far.said("DATA")) == CONNECTIONS)
    [queue_id] = host.http.batch([Post(("stenote@163.com",), BODY, options={"priority": "normal"})])
    spool = open_spool(str(host.spool), create=False)
    until("the claim", lambda: spool.queued(queue_id)[0][0].state is State.ACTIVE)
    spool.close()
    go_on.set()
    until("all letters", lambda: len(far.copies()) == 301)
    assert [letter.rcpttos[0] for letter in far.accepted()].index("stenote@163.com") < 3 * CONNECTIONS
