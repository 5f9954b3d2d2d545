"""What was accepted arrives byte for byte (I6): large, 8-bit, GBK, lines that begin with dots."""

import random

import pytest

from .waiting import until
from .world import World, mx

HEAD = b"From: sender@robot.genee.cn\nTo: stenote@163.com\nSubject: bytes\nMIME-Version: 1.0\n"
AWKWARD = {
    "dots": b".\n..\n...\n.x\n\n.\n\n. \nx.\n.",
    "8-bit": "Grüße, 海德薇, 🦉\n".encode() + bytes(range(0x80, 0x100)) + b"\n",
    "GBK": "你好，斯泰诺特！\n邮件\n".encode("gbk"),
    "blank ends": b"\n\n  \n\t\nx \n\n\n\n",
    "long lines": b"a" * 998 + b"\n" + b"." * 997 + b"\n",
    "From and dashes": b"From me to you\n>From\n-- \n--x--\n",
    "empty": b"",
}


def as_crlf(text: bytes) -> bytes:
    """The message as SMTP has it: CRLF line ends, and one at its end."""
    lines = text.replace(b"\n", b"\r\n")
    return lines if not lines or lines.endswith(b"\r\n") else lines + b"\r\n"


@pytest.mark.parametrize("extensions", [("PIPELINING", "8BITMIME", "SIZE 41943040"), ("8BITMIME",)], ids=str)
def test_awkward_bodies(world: World, extensions: tuple[str, ...]) -> None:
    """Through real msmtp, to a receiver with PIPELINING and to one without."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", extensions=extensions)
    world.host().start()
    for number, body in enumerate(AWKWARD.values()):
        world.msmtp.send(HEAD + b"\n" + body, f"user{number}@163.com")
    until("all letters", lambda: len(far.accepted()) >= len(AWKWARD))
    arrived = {letter.rcpttos[0]: letter.body for letter in far.accepted()}
    for number, (name, body) in enumerate(AWKWARD.items()):
        assert arrived[f"user{number}@163.com"] == as_crlf(body), name


def test_an_attachment_of_25_mib(world: World) -> None:
    """25 MiB of base64 lines arrive as they were; and a small letter meanwhile does not wait for them (I9)."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    world.host().start()
    line = random.Random(25).randbytes(57).hex()[:76].encode() + b"\n"
    body = line * (25 * 1024 * 1024 // len(line))
    large = world.msmtp.begin(HEAD + b"\n" + body, "large@163.com")
    world.msmtp.send(HEAD + b"\nsmall\n", "small@163.com")
    large.finish()
    until("both letters", lambda: len(far.accepted()) >= 2, seconds=60)
    arrived = {letter.rcpttos[0]: letter.body for letter in far.accepted()}
    assert arrived["small@163.com"] == b"small\r\n"
    assert arrived["large@163.com"] == as_crlf(body)
    assert far.copies() == {"small@163.com": 1, "large@163.com": 1}
