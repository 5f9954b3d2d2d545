"""Delivery status notifications, read as their receiver would (RFC 3464)."""

import email.parser
import email.policy
from dataclasses import dataclass

from .farside import Letter


@dataclass(frozen=True)
class Report:
    """One DSN: `failed` is the enhanced status by recipient; `text` the part for people; `whole` the letter."""

    failed: dict[str, str]
    text: str
    whole: Letter


def read(letter: Letter) -> Report:
    """Read a DSN, strictly: null sender (I7), multipart/report, its parts in order."""
    assert letter.mailfrom == ""
    message = email.parser.BytesParser(policy=email.policy.default).parsebytes(letter.content)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    parts = list(message.iter_parts())
    assert parts[1].get_content_type() == "message/delivery-status"
    assert parts[2].get_content_type() in ("message/rfc822", "text/rfc822-headers", "message/global-headers")
    failed = {}
    for block in list(parts[1].iter_parts())[1:]:
        if block["Action"].lower() == "failed":
            failed[block["Final-Recipient"].partition(";")[2].strip()] = block["Status"].split()[0]
    return Report(failed, parts[0].get_content(), letter)
