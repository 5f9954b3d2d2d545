"""What was asked of notifications: RET, ENVID, ORCPT and NOTIFY=SUCCESS (RFC 3461); what doubt and deadlines say."""

import base64
import email
import email.policy
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from test_dsn import NOW, ORIGINAL, REFUSED, is_clean, read, report

from hedwig import dsn
from hedwig.dsn import Action, Undelivered
from hedwig.reply import Reply, Stage

TAKEN = Undelivered("bob@example.net", Stage.DOT, Reply(250, "2.0.0", "queued as 7"), host="mx.example.net[192.0.2.1]")
WHOLE = b"Message-ID: <1@example.org>\r\nSubject: hello\r\n\r\n.the body\r\nof it\r\n"


def third_part(made: bytes) -> email.message.Message:
    """What came back of the original."""
    return list(email.message_from_bytes(made, policy=email.policy.SMTP).iter_parts())[2]


def test_the_senders_own_names_come_back() -> None:
    """RFC 3461 §6.3 (c), (d): ENVID and ORCPT as they were given; the final recipient beside it."""
    asked = Undelivered(
        "bob@example.net", Stage.RCPT, Reply(550, "5.1.1", "no"), orcpt="rfc822;Robert@Lists.Example.NET"
    )
    _, _, (whole, first), _ = read(dsn.build(report(asked, envid="QQ=314+159 x")))
    assert next(iter(whole.keys())) == "Original-Envelope-Id"
    assert whole["Original-Envelope-Id"] == "QQ=314+159 x"
    assert list(first.keys())[:2] == ["Original-Recipient", "Final-Recipient"]
    assert first["Original-Recipient"] == "rfc822; Robert@Lists.Example.NET"
    assert first["Final-Recipient"] == "rfc822; bob@example.net"


def test_names_that_were_not_given_are_not_made_up() -> None:
    """RFC 3461 §6.3: no ENVID and no ORCPT, no such field."""
    _, _, groups, _ = read(dsn.build(report()))
    assert not {"Original-Envelope-Id", "Original-Recipient"} & {key for group in groups for key, _ in group.items()}


def test_an_original_recipient_beyond_ascii_travels_in_seven_bits() -> None:
    """RFC 6533 §3's form in message/delivery-status."""
    asked = Undelivered("b@example.net", Stage.RCPT, Reply(550, "5.1.1", "no"), orcpt="utf-8;中文@例子.cn")
    made = dsn.build(report(asked))
    assert is_clean(made)
    _, _, groups, _ = read(made)
    assert groups[1]["Original-Recipient"] == r"utf-8; \x{4E2D}\x{6587}@\x{4F8B}\x{5B50}.cn"


def test_relayed() -> None:
    """RFC 3461 §5.2.2 (b), RFC 3464 §2.3.3: taken by a host that reports no success itself; nothing failed, so only the
    header comes back, whatever RET says (RFC 3461 §4.3)."""
    made = dsn.build(report(TAKEN, action=Action.RELAYED, original=WHOLE, full=True))
    parsed, text, (_, first), returned = read(made)
    assert (first["Action"], first["Status"]) == ("relayed", "2.0.0")
    assert first["Remote-MTA"] == "dns; mx.example.net ([192.0.2.1])"
    assert first["Diagnostic-Code"] == "smtp; 250 2.0.0 queued as 7"
    assert "Will-Retry-Until" not in first
    assert parsed["Subject"] == "邮件已送交对方服务器 / Mail passed on to the receiver's server"
    assert "have taken your message" in text
    assert "250 2.0.0 queued as 7" in text
    assert "could not be delivered" not in text
    assert b"body" not in returned


@pytest.mark.parametrize(
    ("code", "enhanced", "status"), [(250, "2.1.5", "2.1.5"), (250, "", "2.0.0"), (252, "", "2.0.0")]
)
def test_a_relayed_one_has_a_status_of_success(code: int, enhanced: str, status: str) -> None:
    """RFC 3463 §2: class 2, the host's own word where it gave one."""
    taken = Undelivered("b@example.net", Stage.DOT, Reply(code, enhanced, "ok"), host="mx.example.net")
    assert read(dsn.build(report(taken, action=Action.RELAYED)))[2][1]["Status"] == status


