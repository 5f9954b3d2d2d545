"""The disk becomes full under the daemons' feet: who sends hears "not now", nothing that was taken is lost or sent
twice, and all goes on by itself once there is room (I1, I4, I8)."""

import json
import threading
from pathlib import Path

from hedwig.spool.reserve import SETTLED, Reserve
from hedwig.spool.sqlite import open_spool

from ..farside import Rule
from ..network import tool
from ..submit import SAMPLE, Post, Talk, sample_email
from ..waiting import until
from ..world import World, mx
from .disk import Disk
from .machine import LETTER, Machine, machine, once_each

MIB = 1 << 20
LARGE = b"Subject: large\n\n" + (b"y" * 70 + b"\n") * 40_000  # 2.8 MB: on its way it lies in a file
FULL = "free some space, it goes on by itself"


def nothing_is_left(host: Machine, spool: Path) -> None:
    """No recipient waits, and no octet of a body lies there: neither of a letter nor of half a one."""
    until("an empty queue", lambda: "@163.com" not in host.listed())
    look = open_spool(str(spool), create=False)
    until("no leftovers", lambda: look.used() == 0)
    look.close()


def talk(rcptto: str, lines: bytes) -> Talk:
    """An SMTP session up to the first half of a letter."""
    client = Talk()
    client.reply()
    client.say("EHLO c.example")
    begin(client, rcptto)
    client.socket.sendall(lines)
    return client


def begin(client: Talk, rcptto: str) -> None:
    for line, code in (("MAIL FROM:<a@robot.genee.cn>", "250"), (f"RCPT TO:<{rcptto}>", "250"), ("DATA", "354")):
        assert client.say(line).startswith(code)


def age(spool: Path) -> None:
    """As if its daemons had run for a while: the reserve is there."""
    times = iter([0.0, SETTLED])
    Reserve(str(spool), lambda: next(times)).keep()


def refused(host: Machine) -> None:
    """What the postoffice says by each of its ways in, to small and large letters."""
    for letter in (SAMPLE, LARGE):
        status, told = host.http.form({**sample_email("refused@163.com"), "data": letter.decode()})
        said = json.loads(told)
        assert (status, said["status"]) == (503, "4.3.1") and FULL in said["error"]
    verdicts = host.http.verdicts([Post(("refused@163.com",), LETTER)] * 2)
    assert [(verdict["code"], verdict["status"]) for verdict in verdicts] == [(451, "4.3.1")] * 2
    status, told = host.http.request("GET", "/healthz")
    assert status == 503 and json.loads(told)["status"] == "trouble"


def test_postoffice(world: World) -> None:
    """Letters are refused for now, or wait at mailman; outcomes of what is under way are written all the same, and what
    waits is delivered; afterwards the rest is, once each."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    gate = threading.Event()
    far.add(Rule("dot", to="held", hold=gate))
    host = machine(world)
    disk = Disk(host.spool.parent, 32 * MIB)
    world.at_end(disk.close)
    host.start()
    posts = [Post((f"{name}{number}@163.com",), LETTER) for name in ("user", "held") for number in range(30)]
    host.http.batch(posts)
    until("dots", lambda: len(far.copies()) == 30 and len(far.said("DATA")) >= 35)
    age(host.spool)
    disk.fill()
    refused(host)
    later = world.msmtp.send(SAMPLE, "later@163.com")
    assert "451 4.3.1" in until("the reason", lambda: reason(host, later))
    gate.set()
    until("an end of what was there", lambda: "postoffice" in host.listed() and "held" not in host.listed())
    assert disk.left < 2 * MIB
    disk.free()
    until("the letter that waited at mailman", lambda: far.has("later@163.com"))
    assert host.http.form(sample_email("after@163.com"))[0] == 200
    until("health", host.http.healthy)
    once_each(host, far, 62)
    nothing_is_left(host, host.spool)


def reason(host: Machine, queue_id: str) -> str:
    """Why it waits at mailman, once that is known."""
    told = host.history(queue_id)
    return told if "deferred" in told else ""


def test_outcomes_wait(world: World) -> None:
    """There is no reserve: outcomes wait in the worker, which sends nothing new meanwhile and doesn't end before they
    are written; nothing goes out twice."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    gate = threading.Event()
    far.add(Rule("dot", hold=gate))
    host = machine(world)
    disk = Disk(host.spool.parent, 32 * MIB)
    world.at_end(disk.close)
    host.start("beanstalkd", "postoffice", "worker-1")
    letter = LETTER + b"A line that makes it longer.\r\n" * 1000  # the file has to grow for it
    ids = host.http.batch([Post((f"user{number}@163.com",), letter) for number in range(5)])
    until("dots", lambda: len(far.said("DATA")) == 5)
    disk.fill()
    gate.set()
    until("the alert", lambda: f"outcomes can't be written: the disk under {host.spool} is full" in words(host))
    assert "being sent" in host.listed() and len(far.copies()) == 5
    host["worker-1"].signal(15)
    disk.free()
    assert host["worker-1"].wait() == 0
    assert "outcomes can be written again" in words(host)
    host.start("worker-1")
    nothing_is_left(host, host.spool)
    once_each(host, far, 5)
    assert "in doubt" not in "".join(host.history(queue_id) for queue_id in ids)


