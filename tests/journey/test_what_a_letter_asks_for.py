"""What a letter asks for, from a container's msmtp to the receiver: by lines of its header, by msmtp's DSN options."""

import time

from . import reports
from .submit import SAMPLE, SENDER
from .waiting import until
from .world import HOME, World, mx

WISHES = b"Hedwig-Expires: 10m\nHEDWIG-PRIORITY: Urgent\nHedwig-Supersede-Key:\n otp-42\n"
DSN = ("PIPELINING", "8BITMIME", "SIZE 41943040", "ENHANCEDSTATUSCODES", "DSN")
ASKED = ("--dsn-notify=success,failure,delay", "--dsn-return=headers")


def test_the_receiver_sees_none_of_it(world: World) -> None:
    """The three lines are taken out, and the rest of the letter is as it was; journal and history tell of them."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start()
    queue_id = world.msmtp.send(WISHES + SAMPLE, "stenote@163.com")
    (letter,) = until("the letter", far.accepted)
    assert b"hedwig-" not in letter.content.lower().replace(b"(hedwig)", b"")
    assert b"\r\nFrom: sender@robot.genee.cn\r\nTo: stenote@163.com\r\nSubject: Hello World\r\n" in letter.content
    assert letter.body == b"\r\nHello Stenote !\r\n"
    for daemon in ("mailman", "postoffice"):
        (line,) = [line for line in host[daemon].words().splitlines() if f" {queue_id}: " in line]
        assert "UTC, urgent, key otp-42" in line
        assert "172.17.0.2" in line
    assert "by 172.17.0.2" in host.history(queue_id)


def test_a_value_that_makes_no_sense_is_refused_at_once(world: World) -> None:
    """msmtp fails, and shows its user what would be right; nothing is queued."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start()
    for line, words in (
        (b"Hedwig-Expires: whenever\n", "554 5.6.0 Hedwig-Expires: 'whenever' is no time: write a duration like 10m"),
        (b"Hedwig-Expires: Mon, 23 Nov 2020 12:00:00 +0800\n", "554 5.4.7 Hedwig-Expires: the message was to be sent"),
        (b"Hedwig-Priority: 1\n", "554 5.6.0 Hedwig-Priority must be urgent, normal or bulk"),
    ):
        status, said = world.msmtp.begin(line + SAMPLE, "stenote@163.com").end()
        assert status != 0
        assert words in said
    assert not host.is_queued("stenote@163.com")
    assert far.accepted() == []


def test_msmtps_dsn_options_go_as_far_as_dsn_does(world: World) -> None:
    """NOTIFY and RET arrive at a receiver with DSN as msmtp gave them, also after a stay in mailman's spool; one
    without hears none of it, and its sender hears that it took the letter."""
    world.dns(mx("163.com", "192.0.2.1"), mx("126.com", "192.0.2.2"))
    knows = world.far("192.0.2.1", extensions=DSN)
    knows_not = world.far("192.0.2.2")
    home = world.far(HOME)
    host = world.host().start()
    first = world.msmtp.begin(SAMPLE, "stenote@163.com", "stenote@126.com", options=ASKED).finish()
    host["postoffice"].kill()
    second = world.msmtp.begin(SAMPLE, "second@163.com", options=("--dsn-notify=never",)).finish()
    host.start("postoffice")
    until("the letters", lambda: len(knows.accepted()) == 2 and knows_not.accepted())
    until("empty queues", lambda: not host.is_queued(first, second))
    heard = [line for _, line in knows.commands]
    assert [line for line in heard if line.startswith("RCPT TO:<stenote")] == [
        "RCPT TO:<stenote@163.com> NOTIFY=SUCCESS,FAILURE,DELAY"
    ]
    assert [line for line in heard if line.startswith("RCPT TO:<second")] == ["RCPT TO:<second@163.com> NOTIFY=NEVER"]
    assert sum(" RET=HDRS" in line for line in heard) == 1
    assert not any("NOTIFY" in line or "RET=" in line for _, line in knows_not.commands)
    report = reports.read(until("the report", home.accepted)[0])
    assert report.failed == {}
    assert "relayed" in report.whole.content.decode()
    assert "stenote@126.com" in report.whole.content.decode()
    assert "stenote@163.com" not in report.whole.content.decode().partition("Action: ")[2].partition("\r\n\r\n")[0]


def test_what_waits_at_mailman_until_it_is_stale_is_not_sent(world: World) -> None:
    """The postoffice is away for longer than the code is good for: its sender hears so, and the receiver gets the other
    letter alone."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    home = world.far(HOME)
    host = world.host().start()
    host["postoffice"].kill()
    stale = world.msmtp.send(b"Hedwig-Expires: 2s\n" + SAMPLE, "code@163.com")
    other = world.msmtp.send(b"Hedwig-Expires: 10m\n" + SAMPLE, "other@163.com")
    over = time.time() + 2
    until("the end of its time", lambda: time.time() > over)
    host.start("postoffice")
    report = reports.read(until("the report", home.accepted)[0])
    assert report.whole.rcpttos == (SENDER,)
    assert report.failed == {"code@163.com": "5.4.7"}
    assert "it waited for the postoffice" in report.text
    until("empty queues", lambda: not host.is_queued(stale, other))
    assert far.copies() == {"other@163.com": 1}


def test_what_came_to_a_frozen_postoffice_is_stale_when_that_wakes(world: World) -> None:
    """It has the request, says nothing for longer than the code is good for, and reads it then: the time that it has
    waited there counts. One report, though the letter also waited in mailman's spool."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    home = world.far(HOME)
    host = world.host().start()
    world.msmtp.send(SAMPLE, "before@163.com")
    host.freeze("postoffice")
    stale = world.msmtp.send(b"Hedwig-Expires: 5s\n" + SAMPLE, "code@163.com")
    host.thaw("postoffice")
    until("the report", home.accepted)
    until("empty queues", lambda: not host.is_queued(stale))
    (report,) = home.accepted()
    assert reports.read(report).failed == {"code@163.com": "5.4.7"}
    assert far.copies() == {"before@163.com": 1}
