"""The digest: one letter for a flood of reports."""

import email
import email.policy

from hypothesis import given
from hypothesis import strategies as st
from test_dsn import ANYTHING, is_clean

from hedwig.dsn import Action
from hedwig.dsn.digest import LISTED, Count, Digest, Told, build

SINCE = 1_700_000_400.0 - 1_700_000_400.0 % 3600


def digest(**changes: object) -> Digest:
    fields: dict[str, object] = {
        "queue_id": "01HF7YAT00DSN00000000000XX",
        "reporting": "robot.genee.cn",
        "to": "alice@example.org",
        "now": SINCE + 3605,
        "since": SINCE,
        "alone": 20,
        "counts": (Count(Action.FAILED, 2, 3), Count(Action.DELAYED, 1, 1)),
        "listed": (
            Told(Action.FAILED, "01HF7YAT00ORIGINAL000000X1", "bob@example.net", "550 5.1.1 用户不存在"),
            Told(Action.DELAYED, "01HF7YAT00ORIGINAL000000X2", "eve@example.net", "450 4.2.0 later"),
        ),
    }
    return Digest(**(fields | changes))


def read(made: bytes) -> tuple[email.message.EmailMessage, str]:
    parsed = email.message_from_bytes(made, policy=email.policy.SMTP)
    assert isinstance(parsed, email.message.EmailMessage)
    assert [part.defects for part in parsed.walk()] == [[]]
    return parsed, parsed.get_content()


def test_who_gets_it_and_that_no_machine_answers() -> None:
    """RFC 3834 §5: automatic, and an answer to no single message."""
    made = build(digest())
    assert is_clean(made)
    parsed, _ = read(made)
    assert parsed["From"].addresses[0].addr_spec == "postmaster@robot.genee.cn"
    assert parsed["To"].addresses[0].addr_spec == "alice@example.org"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["Message-ID"] == "<01HF7YAT00DSN00000000000XX@robot.genee.cn>"
    assert parsed["Date"].datetime.timestamp() == SINCE + 3605
    assert "References" not in parsed
    assert parsed["Subject"] == "退信与通知汇总：3 封邮件 / Digest of reports on 3 letters"


def test_what_it_tells() -> None:
    """When, how many of what, and each one's ID, recipient and reason, in both languages."""
    _, text = read(build(digest()))
    for words in (
        "2023-11-14 22:00 UTC 起",
        "first 20 reports went out one by one",
        "2 封 letters, 3 个收件人 recipients: 未能送达",
        "1 封 letters, 1 个收件人 recipients: 延迟",
        "01HF7YAT00ORIGINAL000000X1 failed <bob@example.net>\n    550 5.1.1 用户不存在",
        "01HF7YAT00ORIGINAL000000X2 delayed <eve@example.net>\n    450 4.2.0 later",
        "另有 2 个收件人没有列出",
        "and 2 more recipients",
    ):
        assert words in text.replace("\r\n", "\n")


def test_it_names_the_first_hundred() -> None:
    """A million failures make no letter of 100 MB; the count is right all the same."""
    listed = tuple(Told(Action.FAILED, f"ID{number}", f"u{number}@e.net", "550 no") for number in range(LISTED + 50))
    _, text = read(build(digest(counts=(Count(Action.FAILED, 1_000_000, 1_000_000),), listed=listed)))
    assert text.count("550 no") == LISTED
    assert f"and {1_000_000 - LISTED} more recipients" in text


def test_all_named_no_more() -> None:
    """Nothing is left out, and it does not say so."""
    told = Told(Action.FAILED, "ID", "b@e.net", "550 no")
    _, text = read(build(digest(counts=(Count(Action.FAILED, 1, 1),), listed=(told,))))
    assert "more recipients" not in text


@given(
    st.lists(st.builds(Told, st.sampled_from(list(Action)), ANYTHING, ANYTHING, ANYTHING), max_size=4),
    ANYTHING,
    ANYTHING,
)
def test_nothing_breaks_out(listed: list[Told], to: str, reporting: str) -> None:
    """Whatever addresses and words hold: one part, our fields, a clean message (I11)."""
    made = build(digest(listed=tuple(listed), to=to, reporting=reporting))
    assert is_clean(made)
    parsed, _ = read(made)
    assert sorted(parsed.keys()) == sorted(
        [
            *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"),
            "Content-Transfer-Encoding",
        ]
    )
