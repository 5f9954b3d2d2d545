"""A receiver without 8BITMIME: 8-bit mail arrives as 7-bit mail that says the same, or comes back; never raw (I6).

The far side writes it down as a fault when an 8-bit octet reaches it.
"""

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from . import reports
from .farside import Letter
from .submit import SENDER, Post
from .waiting import until
from .world import HOME, World, mx

TO = "stenote@163.com"
SEVEN_BIT = ("PIPELINING", "SIZE 41943040")
TEXT = "你好，斯泰诺特！\n.\n..点\nFrom 我\n\n联通 \n"
HEAD = f"From: {SENDER}\nTo: {TO}\n"


def read(letter: Letter) -> EmailMessage:
    """The letter as its receiver reads it, with line ends as msmtp was given them."""
    return email.message_from_bytes(letter.content, EmailMessage, policy=email.policy.default)


def arrive(world: World, letter: bytes, *extensions: str) -> tuple[Letter, str]:
    """Through real msmtp: what arrives, and its history."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", extensions=(*SEVEN_BIT, *extensions))
    host = world.host().start()
    queue_id = world.msmtp.send(letter, TO)
    arrived = until("the letter", far.accepted)[0]
    until("an empty queue", lambda: not host.is_queued(queue_id))
    return arrived, " ".join(host.history(queue_id).split())


def test_a_gbk_letter_arrives_as_quoted_printable(world: World) -> None:
    """With a subject in raw GBK, too, as many a program writes it."""
    head = HEAD + "Subject: 你好\nMIME-Version: 1.0\nContent-Type: text/plain; charset=gbk\n"
    letter = (head + "Content-Transfer-Encoding: 8bit\n\n" + TEXT).encode("gbk")
    arrived, history = arrive(world, letter)
    message = read(arrived)
    assert arrived.field("Content-Transfer-Encoding") == "quoted-printable"
    assert message["Subject"] == "你好"
    assert message.get_payload(decode=True) == TEXT.replace("\n", "\r\n").encode("gbk")
    assert "its 8-bit content was sent as 7-bit" in history


def test_a_letter_that_knows_no_mime_is_labelled(world: World) -> None:
    """A cron job's UTF-8: now its reader knows what it is."""
    arrived, _ = arrive(world, (HEAD + "Subject: cron\n\n" + TEXT).encode())
    message = read(arrived)
    assert message["MIME-Version"] == "1.0"
    assert message.get_content().replace("\r\n", "\n") == TEXT


def test_an_attachment_and_its_name_arrive(world: World) -> None:
    """Each part is converted by itself; 8-bit octets in an ASCII letter's neighbour don't matter to it."""
    data = (bytes(byte for byte in range(1, 256) if byte not in b"\r\n") + b"\n") * 2000
    parts = "--b\nContent-Type: text/plain; charset=utf-8\n\n" + TEXT
    parts += '\n--b\nContent-Type: a/b\nContent-Disposition: attachment; filename="报告.bin"\n\n'
    head = HEAD + "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    arrived, _ = arrive(world, (head + parts).encode() + data + b"\n--b--\n")
    text, attachment = read(arrived).iter_parts()
    assert text.get_content().replace("\r\n", "\n") == TEXT
    assert attachment.get_filename() == "报告.bin"
    assert attachment.get_payload(decode=True) == data.replace(b"\n", b"\r\n")


def test_a_receiver_that_has_it_gets_the_letter_as_it_was(world: World) -> None:
    """And the history is silent about it."""
    arrived, history = arrive(world, (HEAD + "Subject: x\n\n" + TEXT).encode(), "8BITMIME")
    assert arrived.body == TEXT.replace("\n", "\r\n").encode()
    assert "7-bit" not in history


SIGNED = """MIME-Version: 1.0
Content-Type: multipart/signed; boundary=b

--b

签
--b
Content-Type: application/pgp-signature

x
--b--
"""


@pytest.mark.parametrize(
    ("setting", "letter", "why"),
    [
        (
            "bounce",
            HEAD + "Subject: x\n\n" + TEXT,
            "the message has 8-bit content and the host does not offer 8BITMIME",
        ),
        ("convert", HEAD + SIGNED, "it is signed (multipart/signed) with 8-bit octets"),
    ],
)
def test_what_is_not_converted_comes_back(world: World, setting: str, letter: str, why: str) -> None:
    """With a report that says why (5.6.3, RFC 3463 §3.7)."""
    world.dns(mx("163.com", "192.0.2.1"))
    far, home = world.far("192.0.2.1", extensions=SEVEN_BIT), world.far(HOME)
    world.host(worker={"eight_bit": setting}).start()
    world.msmtp.send(letter.encode(), TO)
    report = reports.read(until("the bounce", home.accepted)[0])
    assert report.failed == {TO: "5.6.3"}
    assert why in " ".join(report.text.split())
    assert far.letters == []


def test_a_letter_of_30_mib_is_converted(world: World, tmp_path: Path) -> None:
    """In bounded memory; and a small one to another receiver does not wait for it (I9)."""
    world.dns(mx("163.com", "192.0.2.1"), mx("other.example", "192.0.2.2"))
    far, other = world.far("192.0.2.1", extensions=("PIPELINING", "SIZE 99000000")), world.far("192.0.2.2")
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    line = "这是一行中文，不长也不短，写了很多遍。\r\n".encode()
    body = line * (((30 << 20) - 4096) // len(line))
    head = f"From: {SENDER}\r\nSubject: x\r\n\r\n".encode()
    before = memory_of(host.processes["worker-1"].pid)
    host.http.batch([Post((TO,), head + body)])
    host.http.batch([Post(("small@other.example",), head + b"small\r\n")])
    until("the small letter", lambda: other.has("small@other.example"))
    until("the large letter", lambda: far.has(TO), seconds=60)
    assert memory_of(host.processes["worker-1"].pid) - before < 48 << 10
    assert read(far.accepted()[0]).get_payload(decode=True) == body


def memory_of(pid: int) -> int:
    """The most memory it has had, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