def test_a_whole_letter_comes_back_where_it_was_asked_for() -> None:
    """RET=FULL: message/rfc822, octet by octet, and the notification stays in seven bits."""
    made = dsn.build(report(original=WHOLE, full=True))
    assert is_clean(made)
    part = third_part(made)
    assert part.get_content_type() == "message/rfc822"
    assert part["Content-Transfer-Encoding"] == "7bit"
    assert part.get_content()["Subject"] == "hello"
    assert made.count(WHOLE) == 1


def test_a_whole_eight_bit_letter_comes_back_as_it_is() -> None:
    """RFC 2046 §5.2.1 forbids base64 there: 8bit, and the whole notification says so (RFC 2045 §6.4)."""
    original = "Subject: hello\r\n\r\n正文 body\r\n".encode("gbk")
    made = dsn.build(report(original=original, full=True))
    parsed = email.message_from_bytes(made, policy=email.policy.SMTP)
    assert parsed["Content-Transfer-Encoding"] == "8bit"
    assert third_part(made)["Content-Transfer-Encoding"] == "8bit"
    assert made.count(original) == 1


@pytest.mark.parametrize(
    "original",
    [
        b"Subject: x\r\n\r\n" + b"y" * 999 + b"\r\n",
        b"Subject: x\r\n\r\nbare\nLF\r\n",
        b"Subject: x\r\n\r\nbare\rCR\r\n",
        b"Subject: x\r\n\r\nno line end",
        b"Subject: x\r\n\r\na\0b\r\n",
        b"Subject: x\r\n\r\n--=_01HF7YAT00DSN00000000000XX_dsn--\r\n",
    ],
)
def test_a_letter_that_cannot_stand_there_comes_back_as_its_header(original: bytes) -> None:
    """Nothing breaks out of its part (I11), and no broken line leaves (I6)."""
    made = dsn.build(report(original=original, full=True))
    assert is_clean(made)
    assert read(made)[3].rstrip(b"\r\n") == b"Subject: x"


def test_headers_beyond_ascii_have_their_own_types() -> None:
    """RFC 6533: message/global-headers, and message/global for the whole; base64, so that any host takes it."""
    original = "Subject: 你好\r\nFrom: 发件人@例子.cn\r\n\r\n正文\r\n".encode()
    for full, kind, returned in (
        (False, "message/global-headers", original.split(b"\r\n\r\n")[0]),
        (True, "message/global", original),
    ):
        made = dsn.build(report(original=original, full=full, smtputf8=True))
        assert is_clean(made)
        part = third_part(made)
        assert part.get_content_type() == kind
        assert part["Content-Transfer-Encoding"] == "base64"
        raw = made.partition(b"base64\r\n\r\n")[2].partition(b"base64\r\n\r\n")[2].partition(b"--=_")[0]
        assert base64.b64decode(raw).rstrip(b"\r\n") == returned.rstrip(b"\r\n")


def test_careless_utf8_in_a_header_needs_no_new_type() -> None:
    """Handed in without SMTPUTF8: the types that every program reads."""
    made = dsn.build(report(original="Subject: 你好\r\n\r\n正文\r\n".encode()))
    assert read(made)[3].rstrip(b"\r\n") == "Subject: 你好".encode()
    assert third_part(made).get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize(
    ("late", "doubtful", "status", "words", "others"),
    [
        (True, False, "5.4.7", ["set a deadline", "期限已过"], ["Repeated attempts", "may have it"]),
        (False, True, "4.4.7", ["Repeated attempts", "may have it", "可能已经收到"], ["set a deadline"]),
        (True, True, "5.4.7", ["set a deadline", "may have it"], ["Repeated attempts"]),
        (False, False, "4.4.7", ["Repeated attempts"], ["set a deadline", "may have it"]),
    ],
)
def test_what_was_given_up_says_why(
    late: bool, doubtful: bool, status: str, words: list[str], others: list[str]
) -> None:
    """Its sender's own deadline (RFC 2852's status), or our patience; and "it may have arrived" where that is so."""
    gone = Undelivered("b@e.net", Stage.DOT, None, "connection reset", expired=True, late=late, doubtful=doubtful)
    _, text, groups, _ = read(dsn.build(report(gone)))
    assert groups[1]["Status"] == status
    assert all(word in text for word in words)
    assert not any(word in text for word in others)


