"""hedwig.message: a letter is made whole once, and nothing else about it changes (I6)."""

import itertools
import re

import pytest

from hedwig.envelope import Envelope
from hedwig.lines import MAX_LINE
from hedwig.message import MessageRefused, Trace, complete, date

ID = "01HFZ0000000000000000000ZZ"
WHEN = 1700777600.0
WHOLE = b"From: a@b.example\r\nDate: x\r\nMessage-ID: <1@b>\r\n"


def trace(**changes: object) -> Trace:
    fields = {
        "queue_id": ID,
        "fqdn": "host.example",
        "helo": "box",
        "peer": "172.17.0.5",
        "protocol": "ESMTP",
        "envelope": Envelope("a@b.example", ("c@d.example",)),
        "when": WHEN,
    }
    return Trace(**(fields | changes))


def made(content: bytes, **changes: object) -> bytes:
    """The completed message without its Received field."""
    whole = complete(content, trace(**changes)).body
    return re.sub(rb"\AReceived:[^\n]*\n(?:\t[^\n]*\n)*", b"", whole)


def test_received_tells_who_where_how_and_when():
    whole = complete(WHOLE + b"\r\nhi\r\n", trace()).body
    assert whole == (
        b"Received: from box ([172.17.0.5])\r\n"
        b"\tby host.example (hedwig) with ESMTP id 01HFZ0000000000000000000ZZ\r\n"
        b"\tfor <c@d.example>; Thu, 23 Nov 2023 22:13:20 +0000\r\n" + WHOLE + b"\r\nhi\r\n"
    )


def test_several_recipients_are_not_named():
    whole = complete(WHOLE, trace(envelope=Envelope("a@b.example", ("c@d.example", "e@f.example")))).body
    assert b"c@d.example" not in whole
    assert b"id 01HFZ0000000000000000000ZZ;\r\n\tThu, 23 Nov 2023 22:13:20 +0000\r\nFrom:" in whole


def test_a_header_of_ours_needs_no_smtputf8_unless_an_address_does():
    """RFC 6531 §3.2: a domain in U-labels would make a letter undeliverable that A-labels get through."""
    whole = complete(b"", trace(envelope=Envelope("a@例子.中国", ("c@例子.中国",)))).body
    assert whole.isascii()
    assert b"\r\n\tfor <c@xn--fsqu00a.xn--fiqs8s>; " in whole
    assert b"\r\nFrom: a@xn--fsqu00a.xn--fiqs8s\r\n" in whole
    whole = complete(b"", trace(envelope=Envelope("", ("用户@例子.中国",)))).body
    assert "\tfor <用户@例子.中国>; ".encode() in whole


def test_an_ehlo_name_can_not_forge_a_header():
    whole = complete(WHOLE, trace(helo="x (y); <z@q>\r\nBcc: evil", peer="2001:db8::1", peer_name="web 1")).body
    assert whole.startswith(b"Received: from x??y????z?q???Bcc:?evil (web?1 [IPv6:2001:db8::1])\r\n\tby host.example ")


def test_date_is_rfc_5322_whatever_the_locale():
    assert date(0) == "Thu, 01 Jan 1970 00:00:00 +0000"
    assert date(951825600.9) == "Tue, 29 Feb 2000 12:00:00 +0000"


def test_missing_fields_are_added_below_the_others():
    assert made(b"Subject: x\r\n\r\nhi\r\n") == (
        b"Subject: x\r\nDate: Thu, 23 Nov 2023 22:13:20 +0000\r\n"
        b"Message-ID: <01HFZ0000000000000000000ZZ@host.example>\r\n"
        b"From: a@b.example\r\n\r\nhi\r\n"
    )


def test_a_null_sender_gets_a_from_of_this_host():
    assert b"\r\nFrom: MAILER-DAEMON@host.example\r\n" in made(b"S: x\r\n\r\n", envelope=Envelope("", ("c@d.example",)))


