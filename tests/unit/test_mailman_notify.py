"""DSN's parameters of MAIL and RCPT (RFC 3461 §4, RFC 6533 §3): by table, and once over a socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailman_fixtures import event_loop, mailman  # noqa: F401

from hedwig import options
from hedwig.mailman import commands, notify, transaction
from hedwig.mailman.commands import Mail
from hedwig.options import Notify, Options
from hedwig.reply import Reply
from hedwig.smtp import notify as onward


@pytest.mark.parametrize(
    ("parameters", "ret", "envid"),
    [
        ("RET=FULL", "FULL", ""),
        ("ret=hdrs ENVID=QQ314159", "HDRS", "QQ314159"),
        ("ENVID=a+20b+2Bc+3Dd", "", "a b+c=d"),
        ("ENVID=" + "x" * 100, "", "x" * 100),
        ("SIZE=5 RET=HDRS BODY=8BITMIME", "HDRS", ""),
    ],
)
def test_mail(parameters: str, ret: str, envid: str) -> None:
    read = commands.mail(f"FROM:<a@b.example> {parameters}".encode())
    assert isinstance(read, Mail)
    assert (read.ret, read.envid) == (ret, envid)


@pytest.mark.parametrize(
    ("parameters", "when", "orcpt"),
    [
        ("NOTIFY=NEVER", ("NEVER",), ""),
        ("notify=delay,Failure", ("FAILURE", "DELAY"), ""),
        ("NOTIFY=SUCCESS,SUCCESS", ("SUCCESS",), ""),
        (
            "NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;Bob@B.example",
            ("SUCCESS", "FAILURE", "DELAY"),
            "rfc822;Bob@B.example",
        ),
        ("ORCPT=x400;/C+3Dcn/", (), "x400;/C=cn/"),
        ("ORCPT=rfc822;a+20b+2Bc@x", (), "rfc822;a b+c@x"),
        (r"ORCPT=utf-8;\x{7231}\x{2B}b@x", (), "utf-8;爱+b@x"),
    ],
)
def test_rcpt(parameters: str, when: tuple[str, ...], orcpt: str) -> None:
    assert commands.rcpt(f"TO:<c@d.example> {parameters}".encode(), False) == Notify("c@d.example", when, orcpt)


def test_an_original_recipient_in_utf8_needs_smtputf8() -> None:
    """RFC 6533 §3: utf-8-addr-unitext is for SMTPUTF8; without it there is the other form."""
    argument = "TO:<c@d.example> ORCPT=utf-8;爱@x".encode()
    assert commands.rcpt(argument, True) == Notify("c@d.example", (), "utf-8;爱@x")
    refused = commands.rcpt(argument, False)
    assert isinstance(refused, Reply)
    assert refused.code == 553


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("RET", "RET is FULL or HDRS"),
        ("RET=HEADERS", "RET is FULL or HDRS"),
        ("RET=FULL RET=HDRS", "malformed parameter"),
        ("ENVID", "ENVID is 1 to 100 characters of xtext"),
        ("ENVID=", "malformed parameter"),
        ("ENVID=a+2", "ENVID is"),
        ("ENVID=a+2b", "ENVID is"),
        ("ENVID=a=b", "ENVID is"),
        ("ENVID=a+0D+0Ab", "ENVID is"),
        ("ENVID=+E7+88+B1", "ENVID is"),
        ("ENVID=é", "ENVID is"),
        ("ENVID=" + "x" * 101, "ENVID is"),
    ],
)
def test_bad_mail(parameters: str, words: str) -> None:
    read = commands.mail(f"FROM:<a@b.example> {parameters}".encode())
    assert isinstance(read, Reply)
    assert (read.code, read.status) == (501, "5.5.4")
    assert read.text.startswith(words)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("NOTIFY", "NOTIFY is NEVER"),
        ("NOTIFY=ALWAYS", "NOTIFY is NEVER"),
        ("NOTIFY=NEVER,FAILURE", "NOTIFY is NEVER"),
        ("NOTIFY=FAILURE,", "NOTIFY is NEVER"),
        ("NOTIFY=FAILURE NOTIFY=DELAY", "malformed parameter"),
        ("ORCPT=b@x", "ORCPT is type;address"),
        ("ORCPT=rfc822;", "ORCPT is"),
        ("ORCPT=;b@x", "ORCPT is"),
        ("ORCPT=rfc+822;b@x", "ORCPT is"),
        ("ORCPT=rfc822;b+0A@x", "ORCPT is"),
        ("ORCPT=rfc822;爱@x", "ORCPT is"),
        (r"ORCPT=utf-8;\x{0A}@x", "ORCPT is"),
        (r"ORCPT=utf-8;\x{FFFFFF}@x", "ORCPT is"),
        (r"ORCPT=utf-8;\x{D800}@x", "ORCPT is"),
        ("ORCPT=rfc822;" + "x" * 494, "ORCPT is"),
    ],
)
def test_bad_rcpt(parameters: str, words: str) -> None:
    read = commands.rcpt(f"TO:<c@d.example> {parameters}".encode(), True)
    assert isinstance(read, Reply)
    assert (read.code, read.status) == (501, "5.5.4")
    assert read.text.startswith(words)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30))
def test_what_goes_on_is_what_came(text: str) -> None:
    """The readers here are the inverse of the writers of the SMTP client."""
    assert notify.envid(onward.xtext(text)) == text
    assert notify.orcpt(onward.original(f"rfc822;{text}")) == f"rfc822;{text}"


@given(st.text(st.characters(blacklist_categories=("C", "Z")), min_size=1, max_size=20))
def test_addresses_in_any_script_go_on_as_they_came(text: str) -> None:
    assert notify.orcpt(onward.original(f"utf-8;{text}")) == f"utf-8;{text}"


async def test_wishes_for_reports_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has more recipients with wishes sends the rest separately, as with too many recipients; nobody is refused for
    good, and recipients without wishes are no matter."""
    monkeypatch.setattr(transaction, "MAX_NOTIFY", 2)
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.ask(b"MAIL FROM:<a@b.example>\r\n")
        codes = []
        for number in range(4):
            codes.append((await client.ask(b"RCPT TO:<%d@d.example> NOTIFY=NEVER\r\n" % number))[0])
        assert codes == [250, 250, 452, 452]
        assert (await client.ask(b"RCPT TO:<4@d.example>\r\n"))[0] == 250
        await client.ask(b"DATA\r\n")
        assert (await client.ask(b"Subject: x\r\n\r\nhi\r\n.\r\n"))[0] == 250
    (taken,) = host.forwarder.taken
    assert taken.envelope.rcpttos == ("0@d.example", "1@d.example", "4@d.example")
    assert [each.rcptto for each in taken.options.notify] == ["0@d.example", "1@d.example"]


