"""A message's lines: their ends and their length (RFC 5322 §2.1.1, RFC 5321 §2.3.8). Pure; message.py says why."""

import re

MAX_LINE = 998  # octets without CRLF, RFC 5322 §2.1.1

_CRS_LF = re.compile(rb"\r+\n")
_DOUBLE_BYTE = re.compile(rb"(?:[\x00-\x7f]|[\x80-\xff][\x00-\xff])*")


def with_crlf(content: bytes) -> bytes:
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


def wrapped(content: bytes) -> bytes:
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
