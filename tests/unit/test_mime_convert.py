"""hedwig.mime: an 8-bit message becomes a 7-bit one that says the same, read by Python's own email package."""

import email
import email.message
import email.policy
import itertools
import re
from collections.abc import Iterator

import pytest

from hedwig.mime import Unconvertible
from hedwig.mime.convert import convert
from hedwig.mime.survey import Survey, Surveyor

UTF8 = "你好，斯泰诺特！\r\n.点\r\n.\r\n..\r\nFrom 我\r\n尾 \r\n\t\r\n= 1\r\n".encode()
GBK = "你好，斯泰诺特！\r\n.点\r\n.\r\nFrom 我\r\n联通\r\n".encode("gbk")


def surveyed(pieces: list[bytes]) -> Survey:
    surveyor = Surveyor()
    for piece in pieces:
        surveyor.feed(piece)
    return surveyor.end()


def converted(message: bytes, cut: int = 1 << 20) -> bytes:
    pieces = [message[start : start + cut] for start in range(0, len(message), cut)]
    made = b"".join(convert(pieces, surveyed(pieces)))
    assert_fit(made)
    return made


def assert_fit(made: bytes) -> None:
    """ASCII, CRLF and nothing else for a line end, no line that is too long (I6)."""
    assert made.isascii()
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", made)
    assert made.endswith(b"\r\n") or not made
    assert max(map(len, made.split(b"\r\n"))) <= 998


def parsed(message: bytes) -> email.message.Message:
    return email.message_from_bytes(message, policy=email.policy.compat32)


def leaves(message: bytes) -> list[tuple[str, bytes]]:
    """Each part's type and what is in it, decoded."""
    return [
        (part.get_content_type(), part.get_payload(decode=True))
        for part in parsed(message).walk()
        if not part.is_multipart()
    ]


def encodings(message: bytes) -> list[str]:
    return [str(part.get("Content-Transfer-Encoding", "")) for part in parsed(message).walk()]


def text(body: bytes, *fields: str) -> bytes:
    lines = ("Subject: x", "MIME-Version: 1.0", *fields)
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def multi(*parts: bytes, kind: str = "mixed", boundary: str = "b", preamble: bytes = b"", end: bytes = b"") -> bytes:
    """A multipart entity's header and body; `end` follows the last part."""
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
    mark = f"--{boundary}".encode()
    return head + preamble + b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + (end or mark + b"--\r\n")


def part(body: bytes, kind: str = "text/plain; charset=utf-8", encoding: str = "8bit") -> bytes:
    head = f"Content-Type: {kind}\r\n" + (f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else "")
    return head.encode() + b"\r\n" + body


TOP = b"Subject: x\r\nMIME-Version: 1.0\r\n"
BINARY = bytes(byte for byte in range(1, 256) if byte not in b"\r\n") * 3
QUOTED_RAW = b"=E4=BD=A0\xe5\xa5\xbd =\r\n\xe5\xa5\xbd=\r\n= \r\nx\r\n"
INNER = text(UTF8, "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit")

