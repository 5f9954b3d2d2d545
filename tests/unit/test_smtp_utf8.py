"""Internationalized mail (RFC 6530-6533): who can have a message where the host has SMTPUTF8, and where it has not."""

import asyncio
from collections.abc import Iterator

import pytest
from smtp_host import LOOPS, Peer, a_loop, host, reach, unmarked, words

from hedwig.options import Notify, Options
from hedwig.reply import Stage
from hedwig.smtp import Said, Transaction
from hedwig.smtp.commands import Letter, compose, header_matters
from hedwig.smtp.content import header_is_ascii

WITH = {"SMTPUTF8": "", "8BITMIME": "", "DSN": ""}
WITHOUT = {"8BITMIME": "", "DSN": ""}
NEEDS = "needs SMTPUTF8 and the host does not offer it"


def transaction(*rcpttos: str, mailfrom: str = "a@example.com", options: Options = Options()) -> Transaction:  # noqa: B008
    return Transaction(mailfrom, rcpttos, lambda: (b"x",), 1, smtputf8=True, options=options)


def composed(asked: Transaction, announced: dict[str, str], *, eight_bit: bool | None = False) -> Letter:
    letter = compose(asked, announced, eight_bit)
    assert isinstance(letter, Letter)
    return letter


def refused(said: Said | Letter | None) -> str:
    """Why, in our words; it must be a 550 5.6.7 of our own."""
    assert isinstance(said, Said)
    assert said.reply is not None
    assert (said.stage, said.reply.code, said.reply.enhanced) == (Stage.LOCAL, 550, "5.6.7")
    return said.reply.text


def test_where_the_host_has_it_addresses_go_out_as_they_are() -> None:
    letter = composed(transaction("用户@例子.中国", "b@例子.中国", mailfrom="发件人@例子.中国"), WITH)
    assert letter.mail == "MAIL FROM:<发件人@例子.中国> SMTPUTF8\r\n".encode()
    assert letter.rcpts == ("RCPT TO:<用户@例子.中国>\r\n".encode(), "RCPT TO:<b@例子.中国>\r\n".encode())


def test_what_needs_nothing_goes_without_the_parameter() -> None:
    """RFC 6531 §3.4: a client that knows that SMTPUTF8 isn't needed SHOULD NOT say it."""
    assert b"SMTPUTF8" not in composed(transaction("b@example.org"), WITH).mail
    assert b"SMTPUTF8" in composed(transaction("b@example.org"), WITH, eight_bit=None).mail
    assert b"SMTPUTF8" in composed(transaction("b@例子.中国"), WITH).mail


def test_recipients_that_can_do_without_it_get_the_message() -> None:
    """RFC 6531 §3.2: domains as A-labels; only the local part that is not ASCII can't be written."""
    letter = composed(transaction("b@example.org", "用户@例子.中国", "c@例子.中国", mailfrom="a@例子.中国"), WITHOUT)
    assert letter.mail == b"MAIL FROM:<a@xn--fsqu00a.xn--fiqs8s>\r\n"
    assert letter.rcpts == (b"RCPT TO:<b@example.org>\r\n", b"RCPT TO:<c@xn--fsqu00a.xn--fiqs8s>\r\n")
    assert refused(letter.said[1]) == f"the address {NEEDS}"
    assert letter.said[0] is letter.said[2] is None


def test_a_sender_or_header_beyond_ascii_is_all_recipients_need() -> None:
    asked = transaction("b@example.org", "c@example.org", mailfrom="发件人@example.com")
    assert refused(compose(asked, WITHOUT, False)) == f"the sender's address {NEEDS}"
    asked = transaction("b@example.org")
    assert refused(compose(asked, WITHOUT, True, utf8_header=True)) == f"the message's header {NEEDS}"
    assert isinstance(compose(asked, WITHOUT, True), Letter)  # text in the body alone needs 8BITMIME, and no more


@pytest.mark.parametrize("announced", [{}, {"SMTPUTF8": ""}])
def test_without_8bitmime_there_is_no_smtputf8(announced: dict[str, str]) -> None:
    """RFC 6531 §3.1 (8): a host that announces it alone is broken, and has neither."""
    asked = transaction("用户@例子.中国", "b@例子.中国")
    letter = composed(asked, announced)
    assert letter.rcpts == (b"RCPT TO:<b@xn--fsqu00a.xn--fiqs8s>\r\n",)
    assert refused(letter.said[0]) == f"the address {NEEDS}"
    assert header_matters(asked, announced)


def test_an_original_recipient_in_utf_8_goes_to_either_host() -> None:
    """RFC 6533 §3: in the form that both take."""
    options = Options(notify=(Notify("b@例子.中国", ("FAILURE",), "utf-8;收件@例子.中国"),))
    for announced in (WITH, WITHOUT):
        [rcpt] = composed(transaction("b@例子.中国", options=options), announced).rcpts
        assert rcpt.endswith(
            rb"> NOTIFY=FAILURE ORCPT=utf-8;\x{6536}\x{4EF6}@\x{4F8B}\x{5B50}.\x{4E2D}\x{56FD}" + b"\r\n"
        )


@pytest.mark.parametrize(
    ("message", "ascii_header"),
    [
        (b"Subject: x\r\n\r\n\xe4", True),
        (b"Subject: \xe4\r\n\r\nx", False),
        (b"\r\n\xe4", True),
        (b"\r\n\r\n\xe4", True),
        (b"Subject: x\r\n", True),
        (b"Subject: x\r\nTo: \xe4", False),
        (b"", True),
    ],
)
def test_the_header_is_told_from_the_body_wherever_it_is_cut(message: bytes, ascii_header: bool) -> None:
    for cut in range(len(message) + 1):
        assert header_is_ascii([message[:cut], b"", message[cut:]]) is ascii_header
    assert header_is_ascii([message[place : place + 1] for place in range(len(message))]) is ascii_header


# over a connection


@pytest.fixture(params=LOOPS)
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    yield from a_loop(request.param)


@pytest.mark.usefixtures("event_loop")
@pytest.mark.parametrize("size", [10, 300_000])
async def test_only_the_header_of_a_message_counts(size: int) -> None:
    """Small and in memory, or large and streamed: what is beyond ASCII in the body needs no SMTPUTF8."""

    def message(subject: str) -> Transaction:
        text = f"Subject: {subject}\r\n\r\n你好\r\n".encode() + b"x" * size + b"\r\n"
        return Transaction(
            "a@example.com", ("b@例子.中国",), lambda: iter([text[:9], text[9:]]), len(text), smtputf8=True
        )

    def script(peer: Peer) -> None:
        peer.open("PIPELINING", "8BITMIME")
        assert peer.group()[0] == b"MAIL FROM:<a@example.com> BODY=8BITMIME\r\n"
        peer.body()
        peer.say("250 ok")
        assert peer.rest() == b""

    async with host(script) as target:
        connection = await reach(target)
        report = await connection.send(message("你好"), unmarked)
        assert refused(report.said[0]) == f"the message's header {NEEDS}"
        assert report.reusable
        assert words(await connection.send(message("hello"), lambda: None)) == ["dot 250"]
        connection.abort()
