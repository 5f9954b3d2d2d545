"""What hedwig.message reads in the header beside making it whole: the message's wishes, which are taken out, and its
Message-ID."""

import pytest

from hedwig.envelope import Envelope
from hedwig.message import MessageRefused, Trace, Whole, complete, message_id_of
from hedwig.options import PLAIN, Options, Priority, TlsWish

WHEN = 1795492800.0
TRACE = Trace(
    "01HFZ0000000000000000000ZZ",
    "host.example",
    "box",
    "172.17.0.5",
    "ESMTP",
    Envelope("a@b.example", ("c@d.example",)),
    WHEN,
)
REST = b"From: a@b.example\r\nDate: x\r\nMessage-ID: <1@b>\r\n"


def made(header: bytes, body: bytes = b"hi\r\n") -> Whole:
    return complete(header + REST + b"\r\n" + body, TRACE)


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        (b"", PLAIN),
        (b"Hedwig-Expires: 10m\r\n", Options(deadline=WHEN + 600)),
        (b"HEDWIG-EXPIRES:10m\n", Options(deadline=WHEN + 600)),
        (b"hedwig-expires :\r\n 1h\r\n\t30m\r\n", Options(deadline=WHEN + 5400)),
        (b"Hedwig-Supersede-Key: k\r\nHedwig-Priority: Urgent\r\n", Options(supersede="k", priority=Priority.URGENT)),
        ("Hedwig-Supersede-Key: 订单-42\r\n".encode(), Options(supersede="订单-42")),
        (b"Hedwig-Supersede-Key: =?utf-8?b?6K6i5Y2VLTQy?=\r\n", Options(supersede="订单-42")),
        (b"Hedwig-Supersede-Key: =?utf-8?q?one?=\r\n =?utf-8?q?two?=\r\n", Options(supersede="onetwo")),
        (b"Hedwig-Supersede-Key: =?nonsense?b?eA==?=\r\n", Options(supersede="=?nonsense?b?eA==?=")),
        (b"Hedwig-Require-TLS: yes\r\n", Options(tls=TlsWish.REQUIRED)),
        (b"Hedwig-Supersede-Key: \xb6\xa9\r\n", Options(supersede="\\xb6\\xa9")),
    ],
)  # fmt: skip
def test_wishes_are_read_and_taken_out(lines: bytes, options: Options) -> None:
    """In any case, folded, in UTF-8 or as a mail library has encoded it; nobody else sees them."""
    whole = made(b"To: x\r\n" + lines + b"Subject: y\r\n")
    assert whole.options == options
    assert b"\r\nTo: x\r\nSubject: y\r\n" + REST + b"\r\nhi\r\n" in whole.body
    assert b"hedwig-" not in whole.body.lower()


@pytest.mark.parametrize(
    ("lines", "wish"),
    [
        (b"TLS-Required: No\r\n", TlsWish.OPTIONAL),
        (b"tls-required:\r\n no \r\n", TlsWish.OPTIONAL),
        (b"TLS-Required: Yes\r\n", TlsWish.USUAL),
        (b"TLS-Required: No\r\nTLS-Required: No\r\n", TlsWish.USUAL),
        (b"TLS-Required: No\r\nHedwig-Require-TLS: yes\r\n", TlsWish.REQUIRED),
    ],
)
def test_tls_required_is_heeded_and_stays(lines: bytes, wish: TlsWish) -> None:
    """RFC 8689 §3: it is for all on the way; and "No", once, is all that it can say."""
    whole = made(lines)
    assert whole.options.tls is wish
    assert whole.body.lower().count(b"tls-required") == lines.lower().count(b"tls-required")
    assert b"Hedwig" not in whole.body.partition(b"From: ")[2]


def test_only_the_header_counts_and_only_what_is_ours_goes() -> None:
    """In a body, in a message that is forwarded as an attachment, such a line is text; X-Hedwig- is not ours."""
    body = b"Hedwig-Expires: nonsense\r\n\r\nHedwig-Priority: urgent\r\n"
    whole = made(b"X-Hedwig-Priority: bulk\r\nHedwig: an owl\r\n", body)
    assert whole.options is PLAIN
    assert b"\r\nX-Hedwig-Priority: bulk\r\nHedwig: an owl\r\n" in whole.body
    assert whole.body.endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"Subject: x\nno field\nHedwig-Expires: 10m\n\nhi\n", "Hedwig-Expires: the header ends above at a line"),
        (b"Subject: x\r\nno field\r\nTo: y\r\nhedwig-any :x", "hedwig-any: the header ends above at a line"),
        (b"Subject: x\nHedwig-Expires 10m\n\nhi\n", "Hedwig-Expires: the header ends at a line"),
        (b"Subject: x\nHedwig-Priority", "Hedwig-Priority: the header ends at a line"),
        (b"no field\nHedwig-Priority: urgent\nSubject: x\n\n", "Hedwig-Priority: the header ends above at a line"),
    ],
)
def test_a_wish_below_a_broken_header_is_refused(text: bytes, name: str) -> None:
    """It would be body, and its writer would believe that it counts."""
    with pytest.raises(MessageRefused) as caught:
        complete(text, TRACE)
    assert str(caught.value.reply) == f"554 5.6.0 {name} that has no colon behind a name"