CORPUS = {
    "utf-8": INNER,
    "gbk": text(GBK, "Content-Type: text/plain; charset=gb2312", "Content-Transfer-Encoding: 8bit"),
    "binary": text(UTF8, "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: BINARY (as is)"),
    "html": text(UTF8, "Content-Type: text/html; charset=utf-8", "content-transfer-encoding:8bit"),
    "declared 7bit": text(UTF8, "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 7bit"),
    "no encoding": text(UTF8, "Content-Type: text/plain; charset=utf-8"),
    "a made-up encoding": text(UTF8, "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: utf-8"),
    "two encodings": text(GBK, "Content-Transfer-Encoding: 8bit", "Content-Transfer-Encoding: 8bit"),
    "a long line": text(UTF8 + "很".encode() * 300 + b"\r\n" + b"x" * 998 + b"\r\n", "Content-Type: text/plain"),
    "no MIME": b"Subject: x\r\n\r\n" + UTF8,
    "no MIME, gbk": b"Subject: x\r\n\r\n" + GBK,
    "no header": b"\r\n" + GBK,
    "no final line end": INNER.removesuffix(b"\r\n"),
    "an attachment": TOP + multi(part(UTF8), part(BINARY, "a/b"), part(b"eA==", "image/png", "base64")),
    "an attachment of 57 octets": TOP + multi(part(b"\xff" * 57, "a/b"), part(b"\xff" * 55 + b"\r\n", "a/b")),
    "an attachment of blank lines": TOP + multi(part(b"\xff\r\n\r\n\r\n", "a/x"), part(b"", "a/x")),
    "a single attachment": text(BINARY + b"\r\n\r\n", "Content-Type: application/zip"),
    "nested": TOP + multi(multi(part(UTF8), part(GBK), boundary="b.1", kind="alternative"), part(BINARY, "image/gif")),
    "a message in it": TOP + multi(part(b"see\r\n"), part(INNER, "message/rfc822")),
    "a message in a message": TOP + multi(part(text(INNER, "Content-Type: message/rfc822"), "message/rfc822", "")),
    "a digest": TOP + multi(b"\r\n" + INNER, b"\r\n" + INNER, kind="digest"),
    "filler": TOP + multi(part(UTF8), preamble=b"This is MIME.\r\n", end=b"--b--\r\nThe end.\r\n--b\r\n"),
    "no last delimiter": TOP + multi(part(UTF8), part(UTF8), end=b"\r\n"),
    "no last inner delimiter": TOP + multi(multi(part(UTF8), boundary="i", end=b"\r\n"), part(GBK)),
    "no delimiter at all": TOP + b"Content-Type: multipart/mixed; boundary=b\r\n\r\nonly filler\r\n",
    "no boundary": TOP + b"Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\n" + UTF8,
    "delimiters with blanks": TOP + multi(part(UTF8)).replace(b"--b\r\n", b"--b \t\r\n").replace(b"b--", b"b-- "),
    "delimiters in the text": TOP + multi(part(b"--\r\n--c\r\n--bb\r\n--b-\r\n-- b\r\n" + UTF8)),
    "a boundary like another": TOP + multi(multi(part(UTF8), boundary="bb"), multi(part(GBK), boundary="b-")),
    "the same boundary": TOP + multi(multi(part(UTF8)), part(GBK)),
    "parts without a header": TOP + multi(b"\r\n" + UTF8, b"\r\n" + GBK, b"\r\nascii"),
    "parts without a blank line": TOP + multi(UTF8, b"ascii", b"", b"Content-Type: text/plain"),
    "a part that is too short": TOP + multi(part(UTF8)).replace(b"--b--", b"--b\r\n--b--"),
    "folded fields": TOP
    + b"Content-Type: multipart/mixed;\r\n\tboundary=\r\n b\r\n\r\n--b\r\n"
    + part(UTF8)
    + b"--b--",
    "a continued boundary": TOP + b"Content-Type: multipart/x; boundary*0=a; boundary*1=b\r\n\r\n--ab\r\n" + part(UTF8),
    "encoded parts": TOP + multi(part(UTF8), part(b"=E4=BD=A0 =\r\n=3D\r\n", encoding="Quoted-Printable")),
    "quoted-printable with raw octets": TOP + multi(part(QUOTED_RAW, encoding="quoted-printable")),
    "base64 with raw octets": TOP + multi(part(b"eHh4\xa0\r\neHh4\xff\r\n", encoding="base64")),
    "message/delivery-status": TOP
    + multi(part(b"Reporting-MTA: dns; x\r\n\r\nX: \xe4\r\n", "message/delivery-status")),
}


@pytest.mark.parametrize("name", CORPUS)
def test_every_part_says_the_same(name: str) -> None:
    """By type and content; and the structure is the same, for nothing but leaves is compared."""
    message = CORPUS[name]
    made = converted(message)
    assert leaves(made) == leaves(message if message.endswith(b"\r\n") else message + b"\r\n")
    assert not {"8bit", "binary"} & set(encodings(made))


