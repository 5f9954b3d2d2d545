"""The disk has I/O errors: what got a 250 is there whatever happens then, and nothing is sent that can't be recorded.

After a failed fsync nobody knows what is on the disk. So each test ends with a look by processes that know only that.
"""

import threading

import pytest

from ..farside import Rule
from ..submit import SAMPLE, Post, sample_email
from ..waiting import until
from ..world import World, mx
from .machine import LETTER, Machine, machine, once_each
from .syscalls import READING, SYNCING, WRITING, failing, wal_of


@pytest.mark.parametrize("calls", [SYNCING, WRITING])
def test_postoffice_commits(world: World, calls: str) -> None:
    """503 and 451 while it lasts, 200 afterwards. Everything is killed in the middle of it: what got a 250 is there."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = machine(world).start("beanstalkd", "postoffice")
    host.http.batch([Post((f"before{number}@163.com",), LETTER) for number in range(20)])
    with failing(host["postoffice"], calls, "EIO", wal_of(host.spool)):
        status, told = host.http.form(sample_email("refused@163.com"))
        assert status == 503 and b"I/O error" in told
        verdicts = host.http.verdicts([Post((f"refused{number}@163.com",), LETTER) for number in range(20)])
        assert {verdict["code"] for verdict in verdicts} == {451}
        assert not host.http.healthy()
    assert host.http.form(sample_email("between@163.com"))[0] == 200
    assert host.http.healthy()
    with failing(host["postoffice"], calls, "EIO", wal_of(host.spool)):
        assert host.http.form(sample_email("refused@163.com"))[0] == 503
        host["postoffice"].kill()
    host.start("postoffice", "worker-1")
    once_each(host, far, 21)


def test_checkpoints(world: World) -> None:
    """The file itself can't be written: mail goes on by way of the WAL, and nothing of it is lost in a crash."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = machine(world).start("beanstalkd", "postoffice")
    large = LETTER + b"A line that makes it longer.\r\n" * 3000
    with failing(host["postoffice"], f"{WRITING},{SYNCING}", "EIO", host.spool):
        for lot in range(10):  # 9 MB: moved every 4
            host.http.batch([Post((f"user{lot}{number}@163.com",), large) for number in range(10)])
        host["postoffice"].kill()
    host.start("postoffice", "worker-1")
    once_each(host, far, 100)


@pytest.mark.parametrize("calls", [SYNCING, WRITING])
def test_outcomes(world: World, calls: str) -> None:
    """What was delivered meanwhile is recorded as soon as that works, and not sent again."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    gate = threading.Event()
    far.add(Rule("dot", hold=gate))
    host = machine(world).start("beanstalkd", "postoffice", "worker-1")
    host.http.batch([Post((f"user{number}@163.com",), LETTER) for number in range(5)])
    until("dots", lambda: len(far.said("DATA")) == 5)
    with failing(host["worker-1"], calls, "EIO", wal_of(host.spool)):
        gate.set()
        until("the alert", lambda: "outcomes can't be written" in words(host))
        host.http.batch([Post((f"user{number}@163.com",), LETTER) for number in range(5, 20)])
    once_each(host, far, 20)
    assert "in doubt" not in words(host)


def words(host: Machine) -> str:
    return host["worker-1"].words()


def test_dot_marks(world: World) -> None:
    """No mark can be written, so no dot goes out: the letter is put off, and goes once afterwards (I5)."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = machine(world).start("beanstalkd", "postoffice", "worker-1")
    with failing(host["worker-1"], WRITING, "EIO", host.directory / "dots" / "1.dots"):
        queue_id = host.http.batch([Post(("user@163.com",), LETTER)])[0]
        until("a deferral", lambda: "deferred" in host.history(queue_id))
        assert far.letters == []
    once_each(host, far, 1)


def test_reading(world: World) -> None:
    """Bodies and envelopes can't be read: mail waits, and nobody is told that it failed (I8)."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    gate = threading.Event()
    far.add(Rule("data", to="", hold=gate, times=1))
    host = machine(world).start("beanstalkd", "postoffice", "worker-1")
    large = LETTER + b"A line that makes it longer.\r\n" * 100_000  # read when its turn has come
    host.http.batch([Post(("large@163.com",), large)])
    until("the large letter's turn", lambda: far.said("DATA"))
    with failing(host["worker-1"], READING, "EIO", host.spool, wal_of(host.spool)):
        gate.set()
        host.http.batch([Post((f"user{number}@163.com",), LETTER) for number in range(20)])
        until("a complaint", lambda: "I/O error" in words(host))
    once_each(host, far, 21)


def test_mailman(world: World) -> None:
    """The postoffice is down, and this host's disk fails: 451 4.3.0; what got a 250 is there, and goes."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = machine(world).start("beanstalkd", "worker-1", "mailman")
    world.msmtp.send(SAMPLE, "user0@163.com")
    spool = host.directory / "mailman" / "spool.db"
    with failing(host["mailman"], SYNCING, "EIO", wal_of(spool)):
        status, said = world.msmtp.begin(SAMPLE, "refused@163.com").end()
        assert status and "451 4.3.0" in said
    world.msmtp.send(SAMPLE, "user1@163.com")
    with failing(host["mailman"], SYNCING, "EIO", wal_of(spool)):
        assert world.msmtp.begin(SAMPLE, "refused@163.com").end()[0]
        host["mailman"].kill()
    host.start("mailman", "postoffice")
    once_each(host, far, 2)
