r"""Delivery status notifications: the letter that tells a sender what became of theirs (RFC 3464, 6522, 6533, 3834).

`build` makes the whole message, CRLF line ends, 7 bits, lines of at most 998 octets, in three parts: a text for people
(in Chinese and English, see `words`) with the receiver's words as they were; message/delivery-status for programs; and
the header of the original. It is pure: the caller sends it with the null sender, and never answers a null sender (I7).

Nothing from outside can break out of its place (I11): the text for people travels as base64, fields of the status part
have control characters and non-ASCII turned into \x{...} and are folded, and the original's header, where it isn't
clean ASCII in short lines, is base64 too.
"""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime

from hedwig.address import Address, AddressError
from hedwig.dsn.words import EXPIRED, OPENING, SUBJECT, WAIT, Action, advice_for
from hedwig.reply import Reply, Stage, one_line

__all__ = ["Action", "Report", "Undelivered", "build", "status_of"]

MAX_HEADER = 50_000  # octets of the original's header that are returned
MAX_LISTED = 100  # recipients in the text for people; the status part has them all
_FOLD_AT = 76
_LONGEST_WORD = 900  # octets; longer ones are cut, since a line may have 998

_MESSAGE_ID = re.compile(rb"^message-id:[ \t\r\n]*(<[!-;=?-~]{1,500}>)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_CLEAN = re.compile(rb"(?:[\t -~]{0,998}\r\n)*\Z")
_WORD = re.compile(r" +[^ ]+")
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
_PIECE = re.compile(r"(?:\\x\{\w+\}|.){1,90}")  # no \x{...} is cut through
_MANY_SPACES = re.compile(r" {80,}")  # they would fold into lines that look empty
_NOT_PLAIN = re.compile(r"[^ -~]")
_NOT_QCHAR = re.compile(r"[^!-*,-<>-\[\]-~]")


@dataclass(frozen=True, slots=True)
class Undelivered:
    """One recipient, and what decided or last went wrong: the far side's `reply` at `stage`, or None and `detail`.

    `host`: the exchanger that said so, "" where none was reached. `expired`: given up for its age, whatever was said.
    """

    rcptto: str
    stage: Stage
    reply: Reply | None
    detail: str = ""
    host: str = ""
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a notification is made of. Times are Unix seconds.

    `queue_id`: the notification's own; its Message-ID and boundary come from it. `reporting`: this host's EHLO name.
    `to`: the original's sender. `original`: the message from its first octet, at least as far as its header goes or
    MAX_HEADER octets. `retry_until`: for delayed ones, when it will be given up.
    """

    action: Action
    queue_id: str
    reporting: str
    to: str
    now: float
    original_id: str
    accepted_at: float
    original: bytes
    recipients: tuple[Undelivered, ...]
    retry_until: float = 0.0


def build(report: Report) -> bytes:
    """The notification as it goes to the wire: 7-bit, CRLF line ends throughout."""
    boundary = f"=_{report.queue_id}_dsn"
    head = _head_of(report.original)
    parts = (
        _encoded("text/plain; charset=utf-8", _text(report).encode()),
        b"Content-Type: message/delivery-status\r\n\r\n" + _status(report).encode("ascii"),
        _returned(head, boundary.encode("ascii")),
    )
    delimiter = f"--{boundary}".encode("ascii")
    body = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts)
    preamble = b"This is a delivery status notification (RFC 3464).\r\n"
    return _header(report, boundary, head) + preamble + body + delimiter + b"--\r\n"


def status_of(recipient: Undelivered, action: Action) -> str:
    """The Status field: an expired one is 4.4.7; a delayed one is 4.y.z even where a host said 5yz of itself."""
    if recipient.expired and action is Action.FAILED:
        return "4.4.7"
    if recipient.reply is not None and str(recipient.reply.code)[0] in "45":
        status = recipient.reply.status
    elif recipient.stage is Stage.DNS:
        status = "5.4.4" if action is Action.FAILED else "4.4.3"
    else:
        status = "5.0.0" if action is Action.FAILED else "4.4.1"
    return "4" + status[1:] if action is Action.DELAYED else status


# --- the header -----------------------------------------------------------------------------------------------------


def _header(report: Report, boundary: str, head: bytes) -> bytes:
    reporting = report.reporting if _HOST.fullmatch(report.reporting) else "localhost"
    lines = [
        f'From: "Mail Delivery System" <postmaster@{reporting}>',
        f"To: {_mailbox(report.to)}",
        "Subject: " + Header(SUBJECT[report.action], "utf-8", maxlinelen=_FOLD_AT).encode(linesep="\r\n"),
        f"Date: {_date(report.now)}",
        f"Message-ID: <{report.queue_id}@{reporting}>",
        "Auto-Submitted: auto-replied",  # RFC 3834 §5: no machine answers this
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"',
    ]
    original = _MESSAGE_ID.search(head)
    if original:
        name = original[1].decode("ascii")
        lines[5:5] = [f"In-Reply-To: {name}", f"References: {name}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _mailbox(address: str) -> str:
    """For To: an address that ASCII can't say becomes an empty group (RFC 6857's way); the envelope has it anyway."""
    ascii_form = _ascii_address(address)
    return f"<{ascii_form}>" if ascii_form else "undisclosed-sender:;"


def _ascii_address(address: str) -> str | None:
    """`address` with its domain in A-labels, or None where only SMTPUTF8 can say it, or it is no address."""
    try:
        parsed = Address.parse(address)
    except AddressError:
        return None
    return None if parsed.needs_smtputf8 else f"{parsed.local}@{parsed.destination}"


def _date(at: float) -> str:
    return format_datetime(datetime.fromtimestamp(at, UTC))


# --- part one: for people -------------------------------------------------------------------------------------------


def _text(report: Report) -> str:
    until = f"{datetime.fromtimestamp(report.retry_until, UTC):%Y-%m-%d %H:%M} UTC"
    chinese, english = (line.format(until=until) for line in OPENING[report.action])
    lines = [chinese, english, ""]
    for recipient in report.recipients[:MAX_LISTED]:
        lines += _told(recipient, report.action)
    more = len(report.recipients) - MAX_LISTED
    if more > 0:
        lines += [f"……另有 {more} 个收件人，见附件 / and {more} more: see the attached report", ""]
    lines += [
        f"队列号 Queue ID: {report.original_id}",
        f"受理时间 Accepted: {_date(report.accepted_at)}",
        f"本机 This host: {one_line(report.reporting)}",
    ]
    return "\r\n".join(lines) + "\r\n"


def _told(recipient: Undelivered, action: Action) -> list[str]:
    chinese, english = _advice(recipient, action)
    lines = [f"<{one_line(recipient.rcptto)}>", f"    {chinese}", f"    {english}"]
    where = one_line(recipient.host)
    if recipient.reply is not None and where:
        lines.append(f"    {where} 的原话 said ({recipient.stage.value}): {one_line(str(recipient.reply))}")
    else:
        words = one_line(str(recipient.reply) if recipient.reply is not None else recipient.detail)
        at = f"{where} " if where else ""
        lines.append(f"    原因 Reason ({recipient.stage.value}): {at}{words}")
    return [*lines, ""]


def _advice(recipient: Undelivered, action: Action) -> tuple[str, str]:
    if action is Action.DELAYED:
        return WAIT
    return EXPIRED if recipient.expired else advice_for(status_of(recipient, action))


# --- part two: for programs -----------------------------------------------------------------------------------------


def _status(report: Report) -> str:
    about = [
        ("Reporting-MTA", f"dns; {report.reporting}"),
        ("Arrival-Date", _date(report.accepted_at)),
        ("X-Hedwig-Queue-ID", report.original_id),
    ]
    groups = [about, *(list(_fields(recipient, report)) for recipient in report.recipients)]
    return "\r\n".join("".join(_field(name, value) for name, value in group) for group in groups)


def _fields(recipient: Undelivered, report: Report) -> Iterable[tuple[str, str]]:
    yield "Final-Recipient", _typed(recipient.rcptto)
    yield "Action", report.action.value
    yield "Status", status_of(recipient, report.action)
    if recipient.host:
        yield "Remote-MTA", f"dns; {recipient.host}"
    # RFC 3464 §2.3.6: "smtp" for what an SMTP server said word for word, another type for what we noticed ourselves
    if recipient.reply is not None and recipient.host:
        yield "Diagnostic-Code", f"smtp; {recipient.reply}"
    else:
        yield "Diagnostic-Code", f"x-hedwig; {recipient.reply or recipient.detail or recipient.stage.value}"
    yield "X-Hedwig-Stage", recipient.stage.value
    yield "Last-Attempt-Date", _date(report.now)
    if report.action is Action.DELAYED:
        yield "Will-Retry-Until", _date(report.retry_until)


def _typed(address: str) -> str:
    """RFC 3464 §2.3.2, and RFC 6533 §3's 7-bit form (utf-8-addr-xtext) where ASCII can't say it."""
    ascii_form = _ascii_address(address)
    if ascii_form:
        return f"rfc822; {ascii_form}"
    return "utf-8; " + _NOT_QCHAR.sub(_escape, address)


def _escape(found: re.Match[str]) -> str:
    return f"\\x{{{ord(found[0]):02X}}}"


def _plain(text: str) -> str:
    return _MANY_SPACES.sub(" ", _NOT_PLAIN.sub(_escape, one_line(text)))


def _field(name: str, value: str) -> str:
    """One field, folded before spaces; only a word of more than _LONGEST_WORD octets is cut."""
    lines = [f"{name}:"]
    for word in _WORD.findall(f" {_plain(value)}"):
        if len(lines[-1]) + len(word) > _FOLD_AT and len(lines[-1]) > len(name) + 1:
            lines.append("")
        first, *others = [word] if len(word) <= _LONGEST_WORD else _PIECE.findall(word)
        lines[-1] += first
        lines += [f" {piece}" for piece in others]
    return "\r\n".join(lines) + "\r\n"


# --- part three: the original's header ------------------------------------------------------------------------------


def _head_of(original: bytes) -> bytes:
    """The header with the last CRLF, cut after a whole line where it is too long."""
    if original.startswith(b"\r\n"):
        return b""
    end = original.find(b"\r\n\r\n")
    head = original[: end + 2] if end >= 0 else original
    if len(head) <= MAX_HEADER:
        return head
    cut = head.rfind(b"\r\n", 0, MAX_HEADER)
    return head[: cut + 2 if cut >= 0 else MAX_HEADER]


def _returned(head: bytes, boundary: bytes) -> bytes:
    if _CLEAN.match(head) and boundary not in head:
        return b"Content-Type: text/rfc822-headers\r\n\r\n" + head
    return _encoded("text/rfc822-headers", head)


def _encoded(content_type: str, content: bytes) -> bytes:
    lines = base64.encodebytes(content).replace(b"\n", b"\r\n")
    return f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode() + lines
