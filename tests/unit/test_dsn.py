"""Notifications: what people read, what programs read, and that nothing from outside breaks out (I11)."""

import email
import email.policy
import re
from email.message import EmailMessage, Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedwig import dsn
from hedwig.dsn import Action, Report, Undelivered
from hedwig.reply import Reply, Stage

NOW = 1_700_000_000.0
REFUSED = Undelivered(
    "bob@example.net", Stage.RCPT, Reply(550, "5.1.1", "no such user 用户不存在"), host="mx.example.net"
)
ORIGINAL = (
    b"Received: by x\r\nMessage-ID: <original@example.org>\r\nSubject: hello\r\n\r\nThe body is not returned.\r\n"
)


def report(*recipients: Undelivered, **changes: object) -> Report:
    given_fields: dict[str, object] = {
        "action": Action.FAILED,
        "queue_id": "01HF7YAT00DSN00000000000XX",
        "reporting": "robot.genee.cn",
        "to": "alice@example.org",
        "now": NOW,
        "original_id": "01HF7YAT00ORIGINAL000000XX",
        "accepted_at": NOW - 3600,
        "original": ORIGINAL,
        "recipients": recipients or (REFUSED,),
    }
    return Report(**(given_fields | changes))


def read(message: bytes) -> tuple[EmailMessage, str, list[Message], bytes]:
    """A notification taken apart by the standard library: whole, text, groups of status fields, original's header."""
    parsed = email.message_from_bytes(message, policy=email.policy.SMTP)
    assert isinstance(parsed, EmailMessage)
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "delivery-status"
    text, status, header = parsed.iter_parts()
    kinds = [part.get_content_type() for part in (text, status, header)]
    assert kinds == ["text/plain", "message/delivery-status", "text/rfc822-headers"]
    assert [part.defects for part in parsed.walk()] == [[] for _ in parsed.walk()]
    groups = status.get_payload()
    assert isinstance(groups, list)
    returned = header.get_payload(decode=True)
    assert isinstance(returned, bytes)
    return parsed, text.get_content(), groups, returned


def is_clean(message: bytes) -> bool:
    """7 bits, CRLF alone, no control characters, lines of at most 998 octets (I6)."""
    return re.fullmatch(rb"(?:[\t\x20-\x7e]{0,998}\r\n)*", message) is not None


def test_header_of_a_bounce() -> None:
    """From whom, to whom, about what; no machine answers it (RFC 3834)."""
    parsed, *_ = read(dsn.build(report()))
    assert parsed["From"] == "Mail Delivery System <postmaster@robot.genee.cn>"
    assert parsed["To"].addresses[0].addr_spec == "alice@example.org"
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert parsed["Message-ID"] == "<01HF7YAT00DSN00000000000XX@robot.genee.cn>"
    assert parsed["In-Reply-To"] == parsed["References"] == "<original@example.org>"
    assert parsed["MIME-Version"] == "1.0"
    assert parsed["Date"].datetime.timestamp() == NOW
    assert parsed["Subject"] == "退信：邮件未能送达 / Undelivered mail returned to sender"


def test_text_for_people_in_both_languages() -> None:
    """Which recipient, the receiver's words word for word, and what to do."""
    _, text, *_ = read(dsn.build(report()))
    for words in (
        "<bob@example.net>",
        "mx.example.net",
        "550 5.1.1 no such user 用户不存在",
        "请核对后重发",
        "Check it and send again",
        "未能送达",
        "could not be delivered",
        "01HF7YAT00ORIGINAL000000XX",
    ):
        assert words in text