def words(host: Machine) -> str:
    return host["worker-1"].words()


def test_dot_marks(world: World) -> None:
    """The worker's own folder is full: what it has there was allocated at its start, and mail goes."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = machine(world)
    disk = Disk(host.directory / "dots", 4 * MIB)
    world.at_end(disk.close)
    host.start("beanstalkd", "postoffice", "worker-1")
    until("the whole start", lambda: "delivers as" in words(host))
    disk.fill()
    host.http.batch([Post((f"user{number}@163.com",), LETTER) for number in range(100)])
    once_each(host, far, 100)
    assert "No space left" not in words(host)


def test_temporary_files(world: World) -> None:
    """There is no room for large requests while they arrive: 503 for each, and mailman keeps its letter."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = machine(world)
    folder = host.directory / "tmp"
    folder.mkdir()
    disk = Disk(folder, 32 * MIB)
    world.at_end(disk.close)
    host.before["postoffice"] = [tool("env"), f"TMPDIR={folder}"]
    host.start()
    form = {**sample_email("refused@163.com"), "data": LARGE.decode()}
    assert host.http.form({**form, "rcpttos": ["user0@163.com"]})[0] == 200
    until("no temporary file", lambda: disk.left > 31 * MIB)
    disk.fill()
    status, told = host.http.form(form)
    assert (status, json.loads(told)["status"]) == (503, "4.3.1")
    assert host.http.form(sample_email("user1@163.com"))[0] == 200
    queue_id = world.msmtp.send(LARGE, "user2@163.com")
    assert "no room for so large a request" in until("the reason", lambda: reason(host, queue_id))
    disk.free()
    once_each(host, far, 3)


def test_mailman(world: World) -> None:
    """The postoffice is down and this host's disk full: 452 4.3.1, at whatever point of a letter that happens, and the
    session goes on. What got a 250 before is there."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = machine(world)
    spool = host.directory / "mailman" / "spool.db"
    disk = Disk(spool.parent, 32 * MIB)
    world.at_end(disk.close)
    host.start("beanstalkd", "worker-1", "mailman")
    world.msmtp.send(SAMPLE, "user0@163.com")
    large = LARGE.replace(b"\n", b"\r\n")
    client = talk("refused@163.com", large[: len(large) // 2])
    disk.fill()
    client.socket.sendall(large[len(large) // 2 :])
    assert client.say(".").startswith("452 4.3.1")
    begin(client, "refused@163.com")
    client.socket.sendall(LETTER)
    assert client.say(".") == "452 4.3.1 this host's disk is full: try again later"
    status, said = world.msmtp.begin(SAMPLE, "refused@163.com").end()
    assert status and "452 4.3.1" in said
    disk.free()
    begin(client, "user1@163.com")
    client.socket.sendall(large)
    assert client.say(".").startswith("250 2.0.0 queued as ")
    client.close()
    age(spool)
    disk.fill()
    host.start("postoffice")
    once_each(host, far, 2)
    assert disk.left < 2 * MIB
    nothing_is_left(host, spool)
