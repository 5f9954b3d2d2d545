"""What a sender asks to hear of a letter (DSN, RFC 3461), from SMTP at mailman to the far MX; and the reports."""

import contextlib
import email
import email.policy
import sqlite3
from email.message import EmailMessage

from . import reports
from .farside import Letter, Rule
from .host import Host
from .submit import SAMPLE, SENDER, Post, Talk, queue_id_of
from .waiting import until
from .world import HOME, World, mx

LETTER = SAMPLE.replace(b"\n", b"\r\n")
WITHOUT_DSN = ("PIPELINING", "8BITMIME", "SIZE 41943040", "ENHANCEDSTATUSCODES")


def submit(world: World, mail: str, *rcpts: str) -> str:
    """Hand the sample in to mailman with these parameters of MAIL and RCPT; its queue ID."""
    del world
    talk = Talk()
    with contextlib.closing(talk):
        assert talk.reply().startswith("220")
        assert "250-DSN" in talk.say("EHLO web.example").replace("250 DSN", "250-DSN")
        assert talk.say(f"MAIL FROM:<{SENDER}>{mail}").startswith("250")
        for rcpt in rcpts:
            address, _, parameters = rcpt.partition(" ")
            assert talk.say(f"RCPT TO:<{address}> {parameters}".strip()).startswith("250")
        assert talk.say("DATA").startswith("354")
        return queue_id_of(talk.say(LETTER.decode() + "."))


def story(host: Host, queue_id: str) -> str:
    """A letter's history, however wide the terminal."""
    return " ".join(host.history(queue_id).split())


