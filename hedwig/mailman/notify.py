"""DSN's parameters of MAIL and RCPT (RFC 3461 §4, RFC 6533 §3), read strictly: RET, ENVID, NOTIFY, ORCPT. Pure.

Each reader gives the value as Options has it, or the Reply that refuses it: 501 5.5.4, with what would be right.
"""

import re

from hedwig.options import MAX_ENVID, MAX_ORCPT, WHEN
from hedwig.reply import Reply

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HIDDEN = re.compile(r"\+([0-9A-F]{2})")
_TYPE = re.compile(r"[A-Za-z0-9-]{1,40}")
_POINT = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


def ret(value: str) -> str | Reply:
    """RET: how much of the message a report shall bring back (§4.3)."""
    word = value.upper()
    return word if word in ("FULL", "HDRS") else _wrong("RET is FULL or HDRS")


def envid(value: str) -> str | Reply:
    """ENVID: by what the sender knows this message (§4.4)."""
    text = _decoded(value)
    if text and len(value) <= MAX_ENVID:
        return text
    return _wrong(f"ENVID is 1 to {MAX_ENVID} characters of xtext: write + and = as +2B and +3D")


def notify(value: str) -> tuple[str, ...] | Reply:
    """NOTIFY: which reports are wanted for this recipient (§4.1)."""
    words = value.upper().split(",")
    if not set(words) <= set(WHEN) or ("NEVER" in words and len(words) > 1):
        return _wrong("NOTIFY is NEVER, or of SUCCESS, FAILURE and DELAY, with commas between them")
    return tuple(word for word in WHEN if word in words)


def orcpt(value: str) -> str | Reply:
    """ORCPT: the recipient as the sender first had it (§4.2); of the type utf-8 in either of its forms."""
    kind, _, rest = value.partition(";")
    address: str | None
    if kind.lower() == "utf-8":
        address = _POINT.sub(lambda found: chr(min(int(found[1], 16), 0x10FFFF)), rest)
    else:
        address = _decoded(rest)
    if address and address.isprintable() and len(value) <= MAX_ORCPT and _TYPE.fullmatch(kind):
        return f"{kind};{address}"
    return _wrong("ORCPT is type;address in xtext, like rfc822;name@example.com")


def _decoded(xtext: str) -> str:
    """The text behind xtext, or "" for what is none or stands for more than printable ASCII (§4.2, §4.4)."""
    if not _XTEXT.fullmatch(xtext):
        return ""
    text = _HIDDEN.sub(lambda found: chr(int(found[1], 16)), xtext)
    return text if text.isascii() and text.isprintable() else ""


def _wrong(text: str) -> Reply:
    return Reply(501, "5.5.4", text)
