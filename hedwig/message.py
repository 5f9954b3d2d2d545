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
- A header field that only the sender's side may see is taken out: Bcc, Resent-Bcc, Return-Path.
- Received goes on top; Date, Message-ID and From go to the end of the header where they are missing. A missing To is
  legal and stays missing. Text that begins with no header field is a body: it gets a header and a blank line.

All other bytes and their order stay. Only the header is looked at field by field, by bytes and once; the body sees a
few passes at memory speed. Pure: time and queue ID come with the Trace.

Refusals are raised as MessageRefused: NUL, a header over 512 KiB (552 5.3.4), more than 50 Received fields (554 5.4.6,
a loop: RFC 5321 §6.3).
"""

import re
import time
from dataclasses import dataclass
from functools import lru_cache

from hedwig.envelope import Envelope
from hedwig.reply import Reply

MAX_LINE = 998  # octets without CRLF, RFC 5322 §2.1.1
MAX_RECEIVED = 50
MAX_HEADER = 512 * 1024  # octets; bounds the work that one letter can cause (I9)

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*")
_FROM_LINE = re.compile(rb">?From (?![ \t]*:)[^\n]*\n(?=[!-9;-~]+[ \t]*:)")
_CRS_LF = re.compile(rb"\r+\n")
_DOUBLE_BYTE = re.compile(rb"(?:[\x00-\x7f]|[\x80-\xff][\x00-\xff])*")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9.:_\[\]-]")
_PRIVATE = frozenset({b"bcc", b"resent-bcc", b"return-path"})
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
    """

    queue_id: str
    fqdn: str
    helo: str
    peer: str
    protocol: str
    envelope: Envelope
    when: float
    peer_name: str = ""


def complete(content: bytes, trace: Trace) -> bytes:
    """The whole message: CRLF line ends, Received on top, nothing missing. Raises MessageRefused."""
    if b"\0" in content:
        raise MessageRefused(
            Reply(554, "5.6.0", "the message has a NUL byte in it: encode the attachment (base64) before sending")
        )
    content = _wrapped(_with_crlf(content))
    kept, names, end = _header(content)
    if names.count(b"received") > MAX_RECEIVED:
        raise MessageRefused(Reply(554, "5.4.6", f"mail loop: the message has over {MAX_RECEIVED} Received fields"))
    separator = b"" if end == len(content) or content.startswith(b"\r\n", end) else b"\r\n"
    # The body is joined in as a view: for a large letter each copy saved is 6 ms per 25 MiB.
    return b"".join((_received(trace), *kept, _missing(names, trace), separator, memoryview(content)[end:]))


def date(when: float) -> str:
    """Unix time as RFC 5322 §3.3 writes it, in UTC, whatever the locale: "Thu, 23 Nov 2023 22:13:20 +0000"."""
    return _date(int(when))


@lru_cache(maxsize=16)
def _date(seconds: int) -> str:
    at = time.gmtime(seconds)
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04} {clock} +0000"


def _with_crlf(content: bytes) -> bytes:
    """`content` with CRLF line ends and a CRLF at its very end."""
    if content and not content.endswith(b"\n"):
        content += b"\r\n"
    # All CRs and LFs are in pairs exactly when the pairs are half of them.
    if 2 * content.count(b"\r\n") == len(content) - len(content.translate(None, b"\r\n")):
        return content
    text = _CRS_LF.sub(b"\n", content)
    if b"\r" in text:
        end = 0 if text.startswith(b"\n") else text.find(b"\n\n")
        end = len(text) if end < 0 else end
        text = text[:end].replace(b"\r", b" ") + text[end:].replace(b"\r", b"\n")
    return text.replace(b"\n", b"\r\n")


def _wrapped(content: bytes) -> bytes:
    """`content` (CRLF line ends) without a line over MAX_LINE octets."""
    pieces: list[bytes] = []
    done = start = 0
    size = len(content)
    while size - start > MAX_LINE + 2:
        # Jump to the last line end within reach: if there is one, every line before it is short enough.
        newline = content.rfind(b"\n", start, start + MAX_LINE + 2)
        if newline < 0:
            end = content.index(b"\n", start) - 1
            pieces += (content[done:start], _cut(content[start:end]))
            done = end
            newline = end + 1
        start = newline + 1
    return content if not pieces else b"".join((*pieces, content[done:]))


