"""Whom a From or Sender field names, read strictly (RFC 5322 §3.4, RFC 6532).

A policy that is to hold must see the author that receivers see, and these read what is odd in many ways. So what
is plain is read, and the rest is Unreadable with a sentence: groups, routes, comments and blanks within an address, an
@ in a name without quotes, encoded words in an address. Comments and encoded words beside an address are fine, and so
are names in any bytes; what they show to who reads them is for names.py.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hedwig.address import Address, AddressError

MAX_FIELD = 8 * 1024  # octets
_WORD = r'[^\s()<>@,;:\\"\[\]]+'
_ONE = re.compile(
    rf'[ \t]*(?:(?P<name>"(?:[^"\\]|\\.)*"|[^"(),:;<>@\[\]\\]*)[ \t]*<(?P<angle>{_WORD}@{_WORD})>'
    rf"|(?P<bare>{_WORD}@{_WORD}))"
    r"[ \t]*\Z"
)
_TOKEN = re.compile(r'[ \t]+|"(?:[^"\\]|\\.)*"|\[[^\[\]\\]*\]|[^\s()<>@,;:\\"\[\]]+|[<>@,;:(]')
_PHRASE = re.compile(r'[^"(),:;<>@\[\]\\]*\Z')
_PAIR = re.compile(r"\\(.)")
_IN_COMMENT = re.compile(r"[^()\\]+|\\.|[()]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Unreadable(ValueError):
    """The field does not plainly say who; str(error) says why, as the end of a sentence that begins with its name."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address, and the name before it as it was written, unfolded: quotes and encoded words stay. `comment`: what
    its comments say, unquoted, a blank between them; old programs write the name there (RFC 5322 §3.4)."""

    address: Address
    name: str = ""
    comment: str = ""

    @property
    def called(self) -> str:
        """Its name as it may be written before another address: the name, or else the comment."""
        if self.name or _PHRASE.match(self.comment):
            return self.name or self.comment
        return '"' + re.sub(r'(["\\])', r"\\\1", self.comment) + '"'


def mailboxes(value: bytes) -> tuple[Mailbox, ...]:
    """All that the field names, in order; or Unreadable."""
    if len(value) > MAX_FIELD:
        raise Unreadable(f"is longer than {MAX_FIELD} octets")
    text = value.replace(b"\r\n", b"").decode("utf-8", "surrogateescape")
    if _CONTROL.search(text):
        raise Unreadable("has a control character in it")
    found = _ONE.match(text)
    if found:
        return (Mailbox(_address(found["angle"] or found["bare"]), (found["name"] or "").strip()),)
    return tuple(_mailbox(part) for part in _parts(list(_tokens(text))))


def _address(text: str) -> Address:
    if "=?" in text:
        raise Unreadable("has an encoded word in its address")
    try:
        return Address.parse(text)
    except AddressError as error:
        raise Unreadable(f"has no address that can be used: {error}") from None


def _tokens(text: str) -> Iterator[str]:
    """Words, quoted strings, blanks, specials, and comments."""
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found:
            raise Unreadable("is malformed")
        position = found.end()
        if found[0] == "(":
            position = _comment_end(text, position)
        yield text[found.start() : position]


def _comment_end(text: str, position: int) -> int:
    depth = 1
    while depth:
        found = _IN_COMMENT.match(text, position)
        if not found:
            raise Unreadable("has a comment without an end")
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        position = found.end()
    return position


def _parts(words: list[str]) -> Iterator[list[str]]:
    """The words of each mailbox."""
    part: list[str] = []
    inside = False
    for word in words:
        if word in (":", ";") and not inside:
            raise Unreadable("is a group, not an address")
        if word == "," and not inside:
            yield part
            part = []
            continue
        inside = word == "<" or (inside and word != ">")
        part.append(word)
    yield part


def _mailbox(words: list[str]) -> Mailbox:
    comment = " ".join(_PAIR.sub(r"\1", word[1:-1]).strip() for word in words if _is_comment(word))
    if "<" not in words:
        return Mailbox(_joined(_trimmed([word for word in words if not _is_comment(word)])), "", comment)
    start = words.index("<")
    rest = words[start + 1 :]
    end = rest.index(">") if ">" in rest else -1
    name = [word for word in words[:start] if not _is_comment(word)]
    if end < 0 or _trimmed([word for word in rest[end + 1 :] if not _is_comment(word)]) or "@" in name or ">" in name:
        raise Unreadable('is malformed: write "Name" <name@example.com>')
    return Mailbox(_joined(_trimmed(rest[:end])), "".join(name).strip(), comment)


def _is_comment(word: str) -> bool:
    return word[0] == "("


def _joined(words: list[str]) -> Address:
    """Only local @ domain, and nothing else."""
    if not words:
        raise Unreadable("has no address, or an empty place in its list")
    if words[0] == "@":
        raise Unreadable("has a route in its address")
    if "@" not in words:
        raise Unreadable("has no address in it")
    if len(words) != 3 or words[1] != "@":
        raise Unreadable("has something else within its address")
    return _address("".join(words))


def _trimmed(words: list[str]) -> list[str]:
    while words and words[0].isspace():
        words = words[1:]
    while words and words[-1].isspace():
        words = words[:-1]
    return words