def test_fields_for_programs() -> None:
    """RFC 3464 §2.2 and §2.3."""
    other = Undelivered("carol@例子.cn", Stage.DNS, Reply(556, "5.1.10", "the domain takes no mail"))
    _, _, groups, _ = read(dsn.build(report(REFUSED, other)))
    whole, first, second = (dict(group.items()) for group in groups)
    assert whole["Reporting-MTA"] == "dns; robot.genee.cn"
    assert whole["Arrival-Date"] == "Tue, 14 Nov 2023 21:13:20 +0000"
    assert first == {
        "Final-Recipient": "rfc822; bob@example.net",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.net",
        "Diagnostic-Code": r"smtp; 550 5.1.1 no such user \x{7528}\x{6237}\x{4E0D}\x{5B58}\x{5728}",
        "X-Hedwig-Stage": "rcpt",
        "Last-Attempt-Date": "Tue, 14 Nov 2023 22:13:20 +0000",
    }
    assert second["Final-Recipient"] == "rfc822; carol@xn--fsqu00a.cn"
    assert second["Status"] == "5.1.10"
    assert second["Diagnostic-Code"] == "x-hedwig; 556 5.1.10 the domain takes no mail"
    assert "Remote-MTA" not in second


def test_delay_says_until_when() -> None:
    """Not a failure: Action delayed, a 4.y.z status whatever the host said, and when it ends."""
    busy = Undelivered("bob@example.net", Stage.BANNER, Reply(554, "5.7.1", "go away"), host="mx.example.net")
    made = dsn.build(report(busy, action=Action.DELAYED, retry_until=NOW + 86400))
    parsed, text, groups, _ = read(made)
    assert parsed["Subject"] == "邮件延迟，仍在重试 / Delayed mail, still being retried"
    assert (groups[1]["Action"], groups[1]["Status"]) == ("delayed", "4.7.1")
    assert groups[1]["Diagnostic-Code"] == "smtp; 554 5.7.1 go away"
    assert groups[1]["Will-Retry-Until"] == "Wed, 15 Nov 2023 22:13:20 +0000"
    assert "2023-11-15 22:13 UTC" in text
    assert "您不必重发" in text
    assert "could not be delivered" not in text


def test_original_header_and_nothing_of_its_body() -> None:
    """The header octet by octet, and not a word of the body."""
    made = dsn.build(report())
    *_, returned = read(made)
    assert returned.rstrip(b"\r\n") == ORIGINAL[: ORIGINAL.index(b"\r\n\r\n")]
    assert b"body" not in made


@pytest.mark.parametrize(
    ("original", "returned"),
    [
        (b"", b""),
        (b"\r\nonly a body", b""),
        ("Subject: 你好\r\n\r\n".encode("gbk"), "Subject: 你好\r\n".encode("gbk")),
        (b"Subject: " + b"x" * 2000 + b"\r\n\r\n", b"Subject: " + b"x" * 2000 + b"\r\n"),
        (b"Subject: cut off", b"Subject: cut off"),
        (b"Subject: bare\rCR\nLF\0NUL\r\n\r\n", b"Subject: bare\rCR\nLF\0NUL\r\n"),
        (b"--=_01HF7YAT00DSN00000000000XX_dsn--\r\nX: y\r\n\r\n", b"--=_01HF7YAT00DSN00000000000XX_dsn--\r\nX: y\r\n"),
    ],
)
def test_any_original_header_travels_safely(original: bytes, returned: bytes) -> None:
    """8-bit, over-long, cut off, broken line ends, our own boundary: it comes back as it was, in a clean message."""
    made = dsn.build(report(original=original))
    assert is_clean(made)
    *_, got = read(made)
    assert got.removesuffix(b"\r\n") == returned.removesuffix(b"\r\n")


def test_long_header_is_cut_after_a_whole_line() -> None:
    """At most 50,000 octets of it."""
    *_, returned = read(dsn.build(report(original=b"X: " + b"y" * 97 + b"\r\n" + b"Z: " + b"z" * 70_000)))
    assert len(returned) <= 102
    lines = b"X-Line: 0123456789\r\n" * 5000
    *_, returned = read(dsn.build(report(original=lines + b"\r\n")))
    assert 49_900 < len(returned) <= 50_002
    assert set(returned.splitlines()) - {b""} == {b"X-Line: 0123456789"}
    *_, returned = read(dsn.build(report(original=b"x" * 60_000)))
    assert len(returned) == 50_000