def _cut(line: bytes) -> bytes:
    """One long line, without its CRLF, as several joined by CRLF and blank."""
    pieces: list[bytes] = []
    step = _utf8_end if _is_utf8(line) else _double_byte_end
    start = 0
    room = MAX_LINE
    while len(line) - start > room:
        stop = start + room
        blank = max(line.rfind(b" ", start + 1, stop + 1), line.rfind(b"\t", start + 1, stop + 1))
        if blank > start and not line[start:blank].isspace():
            pieces.append(line[start:blank])
            start, room = blank, MAX_LINE  # the blank itself begins the next line
        else:
            end = step(line, start, stop)
            pieces.append(line[start:end] + b"\r\n ")
            start, room = end, MAX_LINE - 1
            continue
        pieces.append(b"\r\n")
    pieces.append(line[start:])
    return b"".join(pieces)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _utf8_end(line: bytes, start: int, stop: int) -> int:
    """The last place up to `stop` that begins a UTF-8 character (RFC 3629 §3)."""
    while stop > start + 1 and line[stop] & 0xC0 == 0x80:
        stop -= 1
    return stop


def _double_byte_end(line: bytes, start: int, stop: int) -> int:
    """The last place up to `stop` between two characters of a charset whose lead bytes are over 0x7F (GBK, Big5)."""
    found = _DOUBLE_BYTE.match(line, start, stop)
    return found.end() if found and found.end() > start else stop


def _header(content: bytes) -> tuple[list[bytes], list[bytes], int]:
    """The header's fields that stay, the lower-case names of all, and where the header ends (before the blank line)."""
    kept: list[bytes] = []
    names: list[bytes] = []
    position = 0
    # A mailbox file's "From " line is no field; Postfix keeps it under this name.
    from_line = _FROM_LINE.match(content)
    if from_line:
        kept.append(b"X-Mailbox-Line: " + from_line[0])
        position = from_line.end()
    while field := _FIELD.match(content, position):
        name = field[1].lower()
        names.append(name)
        if name not in _PRIVATE:
            kept.append(field[0])
        position = field.end()
        if position > MAX_HEADER:
            raise MessageRefused(Reply(552, "5.3.4", f"the message's header is over {MAX_HEADER // 1024} KiB"))
    return kept, names, position


def _received(trace: Trace) -> bytes:
    literal = f"[IPv6:{trace.peer}]" if ":" in trace.peer else f"[{trace.peer}]"
    # What the client calls itself is free text; as in Postfix, characters that mean something in a header become "?".
    helo = _NOT_IN_NAME.sub("?", trace.helo) or "unknown"
    known = f"{_NOT_IN_NAME.sub('?', trace.peer_name)} {literal}" if trace.peer_name else literal
    rcpttos = trace.envelope.rcpttos
    # Only a single recipient is named, or one of several would learn of another (RFC 5321 §7.6).
    whom = f"for <{rcpttos[0]}>" if len(rcpttos) == 1 else ""
    lines = (
        f"Received: from {helo} ({known})",
        f"\tby {trace.fqdn} (hedwig) with {trace.protocol} id {trace.queue_id}",
        f"\t{whom}; {date(trace.when)}" if whom else "",
    )
    text = "\r\n".join(line for line in lines if line)
    return (text if whom else f"{text};\r\n\t{date(trace.when)}").encode() + b"\r\n"


def _missing(names: list[bytes], trace: Trace) -> bytes:
    """The fields that RFC 5322 §3.6 wants in every message, or RFC 6409 §8 lets us add, where they are missing."""
    lines = ""
    if b"date" not in names:
        lines += f"Date: {date(trace.when)}\r\n"
    if b"message-id" not in names:
        lines += f"Message-ID: <{trace.queue_id}@{trace.fqdn}>\r\n"
    if b"from" not in names:
        lines += f"From: {trace.envelope.mailfrom or f'MAILER-DAEMON@{trace.fqdn}'}\r\n"
    return lines.encode()
