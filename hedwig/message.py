"""The message's text, made whole once, when it is accepted (RFC 5321 §4.4, RFC 5322 §3.6, RFC 6409 §8).

`complete` takes what a client sent between DATA and the final dot, dots already unstuffed, and gives the bytes that
every later hop carries unchanged (I6). What it does, in this order:

- A NUL is refused with 554 5.6.0: RFC 5322 §4 forbids it, and some receivers (Cyrus) bounce such letters. To take it
  out in silence would hand on a broken file; a refusal tells the program that forgot to encode its attachment.
- Line ends become CRLF. A bare LF is a line end. CRs just before one belong to it ("CR CR LF" is text that was
  converted twice: one line end, as Postfix reads it). Any other bare CR is a line end in the body, and a space in the
  header, where a line end would let the text of one field begin another.
- A line over 998 octets (RFC 5322 §2.1.1) is cut as Postfix does it on sending, with CRLF and a space; where the line
  has a blank, the cut is before it and no space is added: in a header that is plain folding. No character is cut in
  two, in UTF-8 or in a double-byte charset such as GBK. Done here, not on sending, so that a later signature holds.
- A header field that only the sender's side may see is taken out: Bcc, Resent-Bcc, Return-Path; and those by which a
  program tells us its wishes (wishes.py: Hedwig-Expires ...), which become Options; so does TLS-Required: No (RFC 8689
  §3), which stays. Another line that begins with
  Hedwig- is refused, and so is one that a line without a colon has made part of the body.
- Received goes on top; Date, Message-ID and From go to the end of the header where they are missing. A missing To is
  legal and stays missing. Text that begins with no header field is a body: it gets a header and a blank line.

All other bytes and their order stay. Only the header is looked at field by field, by bytes and once; the body sees a
few passes at memory speed. Pure: time and queue ID come with the Trace.

Refusals are raised as MessageRefused: NUL, a header over 512 KiB (552 5.3.4), more than 50 Received fields (554 5.4.6,
a loop: RFC 5321 §6.3), a wish that makes no sense (554 5.6.0) or whose time is over (554 5.4.7).
"""

import re
import time
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from functools import lru_cache
from typing import NamedTuple

from hedwig import wishes
from hedwig.address import Address
from hedwig.envelope import Envelope
from hedwig.lines import with_crlf, wrapped
from hedwig.options import PLAIN, BadOption, Options
from hedwig.reply import Reply

