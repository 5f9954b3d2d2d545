"""The digest: one letter in place of many reports, when a sender has had as many in an hour as one may (a flood).

It tells of several messages, so it is no delivery status notification (RFC 3464 is about one), but a plain text in both
languages: how many letters and recipients, and for the first of them queue ID, recipient and reason. Like those it is
automatic (RFC 3834) and has the null sender (I7). 7 bits; the text travels as base64 (I11). Pure.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from hedwig.dsn.letterhead import encoded, host_of, mailbox, sender, subject
from hedwig.dsn.words import Action
from hedwig.message import date
from hedwig.reply import one_line

LISTED = 100  # recipients that a digest names
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Told:
    """One recipient that a report would have told of."""

    action: Action
    queue_id: str
    rcptto: str
    reason: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many letters, and recipients of them, met this."""

    action: Action
    letters: int
    recipients: int


@dataclass(frozen=True, slots=True)
class Digest:
    """`queue_id`: its own. `reporting`: this host's EHLO name. `since`: when the hour began, Unix seconds. `listed`:
    the first LISTED of all that `counts` counts. `alone`: how many reports of each kind went out before it."""

    queue_id: str
    reporting: str
    to: str
    now: float
    since: float
    alone: int
    counts: tuple[Count, ...]
    listed: tuple[Told, ...]


_TITLE = "退信与通知汇总：{letters} 封邮件 / Digest of reports on {letters} letters"
_OPENING = (
    "{since} 起的一小时内，您的邮件有很多未能正常送达。前 {alone} 个通知已逐一发出，其余的都在这一封里。",
    "In the hour from {since} on, much of your mail met with trouble. The first {alone} reports went out one by one; "
    "this letter stands for all the others.",
)
_COUNTED = {
    Action.FAILED: "未能送达，不再重试 could not be delivered, and is not tried again",
    Action.DELAYED: "延迟，仍在重试 delayed, still being retried",
    Action.RELAYED: "已由对方服务器接收 passed on to the receiver's server",
}
_MORE = (
    "……另有 {more} 个收件人没有列出。管理员可用 hedwig trace 查到每一封。",
    "... and {more} more recipients. Your administrator finds each letter with `hedwig trace`.",
)


def build(digest: Digest) -> bytes:
    """The letter as it goes to the wire, CRLF line ends throughout."""
    host = host_of(digest.reporting)
    letters = sum(count.letters for count in digest.counts)
    lines = [
        f"From: {sender(host)}",
        f"To: {mailbox(digest.to)}",
        f"Subject: {subject(_TITLE.format(letters=letters))}",
        f"Date: {date(digest.now)}",
        f"Message-ID: <{digest.queue_id}@{host}>",
        "Auto-Submitted: auto-generated",  # RFC 3834 §5: it answers no single message
        "MIME-Version: 1.0",
    ]
    return ("\r\n".join(lines) + "\r\n").encode("ascii") + encoded("text/plain; charset=utf-8", _text(digest).encode())


def _text(digest: Digest) -> str:
    since = f"{datetime.fromtimestamp(digest.since, UTC):%Y-%m-%d %H:%M} UTC"
    lines = [line.format(since=since, alone=digest.alone) for line in _OPENING]
    lines += ["", *(_counted(count) for count in digest.counts), ""]
    for told in digest.listed[:LISTED]:
        lines += [
            f"{one_line(told.queue_id)} {told.action.value} <{one_line(told.rcptto)}>",
            f"    {one_line(told.reason)}",
        ]
    more = sum(count.recipients for count in digest.counts) - len(digest.listed[:LISTED])
    if more > 0:
        lines += ["", *(line.format(more=more) for line in _MORE)]
    return "\r\n".join([*lines, "", f"本机 This host: {one_line(digest.reporting)}"]) + "\r\n"


def _counted(count: Count) -> str:
    return f"{count.letters} 封 letters, {count.recipients} 个收件人 recipients: {_COUNTED[count.action]}"