@pytest.mark.parametrize("name", CORPUS)
def test_pieces_may_be_cut_anywhere(name: str) -> None:
    message = CORPUS[name]
    whole = converted(message)
    assert [leaves(converted(message, cut)) for cut in (1, 2, 3, 7, 61)] == [leaves(whole)] * 5


@pytest.mark.parametrize("name", CORPUS)
def test_what_is_converted_needs_no_more(name: str) -> None:
    made = converted(CORPUS[name])
    assert not surveyed([made]).eight_bit
    assert converted(made) == made


def test_text_becomes_quoted_printable_and_its_fields_stand_where_they_stood() -> None:
    message = (
        b"Subject: x\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/plain; charset=gbk\r\n"
        b"MIME-Version: 1.0\r\nX-Last: y\r\n\r\n" + "你好\r\n.\r\nblank \r\n".encode("gbk")
    )
    assert converted(message) == (
        b"Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=gbk\r\n"
        b"MIME-Version: 1.0\r\nX-Last: y\r\n\r\n=C4=E3=BA=C3\r\n=2E\r\nblank=20\r\n"
    )


@pytest.mark.parametrize(
    ("body", "charset"), [("你好\r\n".encode(), b"utf-8"), ("你好\r\n".encode("gbk"), b"unknown-8bit")]
)
def test_a_message_that_knows_no_mime_learns_it(body: bytes, charset: bytes) -> None:
    """RFC 1428 §3: what isn't known is not made up."""
    head, _, quoted = converted(b"Subject: x\r\n\r\n" + body).partition(b"\r\n\r\n")
    assert head == (
        b"Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=" + charset
        + b"\r\nMIME-Version: 1.0"
    )  # fmt: skip
    assert quoted.startswith(b"=")


def test_containers_are_relabelled_and_only_what_must_be_is_encoded() -> None:
    """RFC 2045 §6.4: multipart and message are 7bit; a part that is ASCII keeps its octets."""
    message = (
        TOP
        + b"Content-Transfer-Encoding: 8bit\r\n"
        + multi(part(b"ascii = ascii \r\n"), part(BINARY, "a/x"), part(INNER, "message/rfc822"), part(b"x", "", ""))
    )
    made = converted(message)
    assert encodings(made) == ["7bit", "7bit", "base64", "7bit", "quoted-printable", ""]
    assert b"\r\n\r\nascii = ascii \r\n" in made


def test_what_is_signed_is_not_touched() -> None:
    """RFC 1847 §2.1, RFC 3156 §3: beside it others may be; its own labels stay, too."""
    signed = multi(part(b"x = \r\n"), part(b"sig", "application/pgp-signature", ""), kind="signed", boundary="s")
    made = converted(TOP + multi(part(UTF8), signed))
    assert signed in made
    assert encodings(made) == ["", "quoted-printable", "", "8bit", ""]


def test_what_nobody_is_shown_loses_its_octets() -> None:
    """RFC 2046 §5.1.1: preamble and epilogue are to be ignored; they have no encoding."""
    message = TOP + multi(part(b"x"), preamble="前言\r\n".encode(), end=b"--b--\r\nfin\xe9\r\n")
    made = converted(message)
    assert b"\r\n\r\n??????\r\n--b\r\n" in made
    assert made.endswith(b"--b--\r\nfin?\r\n")


def test_a_line_that_is_broken_makes_no_delimiter() -> None:
    """What stands in a text must not become a part of its own, and be read as one by whoever scans it."""
    evil = b"x" * 75 + b"--b"
    message = TOP + multi(part("好\r\n".encode() + evil + b"\r\nContent-Type: text/html\r\n\r\n<script>\r\n"))
    made = converted(message)
    assert len(leaves(made)) == 1
    assert leaves(made) == leaves(message)
    assert max(map(len, made.split(b"\r\n"))) <= 76