def test_one_that_was_dropped_in_doubt_says_so() -> None:
    """An operator drops what is held in doubt: the sender learns that it may have arrived."""
    dropped = Undelivered("b@e.net", Stage.LOCAL, Reply(554, "5.0.0", "dropped by the operator"), doubtful=True)
    _, text, groups, _ = read(dsn.build(report(dropped)))
    assert "may have it" in text
    assert (groups[1]["Action"], groups[1]["Status"]) == ("failed", "5.0.0")


@pytest.mark.parametrize("said", [Reply(554, "5.7.1", "dropped"), Reply(554, "5.4.6", "it would loop"), None])
def test_what_this_host_decided_is_not_laid_to_the_receiver(said: Reply | None) -> None:
    """Nobody there has said a word."""
    _, text, _, _ = read(dsn.build(report(Undelivered("b@e.net", Stage.LOCAL, said, "odd"))))
    assert "decided on this host, not by the receiver" in text
    assert "receiver's words" not in text


def test_an_address_of_the_host_is_a_comment() -> None:
    """RFC 3464 §2.3.5: the name of the host; IPv6 too; a bare name stays."""
    for host, field in (
        ("mx.example.net[2001:db8::1]", "dns; mx.example.net ([2001:db8::1])"),
        ("mx.example.net", "dns; mx.example.net"),
        ("postoffice", "dns; postoffice"),
    ):
        told = Undelivered("b@example.net", Stage.RCPT, Reply(550, "5.1.1", "no"), host=host)
        assert read(dsn.build(report(told)))[2][1]["Remote-MTA"] == field


def test_every_field_of_a_failure_in_its_order() -> None:
    """RFC 3464 §2.2 and §2.3: what a program may count on."""
    asked = Undelivered(REFUSED.rcptto, REFUSED.stage, REFUSED.reply, host=REFUSED.host, orcpt="rfc822;x@example.net")
    _, _, (whole, first), _ = read(dsn.build(report(asked, envid="e1", original=ORIGINAL)))
    assert list(whole.keys()) == ["Original-Envelope-Id", "Reporting-MTA", "Arrival-Date", "X-Hedwig-Queue-ID"]
    assert list(first.keys()) == [
        *("Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code"),
        *("X-Hedwig-Stage", "Last-Attempt-Date"),
    ]
    assert whole["X-Hedwig-Queue-ID"] == "01HF7YAT00ORIGINAL000000XX"
    assert whole["Arrival-Date"] == format_datetime(datetime.fromtimestamp(NOW - 3600, UTC))


@pytest.mark.parametrize(
    ("undelivered", "status", "advice"),
    [
        (Undelivered("b@e.net", Stage.STARTTLS, None, "no STARTTLS"), "5.7.5", "administrator"),
        (Undelivered("b@e.net", Stage.LOCAL, Reply(550, "5.7.30", "no REQUIRETLS")), "5.7.30", "without that wish"),
        (Undelivered("b@e.net", Stage.DOT, Reply(550, "5.7.30", "no DKIM")), "5.7.30", "administrator"),
    ],
)
def test_a_letter_that_asked_for_tls_in_vain(undelivered: Undelivered, status: str, advice: str) -> None:
    """RFC 8689's status has another meaning where it is the receiver who says it."""
    _, text, groups, _ = read(dsn.build(report(undelivered)))
    assert groups[1]["Status"] == status
    assert advice in text
