"""hedwig.smtp.stuffing and content: the body arrives as it was, and nothing in it ends it early (I6)."""

import itertools
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedwig.smtp.content import Streamed, Whole
from hedwig.smtp.stuffing import BodyError, Stuffer, blocks

ENDS = ("", "\r", "\n", "\r\n", "\r\r\n", "\r\n\n", "\n\r", "\r\r", "\n\n", "\r\n\r\n", "\0", "\r\0\n")


def wire(pieces: list[bytes]) -> bytes:
    stuffer = Stuffer()
    return b"".join(stuffer.feed(piece) for piece in pieces) + stuffer.finish()


def received(octets: bytes) -> bytes:
    """What a strict host makes of what follows DATA's CRLF (RFC 5321 §4.5.2): line by line, one dot off."""
    lines = []
    for line in octets.split(b"\r\n"):
        if line == b".":
            break
        lines.append(line.removeprefix(b"."))
    return b"".join(line + b"\r\n" for line in lines)


def ends_of_data(octets: bytes) -> list[int]:
    """Where any host, however lax about line ends, might see the end of data. DATA's own CRLF stands in front."""
    return [found.start() - 1 for found in re.finditer(rb"(?=[\r\n]\.[\r\n])", b"\r\n" + octets)]


@pytest.mark.parametrize(("before", "after"), list(itertools.product(ENDS, ENDS)))
def test_no_line_end_around_a_dot_smuggles(before: str, after: str) -> None:
    """For each X.Y in the body: refused, or on the wire is exactly one end of data, and it is the last thing."""
    body = f"Subject: x\r\n\r\nbegin{before}.{after}MAIL FROM:<evil@example.com>\r\n".encode()
    for cut in range(len(body)):
        pieces = [body[:cut], body[cut:]]
        clean = not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", body)
        if not clean:
            with pytest.raises(BodyError) as refusal:
                wire(pieces)
            assert (refusal.value.reply.code, refusal.value.reply.enhanced) == (554, "5.6.0")
        else:
            sent = wire(pieces)
            assert ends_of_data(sent) == [len(sent) - 3]
            assert sent.endswith(b"\r\n.\r\n")
            assert received(sent) == body


BODY = st.lists(st.sampled_from([b".", b"..", b"\r\n", b"\r\n.", b"a", b"\xe6", b" ", b"\r\n.\r\n"])).map(b"".join)


@given(BODY, st.data())
def test_any_pieces_arrive_as_they_were(body: bytes, data: st.DataObject) -> None:
    """Stuffed and unstuffed gives the body back, with one final CRLF, wherever it was cut."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[start:end] for start, end in itertools.pairwise([0, *cuts, len(body)])]
    sent = wire(pieces)
    assert sent == wire([body])
    assert received(sent) == (body if body.endswith(b"\r\n") or not body else body + b"\r\n")
    assert ends_of_data(sent) == [len(sent) - 3]


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\0", b".", b"a", b"\r\n"])).map(b"".join), st.data())
def test_what_is_bad_is_refused_wherever_it_is_cut(body: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(body)))
    bad = re.search(rb"\r(?!\n)|(?<!\r)\n|\0", body)
    if bad is None:
        wire([body[:cut], body[cut:]])
        return
    with pytest.raises(BodyError, match=f"at octet {bad.start()}$"):
        wire([body[:cut], body[cut:]])


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b"", b".\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"..a\r\n.b", b"...a\r\n..b\r\n.\r\n"),
        (b"\r\n", b"\r\n.\r\n"),
        (b"a\r\n\r\n", b"a\r\n\r\n.\r\n"),
    ],
)
def test_one_line_end_before_the_dot(body: bytes, sent: bytes) -> None:
    assert wire([body]) == sent


def test_a_refusal_names_the_octet() -> None:
    with pytest.raises(BodyError, match="a bare LF at octet 5"):
        wire([b"ab\r\n", b"c\n"])
    with pytest.raises(BodyError, match="a bare CR at octet 3"):
        wire([b"abc\r"])
    with pytest.raises(BodyError, match="a NUL at octet 1"):
        wire([b"a\0"])


def test_large_pieces_are_cut_small_ones_kept() -> None:
    assert list(blocks([b"abcdefg", b"", b"xy"], 3)) == [b"abc", b"def", b"g", b"", b"xy"]


@pytest.mark.parametrize("streamed", [False, True])
def test_whole_and_streamed_say_the_same(streamed: bool) -> None:
    pieces = [b".a\r", b"\n", b".\xe6\r\n"]
    content = Streamed(pieces, 8, eight_bit_clean=True) if streamed else Whole(pieces, 8)
    assert b"".join(content.blocks()) + content.dot == b"..a\r\n..\xe6\r\n.\r\n"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("size", [3, 5])
def test_a_body_of_another_length_is_our_fault_and_temporary(streamed: bool, size: int) -> None:
    """A truncated body must not go out as if it were whole, and must not bounce either (I6, I8)."""
    with pytest.raises(BodyError) as refusal:
        list((Streamed([b"ab\r\n"], size, eight_bit_clean=True) if streamed else Whole([b"ab\r\n"], size)).blocks())
    assert refusal.value.reply.code == 451


def test_streamed_8bit_content_stops_at_a_7bit_host() -> None:
    content = Streamed([b"ab\r\n", b"\xe6\r\n"], 7, eight_bit_clean=False)
    sent = content.blocks()
    assert next(sent) == b"ab\r\n"
    with pytest.raises(BodyError, match=r"5\.6\.3"):
        next(sent)
    assert content.dot == b""


def test_stuffing_is_no_loop_over_lines() -> None:
    """On short lines it takes about twice what counting the line ends alone takes; a loop over lines takes fifty times
    that. Both are timed in turn, so a busy machine slows both."""
    block = b"hello.\r\n" * 32768

    def fastest(work: Callable[[], object]) -> float:
        times = []
        for _ in range(10):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
        return min(times)

    assert fastest(lambda: Stuffer().feed(block)) < 10 * fastest(lambda: block.count(b"\n"))
