"""The far side itself, against Python's smtplib and real msmtp: what it writes down is what was sent."""

import smtplib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .farside import FarSide, Rule
from .network import Namespace, Network, tool
from .waiting import until

SENDER = "sender@robot.genee.cn"


@pytest.fixture
def far(network: Network) -> Iterator[FarSide]:
    with FarSide("192.0.2.1") as made:
        yield made


def test_a_letter_is_kept_byte_for_byte(far: FarSide) -> None:
    """Dot-stuffing is undone once, 8-bit and empty lines stay."""
    letter = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n\xff\xc4\xe3\r\n\r\n"
    with smtplib.SMTP("192.0.2.1") as client:
        client.sendmail(SENDER, ["a@far.example", "b@far.example"], letter)
        client.sendmail("", ["c@far.example"], b"x\r\n")
    assert [taken.content for taken in far.accepted()] == [letter, b"x\r\n"]
    assert far.accepted()[0].rcpttos == ("a@far.example", "b@far.example")
    assert far.accepted()[1].mailfrom == ""
    assert far.faults == []


def test_rules_refuse_greylist_and_hang_up(far: FarSide) -> None:
    """The first rule that fits decides; `times` and `each` count."""
    far.add(Rule("rcpt", "550 5.1.1 nobody here", to="nobody@"))
    far.add(Rule("rcpt", "451 4.7.1 later", to="grey", times=1, each=True))
    far.add(Rule("dot", hang_up=True, times=1))
    everyone = ["nobody@far.example", "grey1@far.example", "grey2@far.example", "ok@far.example"]
    client = smtplib.SMTP("192.0.2.1")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.sendmail(SENDER, everyone, b"x\r\n")
    assert [letter.reply for letter in far.letters] == [""]
    assert far.copies() == {}
    client = smtplib.SMTP("192.0.2.1")
    refused = client.sendmail(SENDER, everyone, b"x\r\n")
    assert list(refused) == ["nobody@far.example"]
    assert far.copies() == {"grey1@far.example": 1, "grey2@far.example": 1, "ok@far.example": 1}
    client.close()


@pytest.mark.parametrize("octets", [b"a\rb\r\n", b"a\nb\r\n", b"a\0b\r\n", b"a" * 1001 + b"\r\n"])
def test_broken_octets_are_written_down(far: FarSide, octets: bytes) -> None:
    """What hedwig must never send is seen here, so the journeys' check can fail."""
    client = smtplib.SMTP("192.0.2.1")
    client.ehlo_or_helo_if_needed()
    client.mail(SENDER)
    client.rcpt("a@far.example")
    client.docmd("DATA")
    client.send(octets + b".\r\n")
    assert client.getreply()[0] == 250
    assert len(far.faults) == 1
    client.close()


@pytest.mark.parametrize("fake", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n"])
def test_only_crlf_dot_crlf_ends_the_message(far: FarSide, fake: bytes) -> None:
    client = smtplib.SMTP("192.0.2.1")
    client.ehlo_or_helo_if_needed()
    client.mail(SENDER)
    client.rcpt("a@far.example")
    client.docmd("DATA")
    client.send(b"one" + fake + b"two\r\n.\r\n")
    assert client.getreply()[0] == 250
    assert client.noop()[0] == 250
    assert len(far.letters) == 1
    client.close()


def test_commands_sent_ahead_are_faults_unless_allowed(far: FarSide) -> None:
    """A peer that pipelines without being asked to is seen."""
    far.extensions = ("8BITMIME",)
    with socket.create_connection(("192.0.2.1", 25)) as client:
        client.sendall(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\n")
        until("the fault", lambda: far.faults)


def test_starttls_good_and_broken(far: FarSide, certificate: str) -> None:
    """With a certificate TLS works, without one there is noise."""
    far.extensions = (*far.extensions, "STARTTLS")
    with smtplib.SMTP("192.0.2.1") as client, pytest.raises((ssl.SSLError, OSError)):
        client.starttls()
    far.certificate = certificate
    with smtplib.SMTP("192.0.2.1") as client:
        client.starttls()
        assert not client.has_extn("STARTTLS")
        client.sendmail(SENDER, ["a@far.example"], b"x\r\n")
    assert [letter.encrypted for letter in far.accepted()] == [True]


def test_a_dead_dripping_or_refusing_banner(far: FarSide) -> None:
    far.add(Rule("banner", "554 5.7.1 go away"))
    with pytest.raises(smtplib.SMTPConnectError):
        smtplib.SMTP("192.0.2.1")
    far.add(Rule("banner", "220 slow", drip=0.01))
    smtplib.SMTP("192.0.2.1").close()


def test_real_msmtp_from_a_container(network: Network, container: Namespace, tmp_path: Path) -> None:
    """The container reaches docker0's address and its msmtp is understood."""
    config = tmp_path / "msmtprc"
    config.write_text(f"defaults\nsyslog LOG_MAIL\naccount default\nhost 172.17.0.1\nfrom {SENDER}\n")
    with FarSide("172.17.0.1") as far:
        command = container.command(tool("msmtp"), "-C", str(config), "stenote@163.com")
        subprocess.run(command, input=b"Subject: Hello\n\n.dot\n", check=True, timeout=20)
        assert [letter.body for letter in far.accepted()] == [b".dot\r\n"]
        assert far.faults == []


def test_octets_that_are_no_reply_and_replies_without_end(far: FarSide) -> None:
    """`raw` goes out as it is; `endless` until the client has left; then it hears the next one."""
    far.add(Rule("banner", raw=b"HTTP/1.1 400 no\r\n", hang_up=True, times=1))
    with socket.create_connection(("192.0.2.1", 25)) as client:
        assert client.makefile("rb").read() == b"HTTP/1.1 400 no\r\n"
    far.add(Rule("banner", raw=b"220-x\r\n", endless=True, times=1))
    with socket.create_connection(("192.0.2.1", 25)) as client:
        assert client.makefile("rb").read(70_000) == b"220-x\r\n" * 10_000
    far.add(Rule("banner", "220 well again"))
    assert smtplib.SMTP().connect("192.0.2.1") == (220, b"well again")


def test_a_limit_of_recipients_is_for_each_transaction(far: FarSide) -> None:
    far.most_rcpttos, far.beyond = 2, "452 4.5.3 enough"
    everyone = [f"user{number}@far.example" for number in range(3)]
    with smtplib.SMTP("192.0.2.1") as client:
        assert client.sendmail(SENDER, everyone, b"x\r\n") == {everyone[2]: (452, b"4.5.3 enough")}
        assert client.sendmail(SENDER, everyone[1:], b"x\r\n") == {}
    assert far.copies() == {everyone[0]: 1, everyone[1]: 2, everyone[2]: 1}


def test_what_is_open_can_be_cut(far: FarSide) -> None:
    client = smtplib.SMTP("192.0.2.1")
    client.ehlo_or_helo_if_needed()
    far.cut()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.noop()
