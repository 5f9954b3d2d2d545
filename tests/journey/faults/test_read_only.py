"""The disk is read-only, as the kernel makes it after errors: nothing new is taken, nothing is lost, and all goes on
once it can be written (I8)."""

import threading

from ..farside import Rule
from ..process import Process
from ..submit import SAMPLE, Post, sample_email
from ..waiting import until
from ..world import World, mx
from .disk import Disk
from .machine import LETTER, machine, once_each
from .syscalls import WRITING, failing, wal_of

SIZE = 32 << 20
READ_ONLY = "is read-only here: see whether its disk is mounted read-only"


def test_while_they_run(world: World) -> None:
    """Postoffice: 503, and mailman keeps what it gets. Then the worker: outcomes wait. Each goes on by itself."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    gate = threading.Event()
    far.add(Rule("dot", hold=gate))
    host = machine(world).start()
    host.http.batch([Post((f"user{number}@163.com",), LETTER) for number in range(5)])
    until("dots", lambda: len(far.said("DATA")) == 5)
    with failing(host["postoffice"], WRITING, "EROFS", host.spool, wal_of(host.spool)):
        status, told = host.http.form(sample_email("refused@163.com"))
        assert status == 503 and b"is it read-only" in told
        world.msmtp.send(SAMPLE, "user5@163.com")
    with failing(host["worker-1"], WRITING, "EROFS", host.spool, wal_of(host.spool)):
        gate.set()
        until("the alert", lambda: "outcomes can't be written" in host["worker-1"].words())
    once_each(host, far, 6)


def test_at_the_start(world: World) -> None:
    """All say what is wrong, the operator's command too; what they kept goes as soon as the disk can be written."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = machine(world)
    disks = [Disk(host.spool.parent, SIZE), Disk(host.directory / "mailman", SIZE)]
    for disk in disks:
        world.at_end(disk.close)
    host.start("beanstalkd", "postoffice", "mailman")
    host.http.batch([Post((f"user{number}@163.com",), LETTER) for number in range(5)])
    host["postoffice"].kill()
    world.msmtp.send(SAMPLE, "user5@163.com")
    host["mailman"].kill()
    for disk in disks:
        disk.read_only()
    host["postoffice"].start()
    worker = host.processes["worker-1"] = Process("worker-1", host.command("worker-1"), host.directory / "worker-1.log")
    worker.start()
    for name in ("postoffice", "worker-1"):
        until(f"a word of {name}", lambda name=name: f"{host.spool} is read-only here" in host[name].words())
    host.start("mailman")
    assert world.msmtp.begin(SAMPLE, "refused@163.com").end()[0]
    assert "is read-only here: see whether its disk is mounted read-only" in host.try_hedwig("queue")[1]
    for disk in disks:
        disk.read_only(False)
    once_each(host, far, 6)