@pytest.mark.parametrize("name", [b"FROM", b"from", b"From "])
def test_field_names_are_known_in_any_case_and_with_a_blank_before_the_colon(name):
    header = name + b": a@b.example\r\ndAtE: x\r\nmessage-id:\r\n <1@b>\r\n"
    assert made(header + b"\r\nbody\r\n") == header + b"\r\nbody\r\n"


def test_private_fields_go_with_their_continuation_lines():
    header = (
        b"Bcc: one@x,\r\n two@x,\r\n\tthree@x\r\nTo: t@x\r\nRETURN-PATH: <r@x>\r\nresent-bcc: q@x\r\n p@x\r\n" + WHOLE
    )
    assert (
        made(header + b"\r\nBcc: stays in the body\r\n") == b"To: t@x\r\n" + WHOLE + b"\r\nBcc: stays in the body\r\n"
    )


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b"just text\r\nFrom: me\r\n", b"just text\r\nFrom: me\r\n"),
        (b" begins with a blank: x\r\n", b" begins with a blank: x\r\n"),
        (b"\r\nSubject: body\r\n", b"Subject: body\r\n"),
        (b": no name\r\n", b": no name\r\n"),
        ("标题：中文\r\n".encode(), "标题：中文\r\n".encode()),
        (b"From me to you\r\n", b"From me to you\r\n"),
    ],
)
def test_text_without_a_header_becomes_the_body(content, body):
    header, _, rest = made(content).partition(b"\r\n\r\n")
    assert rest == body
    assert header.count(b"\r\n") == 2
    assert header.startswith(b"Date: ")


def test_a_line_that_is_no_field_ends_the_header():
    assert made(WHOLE + b"no field\r\nTo: x\r\n") == WHOLE + b"\r\nno field\r\nTo: x\r\n"


@pytest.mark.parametrize("first", [b"From a@b Thu Nov 23 22:13:20 2023\r\n", b">From a@b x\r\n"])
def test_a_mailbox_from_line_is_kept_under_another_name(first):
    assert made(first + WHOLE + b"\r\nx\r\n") == b"X-Mailbox-Line: " + first + WHOLE + b"\r\nx\r\n"


@pytest.mark.parametrize("content", [b"", b"\r\n", WHOLE, b"Subject: x"])
def test_small_letters_are_whole_too(content):
    whole = complete(content, trace()).body
    assert whole.startswith(b"Received: ")
    assert whole.endswith(b"\r\n")
    for name in (b"From:", b"Date:", b"Message-ID:"):
        assert whole.count(name) == 1


def test_every_mixture_of_cr_and_lf_leaves_only_crlf():
    """All sequences of up to six of CR, LF, dot and x: no bare CR or LF is left, and x and dots stay in order."""
    for length in range(7):
        for letters in itertools.product(b"\r\n.x", repeat=length):
            text = bytes(letters)
            body = made(WHOLE + b"\r\n" + text)[len(WHOLE) + 2 :]
            assert not re.search(rb"\r(?!\n)|(?<!\r)\n", body), text
            assert body.translate(None, b"\r\n") == text.translate(None, b"\r\n")


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\rb\r\n", b"a\r\nb\r\n"),
        (b"a\r\r\nb\r\r\r\n", b"a\r\nb\r\n"),
        (b"a\n.\r\nb", b"a\r\n.\r\nb\r\n"),
        (b"a\n\rb\r\n", b"a\r\n\r\nb\r\n"),
    ],
)
def test_line_ends_become_crlf(sent, arrives):
    assert made(WHOLE + b"\r\n" + sent) == WHOLE + b"\r\n" + arrives


def test_a_letter_with_unix_line_ends_keeps_its_header():
    assert made((WHOLE + b"\r\none\r\n\r\ntwo\r\n").replace(b"\r\n", b"\n")) == WHOLE + b"\r\none\r\n\r\ntwo\r\n"