async def test_a_key_is_for_few_recipients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused here and at once, with the words that the postoffice has for it."""
    monkeypatch.setattr(options, "MAX_KEYED", 1)
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.ask(b"MAIL FROM:<a@b.example>\r\n")
        for number in range(2):
            await client.ask(b"RCPT TO:<%d@d.example>\r\n" % number)
        await client.ask(b"DATA\r\n")
        code, said = await client.ask(b"Hedwig-Supersede-Key: otp\r\n\r\nhi\r\n.\r\n")
        assert (code, "up to 1 recipients, not 2" in str(said)) == (554, True)
    assert host.forwarder.taken == []


async def test_what_was_asked_for_goes_with_the_message_and_ends_with_it() -> None:
    """A second message on the same connection has nothing of the first one's."""
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.ask(b"MAIL FROM:<a@b.example> RET=HDRS ENVID=42\r\n")
        await client.ask(b"RCPT TO:<c@d.example> NOTIFY=NEVER\r\n")
        await client.ask(b"RCPT TO:<e@d.example>\r\n")
        assert (await client.ask(b"RCPT TO:<f@d.example> NOTIFY=OFTEN\r\n"))[0] == 501
        await client.ask(b"DATA\r\n")
        assert (await client.ask(b"Subject: x\r\n\r\nhi\r\n.\r\n"))[0] == 250
        for line in (b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<c@d.example>\r\n", b"DATA\r\n"):
            await client.ask(line)
        assert (await client.ask(b"Subject: x\r\n\r\nhi\r\n.\r\n"))[0] == 250
    asked, plain = (taken.options for taken in host.forwarder.taken)
    assert asked == Options(ret="HDRS", envid="42", notify=(Notify("c@d.example", ("NEVER",)),))
    assert plain == Options()