@pytest.mark.parametrize(
    "original",
    [
        b"message-id:\r\n <folded@example.org>\r\n\r\n",
        b"Subject: x\r\nMESSAGE-ID:<folded@example.org> \r\nTo: y\r\n\r\n",
    ],
)
def test_message_id_is_found_however_it_is_written(original: bytes) -> None:
    """So that mail programs show the bounce beneath its letter."""
    assert read(dsn.build(report(original=original)))[0]["References"] == "<folded@example.org>"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Message-ID: none",
        b"Message-ID: <a b@c>",
        b"Message-ID: <\xff@c>",
        b"Message-ID: <a>\r\nBcc: <b>",
        b"X-Message-ID: <not@this>",
        b"Message-ID: <" + b"x" * 600 + b">",
        b"Subject: x\r\n\r\nMessage-ID: <in@body>",
    ],
)
def test_strange_message_id_is_not_referred_to(line: bytes) -> None:
    """What can't stand in a header stays out of ours."""
    parsed, *_ = read(dsn.build(report(original=line + b"\r\n\r\n")))
    assert parsed["References"] in (None, "<a>")
    assert parsed["Bcc"] is None


def test_address_that_ascii_cannot_say() -> None:
    """RFC 6533's utf-8 type for the recipient; an empty group where a header can't name the sender."""
    chinese = Undelivered("中文+x=y@例子.cn", Stage.RCPT, Reply(550, "5.1.1", "no"), host="mx.example.net")
    made = dsn.build(report(chinese, to="发件人@例子.cn"))
    parsed, text, groups, _ = read(made)
    assert is_clean(made)
    assert groups[1]["Final-Recipient"] == r"utf-8; \x{4E2D}\x{6587}\x{2B}x\x{3D}y@\x{4F8B}\x{5B50}.cn"
    assert "中文+x=y@例子.cn" in text
    assert parsed["To"].addresses == ()


@pytest.mark.parametrize(
    ("undelivered", "status", "advice"),
    [
        (Undelivered("b@e.net", Stage.RCPT, Reply(450, "4.2.0", "later"), expired=True), "4.4.7", "find another way"),
        (Undelivered("b@e.net", Stage.CONNECT, None, "refused", expired=True), "4.4.7", "find another way"),
        (Undelivered("b@e.net", Stage.RCPT, Reply(552, "5.2.2", "full")), "5.2.2", "mailbox is full"),
        (Undelivered("b@e.net", Stage.MAIL, Reply(552, "5.3.4", "big")), "5.3.4", "too large"),
        (Undelivered("b@e.net", Stage.DOT, Reply(554, "5.7.1", "spam")), "5.7.1", "administrator"),
        (Undelivered("b@e.net", Stage.DNS, Reply(550, "5.1.2", "gone")), "5.1.2", "part after the @"),
        (Undelivered("b@e.net", Stage.DNS, Reply(550, "5.4.4", "gone")), "5.4.4", "part after the @"),
        (Undelivered("b@e.net", Stage.RCPT, Reply(550, "", "no")), "5.0.0", "receiver's words"),
        (Undelivered("b@e.net", Stage.DOT, None, "lost"), "5.0.0", "receiver's words"),
        (Undelivered("b@e.net", Stage.DOT, Reply(550, "5.7.26", "no SPF"), held=True), "5.7.26", "is not at fault"),
        (Undelivered("b@e.net", Stage.DOT, Reply(421, "4.7.27", "no SPF"), held=True), "4.7.27", "不是收件地址有误"),
    ],
)
def test_status_and_advice(undelivered: Undelivered, status: str, advice: str) -> None:
    """Each failure with its status, and with something the sender can do."""
    _, text, groups, _ = read(dsn.build(report(undelivered)))
    assert groups[1]["Status"] == status
    assert advice in text


