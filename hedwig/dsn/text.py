"""Part one of a notification: what happened, the receiver's words and what to do, for people, in both languages."""

from datetime import UTC, datetime

from hedwig.dsn import words
from hedwig.dsn.fields import status_of
from hedwig.dsn.records import Report, Undelivered
from hedwig.dsn.words import Action
from hedwig.message import date
from hedwig.reply import Stage, one_line

MAX_LISTED = 100  # recipients in the text for people; the status part has them all


def text(report: Report) -> str:
    """The part's content, CRLF line ends."""
    until = f"{datetime.fromtimestamp(report.retry_until, UTC):%Y-%m-%d %H:%M} UTC"
    chinese, english = (line.format(until=until) for line in words.OPENING[report.action])
    lines = [chinese, english, ""]
    for recipient in report.recipients[:MAX_LISTED]:
        lines += _told(recipient, report.action)
    more = len(report.recipients) - MAX_LISTED
    if more > 0:
        lines += [f"……另有 {more} 个收件人，见附件 / and {more} more: see the attached report", ""]
    lines += [
        f"队列号 Queue ID: {report.original_id}",
        f"受理时间 Accepted: {date(report.accepted_at)}",
        f"本机 This host: {one_line(report.reporting)}",
    ]
    return "\r\n".join(lines) + "\r\n"


def _told(recipient: Undelivered, action: Action) -> list[str]:
    lines = [f"<{one_line(recipient.rcptto)}>"]
    for chinese, english in _advice(recipient, action):
        lines += [f"    {chinese}", f"    {english}"]
    where = one_line(recipient.host)
    if recipient.quoted:
        lines.append(f"    {where} 的原话 said ({recipient.stage.value}): {one_line(str(recipient.reply))}")
    else:
        said = one_line(str(recipient.reply) if recipient.reply is not None else recipient.detail)
        at = f"{where} " if where else ""
        lines.append(f"    原因 Reason ({recipient.stage.value}): {at}{said}")
    return [*lines, ""]


def _advice(recipient: Undelivered, action: Action) -> list[tuple[str, str]]:
    if action is not Action.FAILED:
        return [words.WAIT]
    given_up = words.LATE if recipient.late else words.EXPIRED
    advice = given_up if recipient.expired else words.HELD if recipient.held else None
    status = status_of(recipient, action)
    if recipient.stage is Stage.LOCAL and status in ("5.7.10", "5.7.30"):  # RFC 8689 §4.2.1
        advice = advice or words.GUARDED
    if recipient.stage is Stage.LOCAL and not recipient.host and status in ("5.0.0", "5.4.6", "5.7.1"):
        advice = advice or words.OURS
    advice = advice or words.advice_for(status)
    return [advice, words.DOUBTFUL] if recipient.doubtful else [advice]
