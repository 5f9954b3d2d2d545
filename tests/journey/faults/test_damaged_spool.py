"""The spool's file is damaged: daemons refuse it with a clear sentence, and the procedure of hedwig(1) puts a new one
in its place, with all the mail that hangs together; nothing is lost in silence, nothing is sent twice (I1, I4)."""

import random
import sqlite3
from pathlib import Path

from ..farside import Rule
from ..process import Process
from ..submit import SAMPLE, Post, sample_email
from ..waiting import until
from ..world import World, mx
from .machine import LETTER, Machine, machine, once_each

SAYS = "is damaged, or no spool at all"
DO = "stop hedwig's daemons and run `hedwig spool salvage`"
PAGE = 4096


def overwrite(file: Path, place: int, octets: int = PAGE) -> None:
    """Noise into the middle of a file, under the feet of whoever has it open."""
    with file.open("r+b") as opened:
        opened.seek(place)
        opened.write(random.Random(place).randbytes(octets))


def page_of(spool: Path, name: str, kind: str) -> int:
    """Where a page of this table or index begins in the file."""
    db = sqlite3.connect(spool)
    [page] = db.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = ? LIMIT 1", (name, kind)).fetchone()
    db.close()
    return (page - 1) * PAGE


def refuses(host: Machine, name: str, spool: Path) -> None:
    """A daemon ends, or waits, with that sentence."""
    process = host.processes.setdefault(name, Process(name, host.command(name), host.directory / f"{name}.log"))
    process.start()
    until(f"a sentence of {name}", lambda: f"{spool} {SAYS}" in process.words() and DO in process.words())
    if name.startswith("worker"):
        assert process.stop() == 0  # it waits for a spool that it can use
    else:
        assert process.wait() == 1


def test_the_postoffices(world: World) -> None:
    """A page in the middle of the file is noise. Afterwards: one letter is set aside, and all others arrive once."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    far.add(Rule("rcpt", "450 4.2.0 later", to="grey", times=10))
    host = machine(world).start("beanstalkd", "postoffice", "worker-1")
    large = LETTER + b"A line that makes it longer.\r\n" * 1000
    host.http.batch([Post((f"{name}{number}@163.com",), LETTER) for name in ("gone", "grey") for number in range(10)])
    until("deliveries and deferrals", lambda: len(far.copies()) == 10 and host.listed().count("450 4.2.0") == 10)
    host["worker-1"].stop()
    host.http.batch([Post((f"user{number}@163.com",), LETTER) for number in range(100)])
    host.http.batch([Post(("large@163.com",), large)])
    host["postoffice"].stop()
    for name in ("messages_by_queue_id", "bodies"):
        overwrite(host.spool, page_of(host.spool, name, "leaf" if name != "bodies" else "overflow"))
    refuses(host, "postoffice", host.spool)
    refuses(host, "worker-1", host.spool)
    status, said = host.try_hedwig("spool", "salvage")  # as hedwig(1) has it
    assert status == 0, said
    assert "salvaged, with 110 recipients of 110 messages" in said
    assert "its body is not whole" in said and "large@163.com" in said
    [folder] = host.spool.parent.glob("spool.db.salvage-*")
    assert len(list(folder.glob("*.eml"))) == 1 and (folder / "damaged.db").exists()
    host.start("postoffice", "worker-1")
    once_each(host, far, 120)
    assert host.http.form(sample_email("after@163.com"))[0] == 200
    once_each(host, far, 121)
    assert "nothing is wrong with it" in salvage_again(host)


def salvage_again(host: Machine) -> str:
    for name in ("postoffice", "worker-1"):
        host[name].stop()
    return host.hedwig("spool", "salvage")


def test_the_log_of_the_postoffice(world: World) -> None:
    """It is killed, and its log is damaged in its middle. SQLite would drop what is behind that."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = machine(world).start("beanstalkd", "postoffice")
    for number in range(20):
        host.http.batch([Post((f"user{number}@163.com",), LETTER)])
    host["postoffice"].kill()
    log = host.spool.with_name("spool.db-wal")
    overwrite(log, log.stat().st_size // 2, 50)
    refuses(host, "postoffice", host.spool)
    assert "spool.db-wal is damaged at frame" in host["postoffice"].words()
    assert "salvaged, with 20 recipients of 20 messages" in host.hedwig("spool", "salvage")
    host.start("postoffice", "worker-1")
    once_each(host, far, 20)


def test_mailmans(world: World) -> None:
    """The file is cut off while the postoffice is down and mailman has been killed."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = machine(world).start("beanstalkd", "worker-1", "mailman")
    spool = host.directory / "mailman" / "spool.db"
    for number in range(3):
        world.msmtp.send(SAMPLE, f"user{number}@163.com")
    host["mailman"].stop()
    with spool.open("r+b") as file:
        file.truncate(spool.stat().st_size - PAGE)
    refuses(host, "mailman", spool)
    host.hedwig("spool", "salvage")
    host.start("mailman", "postoffice")
    once_each(host, far, 3)


def test_while_they_run(world: World) -> None:
    """The file breaks under the daemons' feet: what was there may still go, and from then on nothing new is taken."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = machine(world).start("beanstalkd", "postoffice")
    host.http.batch([Post((f"user{number}@163.com",), LETTER) for number in range(50)])
    host["postoffice"].stop()
    host.start("postoffice")
    place = page_of(host.spool, "seen_by_name", "leaf")
    overwrite(host.spool, place)

    def refused() -> bool:
        status, told = host.http.form(sample_email("refused@163.com"))
        return status == 503 and SAYS.encode() in told

    until("a refusal", refused)
    assert host["postoffice"].alive and not host.http.healthy()
    until("the log", lambda: f"{host.spool} {SAYS}" in host["postoffice"].words())
    queue_id = kept_by_mailman(world, host)
    host["postoffice"].stop()
    host["mailman"].stop()
    assert "salvaged, with 50 recipients of 50 messages" in host.hedwig("spool", "salvage")
    host.start("postoffice", "mailman", "worker-1")
    until("the letter that waited at mailman", lambda: far.has("via@163.com"))
    assert "delivered" in host.history(queue_id)
    once_each(host, far, 51)


def kept_by_mailman(world: World, host: Machine) -> str:
    host.start("mailman")
    queue_id = world.msmtp.send(SAMPLE, "via@163.com")
    until("its reason", lambda: SAYS in " ".join(host.try_hedwig("spool")[1].split()))
    return queue_id