SIGNED = multi(part(UTF8), part(b"sig", "application/pgp-signature", ""), kind="signed", boundary="s")
REFUSED = {
    "a signed part": (TOP + SIGNED, "multipart/signed"),
    "a signed part in a message in it": (TOP + multi(part(TOP + SIGNED, "message/rfc822")), "multipart/signed"),
    "a signed message": (TOP + multi(part(INNER, "message/rfc822", ""), part(b"sig"), kind="signed"), "signed"),
    "a signed header": (TOP + multi(b"X: \xe4\r\n\r\nx", part(b"sig"), kind="signed"), "signed"),
    "message/partial": (TOP + b"Content-Type: message/partial; id=1; number=1\r\n\r\n" + UTF8, "message/partial"),
    "an unknown encoding": (text(UTF8, "Content-Transfer-Encoding: x-uuencode"), "x-uuencode"),
    "a boundary": (TOP + "Content-Type: multipart/mixed; boundary=界\r\n\r\n--界\r\n\r\nx".encode(), "boundary"),
    "too many parts": (TOP + multi(*itertools.repeat(b"\r\nx", 1001), part(UTF8)), "1000 parts"),
    "messages in messages": (b"Content-Type: message/rfc822\r\n\r\n" * 1001 + UTF8, "1000 parts"),
    "a long header": (TOP + multi(b"X: y\r\n" * 200_000 + b"\r\n" + UTF8), "header of more"),
    "a line without end": (TOP + b"\r\n\xff" + b"x" * (1 << 21), "line of more"),
    "a Message-ID": (b"Message-ID: <\xe4@x>\r\n\r\nx\r\n", "the field Message-ID"),
    "an address": ("To: <用户@x.org>\r\n\r\nx\r\n".encode(), "needs SMTPUTF8"),
}


def deep() -> bytes:
    inner = part(UTF8)
    for number in range(101):
        inner = multi(inner, boundary=f"n{number}")
    return TOP + inner


@pytest.mark.parametrize(("message", "why"), [*REFUSED.values(), (deep(), "100 deep")], ids=[*REFUSED, "too deep"])
def test_what_cant_be_converted_is_refused(message: bytes, why: str) -> None:
    """With the reason, and whatever was cut where."""
    for cut in (4096, 1 << 22):
        with pytest.raises(Unconvertible, match=why):
            converted(message, cut)
    assert surveyed([message]).eight_bit


def test_a_message_in_ascii_is_never_too_odd() -> None:
    """Whatever its structure: it is not converted, so nothing is wrong with it."""
    assert not surveyed([TOP + multi(*itertools.repeat(b"\r\nx", 1001))]).eight_bit
    assert not surveyed([REFUSED["an unknown encoding"][0].replace(UTF8, b"x\r\n")]).eight_bit


@pytest.mark.parametrize("signature", [b"DKIM-Signature: v=1; a=rsa-sha256\r\n", b"dkim-signature : v=1\r\n"])
def test_a_signature_that_will_break_is_seen(signature: bytes) -> None:
    assert surveyed([signature + INNER]).dkim
    assert not surveyed([INNER]).dkim
    assert not surveyed([TOP + multi(part(signature + INNER, "message/rfc822"))]).dkim


def large() -> Iterator[bytes]:
    """12 MiB: a text of GBK and an attachment."""
    yield TOP + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
    yield from itertools.repeat(GBK * 1000, 60)
    yield b"--b\r\nContent-Type: a/x\r\n\r\n"
    yield from itertools.repeat(BINARY * 100 + b"\r\n", 100)
    yield b"--b--\r\n"


def test_a_large_message_is_converted_piece_by_piece() -> None:
    """No more than a piece or so is held at a time."""
    surveyor = Surveyor()
    for piece in large():
        surveyor.feed(piece)
    survey = surveyor.end()
    taken = given = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for piece in large():
            taken += len(piece)
            yield piece

    made = []
    for piece in convert(counted(), survey):
        given += len(piece)
        made.append(piece)
        assert given >= taken - 1000  # 7-bit text is longer: so what is held back is less than that
    assert leaves(b"".join(made)) == leaves(b"".join(large()))