@pytest.mark.parametrize(
    "words",
    [
        "x" * 1900,
        "x" * 900 + " " + "y" * 900,
        "用" * 500,
        "用户" * 20 + " no",
        "a" + " " * 1500 + "b",
        "a  b   c " * 50,
    ],
)
def test_long_reply_is_folded_and_stays_whole(words: str) -> None:
    """Lines stay short; the words are all there."""
    made = dsn.build(report(Undelivered("b@e.net", Stage.RCPT, Reply(550, "5.1.1", words.strip()), host="mx.e.net")))
    assert is_clean(made)
    assert re.search(rb"\r\n +\r\n", made) is None
    _, text, groups, _ = read(made)
    assert words.strip() in text
    plain = re.sub(
        r"\\x\{(\w+)\}", lambda found: chr(int(found[1], 16)), groups[1]["Diagnostic-Code"].replace("\r\n", "")
    )
    assert plain.replace(" ", "") == f"smtp;5505.1.1{words}".replace(" ", "")


def test_thousands_of_recipients() -> None:
    """The text stays readable; no recipient is missing for programs."""
    many = [Undelivered(f"u{number}@example.net", Stage.RCPT, Reply(550, "5.1.1", "no")) for number in range(3000)]
    _, text, groups, _ = read(dsn.build(report(*many)))
    assert "2900" in text
    assert [group["Final-Recipient"] for group in groups[1:]] == [f"rfc822; {one.rcptto}" for one in many]


ANYTHING = st.text(max_size=60) | st.sampled_from(
    [
        "a\r\n\r\nb",
        "x\r\nBcc: evil@example.org",
        "--=_01HF7YAT00DSN00000000000XX_dsn",
        "é" * 300,
        "\ud800",
        "a b  c",
        " ",
    ]
)
FLAGS = (st.booleans(), st.booleans(), st.booleans())
REPLIES = st.none() | st.builds(Reply, st.integers(0, 999), st.sampled_from(["", "5.1.1"]), ANYTHING)
RECIPIENTS = st.builds(
    Undelivered, ANYTHING, st.sampled_from(list(Stage)), REPLIES, ANYTHING, ANYTHING, *FLAGS, ANYTHING
)


@given(
    st.sampled_from(list(Action)),
    st.lists(RECIPIENTS, min_size=1, max_size=4),
    ANYTHING,
    ANYTHING,
    st.binary(max_size=300) | st.lists(st.sampled_from([b"A: b", b"\r\n", b"--=_", b"\0", b"\xff"])).map(b"".join),
)
def test_nothing_from_outside_breaks_out(
    action: Action, recipients: list[Undelivered], to: str, reporting: str, original: bytes
) -> None:
    """Whatever addresses, replies, hosts and originals hold: three parts, the fields that are ours, a clean message."""
    made = dsn.build(report(*recipients, action=action, to=to, reporting=reporting, original=original, envid=reporting))
    assert is_clean(made)
    parsed, _, groups, _ = read(made)
    assert set(parsed.keys()) <= {
        *("From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References"),
        *("Auto-Submitted", "MIME-Version", "Content-Type"),
    }
    assert len(parsed.keys()) == len(set(parsed.keys()))
    assert len(groups) == 1 + len(recipients)
    for group in groups[1:]:
        assert group["Action"] == action.value
        assert re.fullmatch(r"[245]\.\d+\.\d+", group["Status"])
        assert set(group.keys()) <= {
            *("Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code"),
            *("X-Hedwig-Stage", "Last-Attempt-Date", "Will-Retry-Until", "Original-Recipient"),
        }


def test_what_we_say_ourselves_is_not_put_into_the_hosts_mouth() -> None:
    """A host that lacks an extension was not even asked: RFC 3464 §2.3.6's "smtp" is for its own words."""
    ours = Reply(550, "5.6.7", "the address needs SMTPUTF8 and the host does not offer it")
    told = Undelivered("用户@example.net", Stage.LOCAL, ours, host="mx.example.net[192.0.2.1]")
    _, text, groups, _ = read(dsn.build(report(told)))
    assert groups[1]["Diagnostic-Code"] == f"x-hedwig; {ours}"
    assert groups[1]["Remote-MTA"] == "dns; mx.example.net ([192.0.2.1])"
    assert f"原因 Reason (local): mx.example.net[192.0.2.1] {ours}" in text
    assert "takes no internationalized addresses" in text
