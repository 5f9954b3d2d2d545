"""What our letters have in common: who they are from, how they name whom they are to, and parts in base64."""

import base64
import re
from email.header import Header

from hedwig.dsn.fields import FOLD_AT, ascii_address

_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")


def host_of(reporting: str) -> str:
    """Our name as it may stand in an address; "localhost" for what is none."""
    return reporting if _HOST.fullmatch(reporting) else "localhost"


def sender(host: str) -> str:
    """For From:."""
    return f'"Mail Delivery System" <postmaster@{host}>'


def mailbox(address: str) -> str:
    """For To: an address that ASCII can't say becomes an empty group (RFC 6857's way); the envelope has it anyway."""
    ascii_form = ascii_address(address)
    return f"<{ascii_form}>" if ascii_form else "undisclosed-sender:;"


def subject(words: str) -> str:
    """For Subject:, encoded and folded."""
    return Header(words, "utf-8", maxlinelen=FOLD_AT).encode(linesep="\r\n")


def encoded(content_type: str, content: bytes) -> bytes:
    """A part, or a message, in base64: its fields, a blank line, and the lines."""
    lines = base64.encodebytes(content).replace(b"\n", b"\r\n")
    return f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode() + lines
