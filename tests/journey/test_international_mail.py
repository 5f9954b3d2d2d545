"""Internationalized addresses and headers (RFC 6530): as they are where the receiver has SMTPUTF8; else who can do
without gets the letter, with domains in A-labels, and the others' sender hears 5.6.7.

The far side writes it down as a fault when an address in UTF-8 reaches it that SMTPUTF8 did not announce.
"""

from . import reports
from .submit import Talk
from .waiting import until
from .world import HOME, World, mx

DOMAIN = "xn--fsqu00a.xn--fiqs8s"  # 例子.中国
EIGHT_BIT = ("PIPELINING", "8BITMIME")
WITH = (*EIGHT_BIT, "SMTPUTF8")
SUBJECT = "Subject: 你好\r\n"


def submit(header: str, *rcpttos: str, mailfrom: str = "sender@robot.genee.cn") -> None:
    """SMTP by hand, with SMTPUTF8."""
    talk = Talk()
    assert talk.reply().startswith("220")
    assert "SMTPUTF8" in talk.say("EHLO box")
    assert talk.say(f"MAIL FROM:<{mailfrom}> BODY=8BITMIME SMTPUTF8").startswith("250")
    for rcptto in rcpttos:
        assert talk.say(f"RCPT TO:<{rcptto}>").startswith("250")
    assert talk.say("DATA").startswith("354")
    assert talk.say(f"From: sender@robot.genee.cn\r\n{header}\r\n你好！\r\n.").startswith("250")
    talk.close()


def test_a_receiver_with_smtputf8_gets_it_as_it_is(world: World) -> None:
    """Addresses, header and all."""
    world.dns(mx(DOMAIN, "192.0.2.1"))
    far = world.far("192.0.2.1", extensions=WITH)
    world.host().start()
    submit(SUBJECT, "用户@例子.中国", mailfrom="发件人@robot.genee.cn")
    letter = until("the letter", far.accepted)[0]
    assert letter.mailfrom == "发件人@robot.genee.cn"
    assert letter.rcpttos == ("用户@例子.中国",)
    assert letter.field("Subject") == "你好"
    assert far.said("MAIL")[0].endswith(" BODY=8BITMIME SMTPUTF8")


def test_without_it_who_can_do_without_gets_the_letter(world: World) -> None:
    """RFC 6531 §3.2. The sender hears of the other one alone."""
    world.dns(mx(DOMAIN, "192.0.2.1"))
    far, home = world.far("192.0.2.1", extensions=EIGHT_BIT), world.far(HOME)
    world.host().start()
    submit("Subject: hello\r\n", "user@例子.中国", "用户@例子.中国", "other@例子.中国")
    assert until("the letter", far.accepted)[0].rcpttos == (f"user@{DOMAIN}", f"other@{DOMAIN}")
    report = reports.read(until("the bounce", home.accepted)[0])
    assert list(report.failed.values()) == ["5.6.7"]
    assert "用户@例子.中国" in report.text
    assert "needs SMTPUTF8 and the host does not offer it" in " ".join(report.text.split())
    assert len(far.letters) == 1


def test_one_recipient_whose_domain_alone_is_chinese(world: World) -> None:
    """It is named in the Received field that mailman adds: that must not make the header need SMTPUTF8."""
    world.dns(mx(DOMAIN, "192.0.2.1"))
    far = world.far("192.0.2.1", extensions=EIGHT_BIT)
    world.host().start()
    submit("Subject: hello\r\n", "user@例子.中国")
    letter = until("the letter", far.accepted)[0]
    assert letter.rcpttos == (f"user@{DOMAIN}",)
    assert letter.header.isascii()
    assert letter.body == "你好！\r\n".encode()


def test_a_header_in_utf_8_comes_back(world: World) -> None:
    """All its recipients would need it; the report brings the header back as it was."""
    world.dns(mx("163.com", "192.0.2.1"))
    far, home = world.far("192.0.2.1", extensions=EIGHT_BIT), world.far(HOME)
    world.host().start()
    submit(SUBJECT, "a@163.com", "b@163.com")
    report = reports.read(until("the bounce", home.accepted)[0])
    assert report.failed == {"a@163.com": "5.6.7", "b@163.com": "5.6.7"}
    assert "the message's header needs SMTPUTF8" in " ".join(report.text.split())
    assert far.letters == []


def test_a_sender_that_needs_it_is_told_where_that_is_possible(world: World) -> None:
    """The report has the sender's address in UTF-8, and goes to a host that has SMTPUTF8."""
    world.dns(mx("163.com", "192.0.2.1"))
    far, home = world.far("192.0.2.1", extensions=EIGHT_BIT), world.far(HOME, extensions=WITH)
    world.host().start()
    submit("Subject: hello\r\n", "a@163.com", mailfrom="发件人@robot.genee.cn")
    letter = until("the bounce", home.accepted)[0]
    assert letter.rcpttos == ("发件人@robot.genee.cn",)
    assert "the sender's address needs SMTPUTF8" in " ".join(reports.read(letter).text.split())
    assert far.letters == []