def test_a_bare_cr_in_the_header_can_not_begin_a_field():
    assert made(b"Subject: hi\rReply-To: evil@x\r\n" + WHOLE + b"\r\na\rb\r\n") == (
        b"Subject: hi Reply-To: evil@x\r\n" + WHOLE + b"\r\na\r\nb\r\n"
    )


def test_a_nul_is_refused():
    with pytest.raises(MessageRefused) as refused:
        complete(WHOLE + b"\r\na\0b\r\n", trace())
    assert str(refused.value.reply).startswith("554 5.6.0 ")


def test_a_loop_is_refused_at_the_51st_hop():
    hops = b"Received: from x\r\n\tby y\r\n"
    assert complete(hops * 50 + WHOLE, trace()).body.count(b"eceived:") == 51
    with pytest.raises(MessageRefused) as refused:
        complete(hops * 30 + WHOLE + b"RECEIVED: z\r\n" * 21, trace())
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (554, "5.4.6")


def test_a_giant_header_is_refused_in_little_time():
    with pytest.raises(MessageRefused) as refused:
        complete(b"a:\r\n" * 1_000_000, trace())
    assert refused.value.reply.enhanced == "5.3.4"


def test_every_byte_of_a_body_arrives():
    """Every byte but NUL, CR and LF, in lines of all lengths up to the limit; the very same bytes come out."""
    every = bytes(byte for byte in range(1, 256) if byte not in b"\r\n")
    body = b"".join((every * 4)[: length + 1] + b"\r\n" for length in range(MAX_LINE))
    assert made(WHOLE + b"\r\n" + body) == WHOLE + b"\r\n" + body


@pytest.mark.parametrize("length", [998, 999, 1000, 1996, 5000])
@pytest.mark.parametrize("where", ["header", "body"])
def test_long_lines_are_cut_and_nothing_is_lost(length, where):
    line = b"X-Long:" + b"a" * (length - 7)
    content = line + b"\r\n" + WHOLE + b"\r\n" if where == "header" else WHOLE + b"\r\nx\r\n" + line + b"\r\ny\r\n"
    out = made(content)
    assert all(len(one) <= MAX_LINE for one in out.split(b"\r\n"))
    assert out.replace(b"\r\n ", b"") == content
    assert (out == content) == (length <= MAX_LINE)
    assert out.count(b"From: ") == 1


def test_a_long_line_with_blanks_is_folded_at_a_blank():
    line = b"References:" + b" <0123456789@host.example>" * 200
    out = made(line + b"\r\n" + WHOLE + b"\r\n")
    assert out.replace(b"\r\n <", b" <") == line + b"\r\n" + WHOLE + b"\r\n"
    assert all(len(one) <= MAX_LINE for one in out.split(b"\r\n"))


@pytest.mark.parametrize("charset", ["utf-8", "gbk", "big5"])
@pytest.mark.parametrize("lead", ["", "a", "ab", "abc"])
def test_no_character_is_cut_in_two(charset, lead):
    text = lead + "漢字測試" * 900
    body = made(WHOLE + b"\r\n" + text.encode(charset) + b"\r\n")[len(WHOLE) + 2 :]
    lines = body.split(b"\r\n")
    assert all(len(line) <= MAX_LINE for line in lines)
    assert "".join(line.decode(charset).removeprefix(" ") for line in lines) == text


def test_25_mib_in_one_line_or_in_many_is_quick():
    """Under a second of CPU each (measured: 0.06 and 0.2 s); a quadratic search would take minutes."""
    import time

    for body in (b"x" * (25 << 20), (b"x" * 76 + b"\r\n") * 336_000, b"\n" * (5 << 20), "中".encode("gbk") * (5 << 20)):
        began = time.process_time()
        complete(WHOLE + b"\r\n" + body, trace())
        assert time.process_time() - began < 2
