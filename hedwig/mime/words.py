"""Text of a header that is not ASCII as encoded words (RFC 2047), and its charset. Pure.

Nobody says what charset raw octets in a header are in: it is UTF-8 if they are that; else that of the body, if they can
be that, since a program writes both alike; else "unknown-8bit", as RFC 1428 §3 has it for bodies, and a reader guesses.
"""

import base64
import re
from collections.abc import Iterator

UNKNOWN = "unknown-8bit"
ASCII = frozenset({"", "us-ascii", "ascii"})
MAX_WORD = 64  # octets; RFC 2047 §2 allows 75, and a field's name shall stand on the same line
MAX_LINE = 76

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}\Z")
_PAIRS = re.compile(rb"[\x81-\xfe][\x40-\xfe]|.", re.DOTALL)  # GBK's and Big5's characters are not cut in two


def charset_of(octets: bytes, body: str) -> str:
    """The charset that `octets` are taken for. `body`: the charset of the body beside them, or ""."""
    for charset in ("utf-8", body):
        if _NAME.match(charset) and charset.lower() not in (*ASCII, UNKNOWN):
            try:
                octets.decode(charset)
            except (UnicodeError, LookupError):
                continue
            return charset.lower()
    return UNKNOWN


def encoded_words(octets: bytes, charset: str) -> list[bytes]:
    """`octets` as encoded words in base64, in each of them whole characters (§5); together they are `octets` again."""
    room = (MAX_WORD - len(f"=?{charset}?B??=")) // 4 * 3
    words: list[bytes] = []
    gathered = b""
    for character in _characters(octets, charset):
        if len(gathered) + len(character) > room:
            words.append(gathered)
            gathered = b""
        gathered += character
    return [b"=?%b?B?%b?=" % (charset.encode(), base64.b64encode(word)) for word in (*words, gathered) if word]


def _characters(octets: bytes, charset: str) -> Iterator[bytes]:
    if charset != UNKNOWN:
        text = octets.decode(charset)
        pieces = [character.encode(charset, "replace") for character in text]
        if b"".join(pieces) == octets:  # else it has octets that a charset can write in more than one way
            yield from pieces
            return
    yield from _PAIRS.findall(octets)


def folded(name: bytes, pieces: list[bytes]) -> bytes:
    """A field of these pieces, a line end where a line would be longer than MAX_LINE. Each piece brings the blanks that
    stand before it. A line of blanks alone does not come about (RFC 5322 §3.2.2)."""
    lines = [name + b":"]
    for piece in pieces:
        full = len(lines[-1]) + len(piece) > MAX_LINE
        may_break = piece[:1] in (b" ", b"\t") and piece.strip(b" \t")
        if full and may_break and (len(lines) > 1 or lines[0] != name + b":" or len(piece) <= MAX_LINE):
            lines.append(piece)
        else:
            lines[-1] += piece
    return b"\r\n".join(lines) + b"\r\n"