@pytest.mark.parametrize(
    "text",
    [
        b"Subject: x\nno field\n\nHedwig-Expires: 10m\n",
        b"Subject: x\nno field\r\n\r\nHedwig-Expires: 10m\n",
        b"just text\nof a Hedwig-Expires: 10m\nHedwig-like owls: no\n",
        b"Subject: x\nno field\n" + b"text\n" * 10_000 + b"Hedwig-Expires: 10m\n",
    ],
)
def test_a_body_may_speak_of_wishes(text: bytes) -> None:
    assert complete(text, TRACE).options is PLAIN


@pytest.mark.parametrize(
    ("lines", "status", "words"),
    [
        (b"Hedwig-Expires: whenever\r\n", "5.6.0", "Hedwig-Expires: 'whenever' is no time: write a duration like 10m"),
        (b"Hedwig-Expires:\r\n", "5.6.0", "Hedwig-Expires: '' is no time"),
        (b"Hedwig-Supersedes-Key: x\r\n", "5.6.0", "no such header line; did you mean Hedwig-Supersede-Key?"),
        (b"HEDWIG_EXPIRES: 5m\r\n", "5.6.0", "HEDWIG_EXPIRES: there is no such header line; did you mean Hedwig-Exp"),
        (b"Hedwig-Frobnicate: x\r\n", "5.6.0", "Hedwig-Frobnicate: there is no such header line; known are Hedwig-E"),
        (b"Hedwig-: x\r\n", "5.6.0", "Hedwig-: there is no such header line"),
        (b"Hedwig-Expires: \xff\r\n", "5.6.0", "is no time"),
        (b"Hedwig-Expires: Mon, 23 Nov 2026 12:00:00 +0000\r\n", "5.4.7", "and that has passed"),
        (b"Hedwig-Priority: bulk\r\nHEDWIG-PRIORITY: bulk\r\n", "5.6.0", "Hedwig-Priority is in the header twice"),
        (b"Hedwig-Priority: 1\r\n", "5.6.0", "Hedwig-Priority must be urgent, normal or bulk, not '1'"),
        (b"Hedwig-Supersede-Key:\r\n", "5.6.0", "a key is printable text"),
        (b"Hedwig-Supersede-Key:\r\n" + b" =?a?q?x" * 10_000 + b"\r\n", "5.6.0", "a key is printable text"),
    ],
)
def test_nonsense_is_refused_and_never_ignored(lines: bytes, status: str, words: str) -> None:
    with pytest.raises(MessageRefused) as caught:
        made(lines)
    assert (caught.value.reply.code, caught.value.reply.status) == (554, status)
    assert words in caught.value.reply.text
    assert caught.value.reply.text.isascii()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b"Message-ID: <1@b>", "<1@b>"),
        (b"message-id:\r\n <1@b>", "<1@b>"),
        (b"Message-Id: (by hand) <1@b> x", "<1@b>"),
        (b"MESSAGE-ID:1@b", "1@b"),
        ("Message-ID: <爱@b>".encode(), "<爱@b>"),
        (b"Message-ID: a\x01\xffb", "a?�b"),
        (b"Message-ID:", ""),
        (b"Message-ID: <" + b"x" * 600 + b">", "<" + "x" * 499),
        (b"Message-ID: <1@b>\r\nMessage-ID: <2@b>", "<1@b>"),
    ],
)
def test_the_message_id_is_known(line: bytes, named: str) -> None:
    whole = complete(b"Subject: x\r\n" + line + b"\r\n\r\nMessage-ID: <no@b>\r\n", TRACE)
    assert whole.message_id == named == message_id_of(whole.body)


def test_one_that_is_made_is_known_too() -> None:
    whole = complete(b"Subject: x\r\n\r\n", TRACE)
    assert whole.message_id == "<01HFZ0000000000000000000ZZ@host.example>" == message_id_of(whole.body)


def test_a_message_without_a_header_has_none() -> None:
    assert message_id_of(b"\r\nMessage-ID: <1@b>\r\n") == message_id_of(b"") == message_id_of(b"text\r\n") == ""
