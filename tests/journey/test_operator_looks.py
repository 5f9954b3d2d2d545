"""`hedwig trace`, `top`, `mail` and `spool`: where a letter is and was, from the container to the receiver's answer."""

import json

from .farside import Rule
from .host import _BIN, Host
from .submit import SAMPLE
from .waiting import until
from .world import World, mx


def bytes_of(host: Host, queue_id: str) -> bytes:
    """`hedwig mail`, to a pipe."""
    import subprocess

    command = [str(_BIN / "hedwig"), "--config-dir", str(host.config), "mail", queue_id]
    return subprocess.run(command, capture_output=True, timeout=60, check=True).stdout


def test_a_letter_is_traced_over_both_hosts(world: World) -> None:
    """The postoffice is down: `hedwig spool` says so and why. When it is back the whole way can be read, in order."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", Rule("rcpt", "451 4.7.1 greylisted for now", times=1))
    host = world.host().start()
    assert "Nothing waits here" in host.hedwig("spool")
    host["postoffice"].kill()
    letter = SAMPLE.replace(b"Subject:", b"Message-ID: <Hello.1@Web-1.example>\nSubject:")
    queue_id = world.msmtp.send(letter, "stenote@163.com")
    said = host.hedwig("spool")
    assert "can't be reached: " in said
    assert "1 message waiting" in said
    assert queue_id in said
    told = json.loads(host.hedwig("spool", "--json"))
    assert (told["reached"], len(told["queued"])) == (False, 1)
    assert queue_id in host.hedwig("trace", queue_id)
    host.start("postoffice")
    until("the letter", far.accepted)
    until("empty queues", lambda: not host.is_queued(queue_id))
    for word in (queue_id, "stenote@163.com", "SENDER@robot.genee.cn", "<hello.1@web-1.example>"):
        story = host.hedwig("trace", word)
        places = [story.index(part) for part in ("accepted", "greylisted for now", "delivered")]
        assert places == sorted(places), story
        assert "mailman:" in story
        assert "forwarded" in story
        assert "mx1.163.com[192.0.2.1] said 250" in story
    told = json.loads(host.hedwig("trace", queue_id, "--json"))
    assert {one["daemon"] for one in told} == {"mailman", "postoffice"}
    assert "Nothing waits here" in host.hedwig("spool")


def test_mail_shows_what_will_arrive(world: World) -> None:
    """Byte for byte, dots at line starts and 8-bit ones too, whether it waits at mailman or at the postoffice."""
    world.dns(mx("163.com", "192.0.2.1"))
    gate = Rule("rcpt", "451 4.7.1 later")
    far = world.far("192.0.2.1", gate)
    host = world.host().start()
    host["postoffice"].kill()
    queue_id = world.msmtp.send(SAMPLE + b"\n.\n..dots\n\xe4\xbd\xa0\xc4\xe3 8-bit\n", "stenote@163.com")
    at_mailman = bytes_of(host, queue_id)
    host.start("postoffice")
    until("a try", lambda: "later" in host.listed())
    at_postoffice = bytes_of(host, queue_id)
    far.rules.clear()
    [arrived] = until("the letter", far.accepted)
    assert at_mailman == at_postoffice == arrived.content
    assert b"\r\n.\r\n..dots\r\n\xe4\xbd\xa0\xc4\xe3 8-bit\r\n" in arrived.content


def test_top_finds_the_site_that_is_in_the_way(world: World) -> None:
    """How much waits for it, how long already, its last words; and what goes well meanwhile."""
    world.dns(mx("163.com", "192.0.2.1"), mx("126.com", "192.0.2.2"))
    world.far("192.0.2.1", Rule("rcpt", "451 4.3.0 come back another time"))
    good = world.far("192.0.2.2")
    host = world.host(worker={"retry": {"schedule": ["1h"], "jitter": "0%"}}).start()
    for number in range(3):
        world.msmtp.send(SAMPLE, f"{number}@163.com", f"{number}@126.com")
    until("the good ones", lambda: len(good.copies()) == 3)
    until("the others deferred", lambda: host.listed().count("deferred, 1 try") == 3)
    shown = host.hedwig("top").splitlines()
    assert "3 deliveries wait, 0 are being sent, 0 are held" in shown[0]
    [row] = [line for line in shown if line.startswith("163.com")]
    assert "come back another time" in row
    told = json.loads(host.hedwig("top", "--json"))
    [site] = told["sites"]
    assert (site["site"], site["waiting"]) == ("163.com", 3)
    assert told["delivered"] > 0
