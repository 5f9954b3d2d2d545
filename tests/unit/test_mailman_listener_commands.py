"""MAIL and RCPT are read strictly: by table, and once over a socket."""

import pytest
from mailman_fixtures import event_loop, mailman  # noqa: F401

from hedwig.mailman import commands
from hedwig.mailman.commands import Mail
from hedwig.mailman.wire import wire
from hedwig.options import Notify
from hedwig.reply import Reply


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"FROM:<>", Mail("", 0, False)),
        (b"from:<a@b.example>", Mail("a@b.example", 0, False)),
        (b"FROM: <a@b.example>", Mail("a@b.example", 0, False)),
        (b"FROM:<a@b.example> SIZE=100 BODY=8BITMIME", Mail("a@b.example", 100, False)),
        (b"FROM:<a@b.example> size=100  body=7bit ", Mail("a@b.example", 100, False)),
        (b"FROM:<> SMTPUTF8", Mail("", 0, True)),
        ("FROM:<爱@b.example> SMTPUTF8".encode(), Mail("爱@b.example", 0, True)),
        (b'FROM:<"a b>c\\""@b.example>', Mail('"a b>c\\""@b.example', 0, False)),
        (b"FROM:<a@[192.0.2.1]>", Mail("a@[192.0.2.1]", 0, False)),
        (b"FROM:<a+b=c@b.example>", Mail("a+b=c@b.example", 0, False)),
    ],
)
def test_good_mail(argument, expected):
    assert commands.mail(argument) == expected


@pytest.mark.parametrize(
    ("argument", "status"),
    [
        (b"", "501 5.5.4"),
        (b"TO:<a@b.example>", "501 5.5.4"),
        (b"FROM", "501 5.5.4"),
        (b"FROM:", "501 5.1.7"),
        (b"FROM:a@b.example", "501 5.1.7"),
        (b"FROM:<a@b.example", "501 5.1.7"),
        (b"FROM:a@b.example>", "501 5.1.7"),
        (b"FROM:<<a@b.example>>", "501 5.1.7"),
        (b"FROM:<a@b.example>x", "501 5.1.7"),
        (b"FROM:<a@b.example>SIZE=1", "501 5.1.7"),
        (b"FROM:Alice <a@b.example>", "501 5.1.7"),
        (b"FROM:<nodomain>", "501 5.1.7"),
        (b"FROM:<a b@b.example>", "501 5.1.7"),
        (b"FROM:< >", "501 5.1.7"),
        (b"FROM:<@relay.example:a@b.example>", "501 5.1.7"),
        (b'FROM:<"a@b.example>', "501 5.1.7"),
        (b"FROM:<a\0@b.example>", "501 5.1.7"),
        (b"FROM:<a\r@b.example>", "501 5.1.7"),
        (b"FROM:<a\t@b.example>", "501 5.1.7"),
        (b"FROM:<a\xff@b.example> SMTPUTF8", "501 5.1.7"),
        (b"FROM:<a@b..example>", "501 5.1.7"),
        ("FROM:<爱@b.example>".encode(), "553 5.6.7"),
        ("FROM:<a@例子.中国>".encode(), "553 5.6.7"),
        (b"FROM:<a@b.example> SIZE", "501 5.5.4"),
        (b"FROM:<a@b.example> SIZE=", "501 5.5.4"),
        (b"FROM:<a@b.example> SIZE=-1", "501 5.5.4"),
        (b"FROM:<a@b.example> SIZE=1\r", "501 5.5.4"),
        (b"FROM:<a@b.example> SIZE=" + b"9" * 21, "501 5.5.4"),
        ("FROM:<a@b.example> SIZE=١".encode(), "501 5.5.4"),
        (b"FROM:<a@b.example> SIZE=1 SIZE=2", "501 5.5.4"),
        (b"FROM:<a@b.example> BODY=BINARYMIME", "501 5.5.4"),
        (b"FROM:<a@b.example> BODY", "501 5.5.4"),
        (b"FROM:<a@b.example> SMTPUTF8=yes", "501 5.5.4"),
        (b"FROM:<a@b.example> RET=ALL", "501 5.5.4"),
        (b"FROM:<a@b.example> NOTIFY=NEVER", "555 5.5.4"),
        (b"FROM:<a@b.example> AUTH=<>", "555 5.5.4"),
        ("FROM:<a@b.example> é\x1b[2J=1".encode(), "555 5.5.4"),
    ],
)
def test_bad_mail(argument, status):
    reply = commands.mail(argument)
    assert isinstance(reply, Reply)
    assert str(reply).startswith(status + " ")
    octets = wire(reply, utf8=False)
    assert octets.count(b"\r\n") == octets.count(b"\n") == octets.count(b"\r")
    assert octets.isascii()
    assert b"\x1b" not in octets


@pytest.mark.parametrize(
    ("argument", "smtputf8", "expected"),
    [
        (b"TO:<a@b.example>", False, "a@b.example"),
        (b"to: <a@b.example> ", False, "a@b.example"),
        ("TO:<爱@b.example>".encode(), True, "爱@b.example"),
        ("TO:<爱@b.example>".encode(), False, "553 5.6.7"),
        (b"TO:<>", False, "501 5.1.3"),
        (b"TO:<nodomain>", False, "501 5.1.3"),
        (b"TO:<a b@x>", False, "501 5.1.3"),
        (b"TO:<a@b.example", False, "501 5.1.3"),
        (b"TO:a@b.example", False, "501 5.1.3"),
        (b"TO:<a\x01@b.example>", True, "501 5.1.3"),
        (b"TO:<a@b.example,c@d.example>", False, "501 5.1.3"),
        (b"TO:<a@b.example> RET=HDRS", False, "555 5.5.4"),
        (b"TO:<a@b.example> X=", False, "501 5.5.4"),
        (b"FROM:<a@b.example>", False, "501 5.5.4"),
    ],
)
def test_rcpt(argument, smtputf8, expected):
    read = commands.rcpt(argument, smtputf8)
    assert str(read.rcptto if isinstance(read, Notify) else read).startswith(expected)


def test_long_replies_are_several_lines_each_with_the_status():
    octets = wire(Reply(550, "5.7.1", "word " * 300), utf8=True)
    lines = octets.split(b"\r\n")[:-1]
    assert len(lines) == 4
    assert all(line.startswith(b"550-5.7.1 ") for line in lines[:-1])
    assert lines[-1].startswith(b"550 5.7.1 ")
    assert all(len(line) <= 510 for line in lines)
    assert wire(Reply(250, "", ""), utf8=False) == b"250 2.0.0 \r\n"


async def test_refused_addresses_leave_the_transaction_as_it_was():
    async with mailman() as host, host.client() as client:
        await client.greet()
        code, text = await client.ask(b"MAIL FROM:<nodomain>\r\n")
        assert (code, text) == (501, "5.1.7 the address has no domain: write it as name@example.com")
        assert (await client.ask(b"RCPT TO:<a@b.example>\r\n"))[0] == 503
        assert (await client.ask(b"MAIL FROM:<a@b.example>\r\n"))[0] == 250
        code, text = await client.ask(b"RCPT TO:<c\0@d.example>\r\n")
        assert (code, text) == (501, "5.1.3 the address has a control character in it")
        assert (await client.ask(b"RCPT TO:<c@d.example>\r\n"))[0] == 250
        assert (await client.ask(b"DATA\r\n"))[0] == 354
        await client.ask(b".\r\n")
        assert host.forwarder.taken[0].envelope.rcpttos == ("c@d.example",)