def parts_of(letter: Letter) -> tuple[str, list[EmailMessage], EmailMessage]:
    """A report's text, groups of fields, and what came back of the original."""
    message = email.message_from_bytes(letter.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message["Auto-Submitted"] == "auto-replied"
    text, status, returned = message.iter_parts()
    return text.get_content(), list(status.iter_parts()), returned


def test_a_host_with_dsn_is_told_and_reports_itself(world: World) -> None:
    """All four parameters arrive as they were given; no report of success is ours."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", extensions=(*WITHOUT_DSN, "DSN"))
    home = world.far(HOME)
    host = world.host().start()
    queue_id = submit(
        world,
        " RET=HDRS ENVID=order+2B17",
        "stenote@163.com NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;list+2Bstenote@genee.cn",
        "plain@163.com",
    )
    until("an empty queue", lambda: not host.is_queued(queue_id))
    [mail] = far.said("MAIL FROM")
    assert mail.endswith(" RET=HDRS ENVID=order+2B17")
    assert far.said("RCPT TO") == [
        "RCPT TO:<stenote@163.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;list+2Bstenote@genee.cn",
        "RCPT TO:<plain@163.com>",
    ]
    assert home.letters == []


def test_a_host_without_dsn_leaves_it_to_us(world: World) -> None:
    """Relayed: a report for who asked, with the sender's own names in it; none for who did not."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", extensions=WITHOUT_DSN)
    home = world.far(HOME)
    host = world.host().start()
    submit(
        world,
        " ENVID=order17",
        "stenote@163.com NOTIFY=SUCCESS ORCPT=rfc822;list@genee.cn",
        "plain@163.com",
        "never@163.com NOTIFY=NEVER",
    )
    [letter] = until("the report", home.accepted)
    assert all("NOTIFY" not in said and "ENVID" not in said for said in far.said(""))
    assert letter.mailfrom == ""
    text, (whole, *recipients), returned = parts_of(letter)
    assert whole["Original-Envelope-Id"] == "order17"
    [told] = recipients
    assert (told["Action"], told["Status"]) == ("relayed", "2.0.0")
    assert told["Original-Recipient"] == "rfc822; list@genee.cn"
    assert told["Final-Recipient"] == "rfc822; stenote@163.com"
    assert told["Remote-MTA"] == "dns; mx1.163.com ([192.0.2.1])"
    assert told["Diagnostic-Code"] == "smtp; 250 2.0.0 taken"
    assert "have taken your message" in text
    assert returned.get_content_type() == "text/rfc822-headers"
    until("an empty queue", lambda: "robot.genee.cn" not in host.listed())


def test_refused_recipients_are_told_of_as_asked(world: World) -> None:
    """FAILURE and nothing said: a bounce. NEVER, or only DELAY: none, and the history says why. RET=FULL: all of it."""
    world.dns(mx("163.com", "192.0.2.1"))
    world.far("192.0.2.1", Rule("rcpt", "550 5.1.1 no such user here"))
    home = world.far(HOME)
    host = world.host().start()
    queue_id = submit(
        world,
        " RET=FULL",
        "asked@163.com NOTIFY=FAILURE,DELAY",
        "plain@163.com",
        "never@163.com NOTIFY=NEVER",
        "delay@163.com NOTIFY=DELAY",
    )
    [letter] = until("the bounce", home.accepted)
    assert set(reports.read(letter).failed) == {"asked@163.com", "plain@163.com"}
    *_, returned = parts_of(letter)
    assert returned.get_content_type() == "message/rfc822"
    assert b"Hello Stenote !" in letter.content
    until("an empty queue", lambda: "@" not in host.listed())
    assert len(home.letters) == 1
    history = story(host, queue_id)
    assert "no report: NOTIFY=NEVER" in history
    assert "no report: NOTIFY=DELAY" in history


def test_a_delay_is_told_once(world: World) -> None:
    """warn_after: who did not rule it out is warned, once; then the letter arrives all the same."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", Rule("rcpt", "451 4.7.1 greylisted", times=4, each=True))
    home = world.far(HOME)
    retry = {"schedule": ["1s"], "jitter": "0%", "warn_after": "1s"}
    world.host(worker={"retry": retry}).start()
    submit(world, "", "plain@163.com", "quiet@163.com NOTIFY=FAILURE")
    until("both letters", lambda: far.has("plain@163.com") and far.has("quiet@163.com"))
    [letter] = until("the warning", home.accepted)
    text, (_, *recipients), _ = parts_of(letter)
    [told] = recipients
    assert (told["Action"], told["Status"]) == ("delayed", "4.7.1")
    assert told["Final-Recipient"] == "rfc822; plain@163.com"
    assert told["Will-Retry-Until"]
    assert "您不必重发" in text
    assert "greylisted" in text


def an_hour_passes(host: Host) -> None:
    """The counts of reports are of the hour before now."""
    with contextlib.closing(sqlite3.connect(host.spool)) as db, db:
        db.execute("UPDATE digested SET hour = hour - 1")
        db.execute("UPDATE reports SET hour = hour - 1")


def test_a_flood_of_bounces_becomes_one_digest(world: World) -> None:
    """Three one by one, seven in the digest; the worker was restarted in between; the sender misses none."""
    world.dns(mx("163.com", "192.0.2.1"))
    world.far("192.0.2.1", Rule("rcpt", "550 5.1.1 no such user here"))
    home = world.far(HOME)
    host = world.host(worker={"reports_per_hour": 3}).start("beanstalkd", "postoffice", "worker-1", "worker-2")
    ids = host.http.batch([Post((f"user{number}@163.com",), LETTER) for number in range(10)])
    until("three bounces", lambda: len(home.accepted()) == 3)
    until("an empty queue", lambda: "@" not in host.listed())
    told = [queue_id for queue_id in ids if "told in a digest" in story(host, queue_id)]
    assert len(told) == 7
    for name in ("worker-1", "worker-2"):
        assert host[name].stop() == 0
    an_hour_passes(host)
    host.start("worker-1", "worker-2")
    until("the digest", lambda: len(home.accepted()) == 4)
    digest = email.message_from_bytes(home.accepted()[3].content, policy=email.policy.default)
    assert isinstance(digest, EmailMessage)
    assert home.accepted()[3].mailfrom == ""
    assert digest["Auto-Submitted"] == "auto-generated"
    assert digest["To"].addresses[0].addr_spec == SENDER
    for queue_id in told:
        assert f"{queue_id} failed <user" in digest.get_content()
        assert "in digest" in story(host, queue_id)
    assert digest.get_content().count("550 5.1.1 no such user here") == 7
    until("an empty queue", lambda: "@" not in host.listed())
    assert len(home.letters) == 4