MAX_RECEIVED = 50
MAX_HEADER = 512 * 1024  # octets; bounds the work that one letter can cause (I9)
MAX_STRANDED = 8 * 1024  # octets below a header without a blank line in which wishes are looked for
MAX_ENCODED = 4096  # characters of encoded words that are decoded; no wish is so long
MAX_MESSAGE_ID = 500  # characters of it that are kept, to find the message by

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*")
_FROM_LINE = re.compile(rb">?From (?![ \t]*:)[^\n]*\n(?=[!-9;-~]+[ \t]*:)")
# A wish among the lines that stand right below the header: `_stranded` looks no further than a blank line.
_STRANDED = re.compile(
    rb"(?:\A|\n)(hedwig[-_](?:[!-9;-~]+[ \t]*:|(?:expires|supersede-key|priority|require-tls)\b))", re.I
)
_BLANK = re.compile(rb"\n\r?\n")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9.:_\[\]-]")
_MESSAGE_ID = re.compile(rb"<[!-;=?-~]{1,%d}>" % (MAX_MESSAGE_ID - 2))
_TAKEN_OUT = frozenset({b"bcc", b"resent-bcc", b"return-path", *wishes.HEADERS})
_NOTED = frozenset({b"date", b"message-id", b"from", b"received", b"tls-required", *wishes.HEADERS})
_WISHES = frozenset({b"tls-required", *wishes.HEADERS})
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class MessageRefused(Exception):
    """The text can't be taken; `reply` (5yz) says why to the client."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Trace:
    """What the Received field tells of an acceptance (RFC 5321 §4.4).

    `fqdn`: this host. `helo`: what the client called itself. `peer`: its IP address; `peer_name`: a name for it that is
    known from elsewhere, or "". `protocol`: "SMTP", "ESMTP" or "UTF8SMTP" (RFC 3848, RFC 6531). `when`: Unix time.
    `again`: it may have been accepted before (wishes.Reading).
    """

    queue_id: str
    fqdn: str
    helo: str
    peer: str
    protocol: str
    envelope: Envelope
    when: float
    peer_name: str = ""
    again: bool = False


class Whole(NamedTuple):
    """A message made whole. `message_id`: that of its header, with brackets, "" where it has an empty one. `options`:
    what its header asked for."""

    body: bytes
    message_id: str
    options: Options = PLAIN


class _Header(NamedTuple):
    """A header that was read. `kept`: the fields that stay; `noted`: those of _NOTED, by name; `end`: where it ends,
    before the blank line."""

    kept: list[bytes]
    noted: dict[bytes, list[bytes]]
    end: int


def complete(content: bytes, trace: Trace) -> Whole:
    """The whole message: CRLF line ends, Received on top, nothing missing. Raises MessageRefused."""
    if b"\0" in content:
        raise MessageRefused(
            Reply(554, "5.6.0", "the message has a NUL byte in it: encode the attachment (base64) before sending")
        )
    content = wrapped(with_crlf(content))
    kept, noted, end = _header(content)
    if len(noted.get(b"received", ())) > MAX_RECEIVED:
        raise MessageRefused(Reply(554, "5.4.6", f"mail loop: the message has over {MAX_RECEIVED} Received fields"))
    if end < len(content) and not content.startswith(b"\r\n", end):
        _refuse_stranded(content[end : end + MAX_STRANDED])
    options = PLAIN if _WISHES.isdisjoint(noted) else _options(noted, trace)
    named = _named(noted[b"message-id"][0]) if b"message-id" in noted else f"<{trace.queue_id}@{trace.fqdn}>"
    separator = b"" if end == len(content) or content.startswith(b"\r\n", end) else b"\r\n"
    # The body is joined in as a view: for a large letter each copy saved is 6 ms per 25 MiB.
    rest = memoryview(content)[end:]
    body = b"".join((_received(trace), *kept, _missing(noted, trace), separator, rest))
    return Whole(body, named, options)


def message_id_of(content: bytes) -> str:
    """The Message-ID of a message that was made whole elsewhere, as in Whole; "" where it has none."""
    position = 0
    while (found := _FIELD.match(content, position)) and position < MAX_HEADER:
        if found[1].lower() == b"message-id":
            return _named(found[0])
        position = found.end()
    return ""


def date(when: float) -> str:
    """Unix time as RFC 5322 §3.3 writes it, in UTC, whatever the locale: "Thu, 23 Nov 2023 22:13:20 +0000"."""
    return _date(int(when))


@lru_cache(maxsize=16)
def _date(seconds: int) -> str:
    at = time.gmtime(seconds)
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04} {clock} +0000"


def _header(content: bytes) -> _Header:
    kept: list[bytes] = []
    noted: dict[bytes, list[bytes]] = {}
    position = 0
    # A mailbox file's "From " line is no field; Postfix keeps it under this name.
    from_line = _FROM_LINE.match(content)
    if from_line:
        kept.append(b"X-Mailbox-Line: " + from_line[0])
        position = from_line.end()
    while found := _FIELD.match(content, position):
        name = found[1].lower()
        if name in _NOTED:
            noted.setdefault(name, []).append(found[0])
        if name not in _TAKEN_OUT:
            if name.startswith(wishes.OURS):
                raise _unwise(wishes.unknown_line(found[1].decode("ascii")))
            kept.append(found[0])
        position = found.end()
        if position > MAX_HEADER:
            raise MessageRefused(Reply(552, "5.3.4", f"the message's header is over {MAX_HEADER // 1024} KiB"))
    return _Header(kept, noted, position)


def _named(text: bytes) -> str:
    """The ID in a Message-ID field; of one that is malformed what can be shown."""
    found = _MESSAGE_ID.search(text)
    if found:
        return found[0].decode("ascii")
    value = text.partition(b":")[2].decode("utf-8", "replace").strip()[:MAX_MESSAGE_ID]
    return value if value.isprintable() else "".join(char if char.isprintable() else "?" for char in value)


def _words(text: bytes) -> str:
    """The value of a field; words that a mail library has encoded (RFC 2047), as it does with a long line or
    one that is not ASCII, are decoded."""
    value = text.partition(b":")[2].decode("utf-8", "backslashreplace").strip()
    if "=?" not in value or len(value) > MAX_ENCODED:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value


def _options(noted: dict[bytes, list[bytes]], trace: Trace) -> Options:
    wished = [(called, _words(text)) for name, called in wishes.HEADERS.items() for text in noted.get(name, ())]
    # RFC 8689 §3: "No" is its only value, and it occurs once.
    optional = [_words(text).lower() for text in noted.get(b"tls-required", ())] == ["no"]
    try:
        return wishes.of_header(wished, wishes.Reading(trace.when, trace.again), tls_optional=optional)
    except BadOption as error:
        raise _unwise(error) from None


def _unwise(error: BadOption) -> MessageRefused:
    """The refusal of what a message asks for."""
    return MessageRefused(Reply(554, "5.4.7" if isinstance(error, wishes.TooLate) else "5.6.0", str(error)))


def _refuse_stranded(below: bytes) -> None:
    """Refuse a wish that is in the body only because the line before it, or itself, is no header field."""
    blank = _BLANK.search(below)
    found = _STRANDED.search(below[: blank.start()] if blank else below)
    if found:
        name = found[1].rstrip(b" \t:").decode("ascii")[:50]
        above = "" if found.start() == 0 else "above "
        raise _unwise(BadOption(f"{name}: the header ends {above}at a line that has no colon behind a name"))


def _received(trace: Trace) -> bytes:
    literal = f"[IPv6:{trace.peer}]" if ":" in trace.peer else f"[{trace.peer}]"
    # What the client calls itself is free text; as in Postfix, characters that mean something in a header become "?".
    helo = _NOT_IN_NAME.sub("?", trace.helo) or "unknown"
    known = f"{_NOT_IN_NAME.sub('?', trace.peer_name)} {literal}" if trace.peer_name else literal
    rcpttos = trace.envelope.rcpttos
    # Only a single recipient is named, or one of several would learn of another (RFC 5321 §7.6).
    whom = f"for <{_widest(rcpttos[0])}>" if len(rcpttos) == 1 else ""
    lines = (
        f"Received: from {helo} ({known})",
        f"\tby {trace.fqdn} (hedwig) with {trace.protocol} id {trace.queue_id}",
        f"\t{whom}; {date(trace.when)}" if whom else "",
    )
    text = "\r\n".join(line for line in lines if line)
    return (text if whom else f"{text};\r\n\t{date(trace.when)}").encode() + b"\r\n"


def _missing(found: dict[bytes, list[bytes]], trace: Trace) -> bytes:
    """The fields that RFC 5322 §3.6 wants in every message, or RFC 6409 §8 lets us add, where they are missing."""
    lines = ""
    if b"date" not in found:
        lines += f"Date: {date(trace.when)}\r\n"
    if b"message-id" not in found:
        lines += f"Message-ID: <{trace.queue_id}@{trace.fqdn}>\r\n"
    if b"from" not in found:
        lines += f"From: {_widest(trace.envelope.mailfrom) or f'MAILER-DAEMON@{trace.fqdn}'}\r\n"
    return lines.encode()


def _widest(address: str) -> str:
    """An address as it may stand in a header that is ASCII, where it has such a form: a header that we make needs no
    SMTPUTF8 (RFC 6531) unless the address does."""
    return address if address.isascii() else Address.parse(address).widest
