r"""Delivery status notifications: the letter that tells a sender what became of theirs.

RFC 3461 §6 and 3464 (contents), 6522 (multipart/report), 6533 (addresses and headers beyond ASCII), 3834 (automatic
answers). `build` makes the whole message, CRLF line ends, lines of at most 998 octets, in three parts: a text for
people (in Chinese and English, see `words`) with the receiver's words as they were; message/delivery-status for
programs; and the header of the original, or all of it where its sender asked so. It is 7 bits, unless an 8-bit original
comes back whole. It is pure: the caller sends it with the null sender, and never answers a null sender (I7).

Nothing from outside can break out of its place (I11): the text for people travels as base64; `fields` and `returned`
say how the others do.
"""

import re

from hedwig.dsn.fields import delivery_status, status_of
from hedwig.dsn.letterhead import encoded, host_of, mailbox, sender, subject
from hedwig.dsn.records import Report, Undelivered
from hedwig.dsn.returned import Returned, head_of
from hedwig.dsn.text import text
from hedwig.dsn.words import SUBJECT, Action
from hedwig.message import date

__all__ = ["Action", "Report", "Undelivered", "build", "status_of"]

_MESSAGE_ID = re.compile(rb"^message-id:[ \t\r\n]*(<[!-;=?-~]{1,500}>)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


def build(report: Report) -> bytes:
    """The notification as it goes to the wire, CRLF line ends throughout."""
    boundary = f"=_{report.queue_id}_dsn"
    head = head_of(report.original)
    returned = Returned(report.original, head, boundary.encode(), report.smtputf8)
    # RFC 3461 §4.3: RET is about failures; where nothing failed only the header comes back.
    whole = report.full and report.action is Action.FAILED
    parts = (
        encoded("text/plain; charset=utf-8", text(report).encode()),
        b"Content-Type: message/delivery-status\r\n\r\n" + delivery_status(report).encode("ascii"),
        returned.whole() if whole else returned.header(),
    )
    delimiter = f"--{boundary}".encode("ascii")
    body = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts)
    preamble = b"This is a delivery status notification (RFC 3464).\r\n"
    return _header(report, boundary, head, body.isascii()) + preamble + body + delimiter + b"--\r\n"


def _header(report: Report, boundary: str, head: bytes, seven_bit: bool) -> bytes:
    reporting = host_of(report.reporting)
    original = _MESSAGE_ID.search(head)
    name = original[1].decode("ascii") if original else ""
    lines = [
        f"From: {sender(reporting)}",
        f"To: {mailbox(report.to)}",
        f"Subject: {subject(SUBJECT[report.action])}",
        f"Date: {date(report.now)}",
        f"Message-ID: <{report.queue_id}@{reporting}>",
        *([f"In-Reply-To: {name}", f"References: {name}"] if name else []),
        "Auto-Submitted: auto-replied",  # RFC 3834 §5: no machine answers this
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"',
        *([] if seven_bit else ["Content-Transfer-Encoding: 8bit"]),  # as its third part (RFC 2045 §6.4)
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
