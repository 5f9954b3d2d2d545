"""hedwig.mime by hypothesis: whatever the message, what comes out is 7-bit and says the same, or it is refused."""

import email
import email.header
import re

from hypothesis import given
from hypothesis import strategies as st

from hedwig.mime import Unconvertible
from hedwig.mime.convert import convert
from hedwig.mime.encoders import Base64, QuotedPrintable
from hedwig.mime.survey import Surveyor
from hedwig.mime.walk import Walker
from hedwig.mime.words import UNKNOWN, encoded_words
from hedwig.smtp.content import Whole

_HARD = [
    ".",
    "..",
    "From x",
    "--",
    "--b",
    "--b--",
    "-- ",
    " ",
    "\t",
    "=",
    "=20",
    "x" * 75,
    "x" * 76,
    "x" * 300,
    "",
    "--c",
]
_LINE = st.one_of(
    st.sampled_from([line.encode() for line in _HARD]),
    st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=("Cs",)), max_size=40).map(str.encode),
    st.text("你好，世界。abc ", max_size=60).map(lambda text: text.encode("gbk")),
    st.binary(max_size=200).map(lambda octets: octets.translate(None, b"\r\n\0")),
    st.lists(st.sampled_from(_HARD), max_size=5).map(lambda parts: "".join(parts).encode()),
)
_LINES = st.lists(_LINE, max_size=8).map(lambda lines: b"".join(line + b"\r\n" for line in lines))
_TYPES = st.sampled_from(["", "text/plain", "text/html; charset=gbk", "a/b", "image/png; name=x", "TEXT/PLAIN"])
_ENCODINGS = st.sampled_from(["", "7bit", "8bit", "binary", "8BIT"])


@st.composite
def _leaf(draw: st.DrawFn) -> bytes:
    kind, encoding, body = draw(_TYPES), draw(_ENCODINGS), draw(_LINES)
    head = (f"Content-Type: {kind}\r\n" if kind else "") + (
        f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else ""
    )
    return head.encode() + b"\r\n" + body


@st.composite
def _multipart(draw: st.DrawFn, parts: st.SearchStrategy[bytes]) -> bytes:
    mark = draw(st.sampled_from(["m", "n", "mn", "m--", "=_x"]))
    kind = draw(st.sampled_from(["mixed", "digest", "alternative"]))
    head = f'Content-Type: multipart/{kind}; boundary="{mark}"\r\n\r\n'.encode()
    own = b"\r\nSubject: one of many\r\n" if kind == "digest" else b""
    body = b"".join(b"--%b\r\n%b%b\r\n" % (mark.encode(), own, part) for part in draw(st.lists(parts, max_size=3)))
    end = draw(st.sampled_from([f"--{mark}--\r\n", f"--{mark}--\r\nepilogue\r\n", ""]))
    return head + draw(st.sampled_from([b"", b"preamble\r\n"])) + body + end.encode()


def _message(part: bytes) -> bytes:
    return b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n" + part


PART = st.recursive(_leaf(), lambda inner: st.one_of(_multipart(inner), inner.map(_message)), max_leaves=6)
CHAOS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(
                    b"\r\n",
                    b"--b\r\n",
                    b"--b--\r\n",
                    b"--c\r\n",
                    b"--c--\r\n",
                    b"no field\r\n",
                    b" folded\r\n",
                    b"From x\r\n",
                ),
                *(b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: multipart/digest; boundary=c\r\n"),
                *(b"Content-Type: message/rfc822\r\n", b"Content-Type: text/plain\r\n", b"Content-Type: a/b\r\n"),
                *(b"Content-Transfer-Encoding: 8bit\r\n", b"MIME-Version: 1.0\r\n", b"Subject: x\r\n"),
            ]
        ),
        _LINE.map(lambda line: line + b"\r\n"),
    ),
    max_size=25,
).map(b"".join)


def seven_bit(message: bytes, cut: int) -> bytes | None:
    pieces = [message[start : start + cut] for start in range(0, len(message), cut)]
    surveyor = Surveyor()
    for piece in pieces:
        surveyor.feed(piece)
    try:
        return b"".join(convert(pieces, surveyor.end()))
    except Unconvertible:
        return None


def leaves(message: bytes) -> list[tuple[str, bytes]]:
    parsed = email.message_from_bytes(message)
    return [
        (part.get_content_type(), part.get_payload(decode=True)) for part in parsed.walk() if not part.is_multipart()
    ]


def assert_fit(made: bytes) -> None:
    """It is taken as any body is, and there is nothing above 127 in it."""
    assert made.isascii()
    assert not Whole([made], len(made)).eight_bit
    assert not re.search(rb"[^\r\n]{999}", made)


@given(PART, st.integers(1, 200))
def test_every_part_says_the_same(part: bytes, cut: int) -> None:
    message = b"Subject: x\r\n" + part
    made = seven_bit(message, cut)
    assert made is not None
    assert_fit(made)
    assert leaves(made) == leaves(message)


@given(CHAOS, st.integers(1, 200))
def test_chaos_becomes_seven_bit_or_is_refused(message: bytes, cut: int) -> None:
    """Also where nobody can say what it means."""
    made = seven_bit(message, cut)
    if made is not None:
        assert_fit(made)
        assert seven_bit(made, 1 << 20) == made


@given(CHAOS, st.integers(1, 60))
def test_the_tokens_are_the_message(message: bytes, cut: int) -> None:
    """Not an octet is lost on the walk, or made up."""
    walker = Walker()
    tokens = [token for start in range(0, len(message), cut) for token in walker.feed(message[start : start + cut])]
    tokens += walker.end()
    walked = b"".join(
        token.octets if hasattr(token, "octets") else b"".join(token.fields) + token.blank for token in tokens
    )
    assert walked == message


@given(st.lists(_LINES, max_size=5), st.booleans())
def test_encoders_give_lines_of_76_that_decode_to_what_went_in(pieces: list[bytes], delimited: bool) -> None:
    whole = b"".join(pieces)
    for encoder, encoding in ((QuotedPrintable(), "quoted-printable"), (Base64(), "base64")):
        made = b"".join(encoder.feed(piece) for piece in pieces) + encoder.finish(delimited=delimited)
        assert max(map(len, made.split(b"\r\n"))) <= 76
        assert b"=\r\n--" not in made
        head = f"Content-Transfer-Encoding: {encoding}\r\n\r\n".encode()
        expected = whole.removesuffix(b"\r\n") if delimited and encoding == "base64" else whole
        assert email.message_from_bytes(head + made).get_payload(decode=True) == expected


@given(
    st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=200), st.binary(min_size=1, max_size=200)
)
def test_encoded_words_hold_whole_characters(text: str, octets: bytes) -> None:
    """RFC 2047 §2, §5: at most 75 octets, each decodable by itself."""
    words = encoded_words(text.encode(), "utf-8")
    assert max(map(len, words)) <= 75
    assert "".join(email.header.decode_header(word.decode())[0][0].decode("utf-8") for word in words) == text
    words = encoded_words(octets, UNKNOWN)
    assert b"".join(email.header.decode_header(word.decode())[0][0] for word in words) == octets
