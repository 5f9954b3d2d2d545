"""hedwig.smtp.parser: what a host may send, in whatever pieces, and what of it is a reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedwig.reply import Reply
from hedwig.smtp.events import Heard, ProtocolError
from hedwig.smtp.parser import MAX_KEPT, MAX_LINE, MAX_LINES, ReplyParser


def parse(octets: bytes, step: int = 0) -> list[Heard]:
    parser = ReplyParser()
    heard = []
    for start in range(0, len(octets), step or len(octets)):
        parser.feed(octets[start : start + (step or len(octets))])
        while (reply := parser.next()) is not None:
            heard.append(reply)
    assert not parser.pending
    return heard


@pytest.mark.parametrize(
    ("octets", "code", "lines"),
    [
        (b"250 ok\r\n", 250, ("ok",)),
        (b"250 ok\n", 250, ("ok",)),
        (b"250\r\n", 250, ("",)),
        (b"250 \r\n", 250, ("",)),
        (b"250-\r\n250 \r\n", 250, ("", "")),
        (b"250-one\r\n250-two\n250 three\r\n", 250, ("one", "two", "three")),
        (b"250-one\r\n250\r\n", 250, ("one", "")),
        (b"250-one\r\n251 two\r\n", 251, ("one", "two")),
        (b"550 \xe6\xb2\xa1\xe6\x9c\x89\r\n", 550, ("没有",)),
        (b"550 \xff\xfe\r\n", 550, ("\ufffd\ufffd",)),
        (b"550 a\rb\r\n", 550, ("a\rb",)),
        (b"550 a\x00b\r\n", 550, ("a\x00b",)),
    ],
)
def test_a_reply_is_read_whole(octets: bytes, code: int, lines: tuple[str, ...]) -> None:
    """Whether it comes at once or an octet at a time."""
    assert parse(octets) == [Heard(code, lines)]
    assert parse(octets, step=1) == [Heard(code, lines)]


@pytest.mark.parametrize(
    "octets",
    [
        b"hello\r\n",
        b"\r\n",
        b"25 ok\r\n",
        b"2500 ok\r\n",
        b"250_ok\r\n",
        b"150 wait\r\n",
        b"650 ok\r\n",
        b"050 ok\r\n",
        b" 250 ok\r\n",
        b"\xb2\xb5\xb0 ok\r\n",
        b"250-ok\r\n550 no\r\n",
        b"550-no\r\n250 ok\r\n",
        b"250-ok\r\nand more\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\x16\x03\x01\x02\x00\r\n",
    ],
)
def test_garbage_is_an_error_and_no_reply(octets: bytes) -> None:
    """Nothing that is not surely a reply may count as one."""
    parser = ReplyParser()
    parser.feed(octets)
    with pytest.raises(ProtocolError):
        parser.next()


def test_replies_before_garbage_still_count() -> None:
    parser = ReplyParser()
    parser.feed(b"250 ok\r\nrubbish\r\n")
    assert parser.next() == Heard(250, ("ok",))
    with pytest.raises(ProtocolError, match="rubbish"):
        parser.next()


def test_a_long_line_is_cut_and_a_longer_one_refused() -> None:
    """MAX_KEPT octets are kept, up to MAX_LINE are read over, past that the host is not believed."""
    assert parse(b"250 " + b"x" * (MAX_LINE - 5) + b"\r\n") == [Heard(250, ("x" * MAX_KEPT,))]
    parser = ReplyParser()
    parser.feed(b"250 " + b"x" * MAX_LINE + b"\r\n")
    with pytest.raises(ProtocolError, match="line of more than"):
        parser.next()


def test_a_line_without_end_is_refused_when_it_passes_the_bound() -> None:
    """A host that sends for ever fills no memory."""
    parser = ReplyParser()
    with pytest.raises(ProtocolError):
        for _ in range(MAX_LINE // 1000 + 2):
            parser.feed(b"2" * 1000)
            assert parser.next() is None


def test_a_reply_of_too_many_lines_is_refused() -> None:
    assert len(parse(b"250-x\r\n" * (MAX_LINES - 1) + b"250 x\r\n")[0].lines) == MAX_LINES
    parser = ReplyParser()
    parser.feed(b"250-x\r\n" * MAX_LINES)
    with pytest.raises(ProtocolError, match="lines"):
        parser.next()


def test_half_a_reply_is_pending() -> None:
    """`pending` is how octets out of turn are noticed, also those inside a multi-line reply."""
    parser = ReplyParser()
    assert not parser.pending
    parser.feed(b"2")
    assert parser.next() is None
    assert parser.pending
    parser.feed(b"50-a\r\n")
    assert parser.next() is None
    assert parser.pending
    parser.feed(b"250 b\r\n")
    assert parser.next() is not None
    assert not parser.pending


@pytest.mark.parametrize(
    ("heard", "reply"),
    [
        (Heard(550, ("5.1.1 no such user",)), Reply(550, "5.1.1", "no such user")),
        (Heard(550, ("5.1.1 no", "5.1.1 such", "5.1.1 user")), Reply(550, "5.1.1", "no such user")),
        (Heard(550, ("5.1.1 no", "5.7.1 such")), Reply(550, "5.1.1", "no 5.7.1 such")),
        (Heard(250, ("ok", "queued")), Reply(250, "", "ok queued")),
        (Heard(250, ("5.0.0 odd",)), Reply(250, "", "5.0.0 odd")),
        (Heard(250, ("a\r\nb\x00c",)), Reply(250, "", "a b c")),
    ],
)
def test_lines_become_one_text(heard: Heard, reply: Reply) -> None:
    """Joined with a space, the repeated enhanced status once, nothing that ends a log line (I11)."""
    assert heard.reply == reply


@given(
    st.lists(
        st.tuples(st.sampled_from([220, 250, 354, 421, 550]), st.lists(st.text("ab c", max_size=9), min_size=1)),
        max_size=5,
    ),
    st.integers(1, 20),
)
def test_any_cut_gives_the_same_replies(replies: list[tuple[int, list[str]]], step: int) -> None:
    octets = b"".join(
        b"".join(f"{code}-{line}\r\n".encode() for line in lines[:-1]) + f"{code} {lines[-1]}\r\n".encode()
        for code, lines in replies
    )
    expected = [Heard(code, tuple(lines)) for code, lines in replies]
    assert parse(octets, step if octets else 1) == expected
