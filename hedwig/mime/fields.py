"""A header field with octets above 127 in a form that has none, by what kind of field it is. Pure.

- Fields of addresses: names and comments become encoded words (RFC 2047 §5), a domain in U-labels A-labels.
- Content-Type and Content-Disposition: a parameter's value gets RFC 2231's form.
- Fields with a grammar of their own (Message-ID, Received, signatures ...) have no form for such octets.
- All others are text: the words with such octets become encoded words.

Fields that are ASCII are not touched. Raises Unconvertible.
"""

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote_from_bytes

from hedwig.address import Address, AddressError
from hedwig.lines import MAX_LINE
from hedwig.mime import Unconvertible
from hedwig.mime.words import charset_of, encoded_words, folded

_OF_ADDRESSES = (
    b"from sender reply-to to cc bcc errors-to mail-followup-to mail-reply-to return-receipt-to "
    b"disposition-notification-to resent-from resent-sender resent-reply-to resent-to resent-cc resent-bcc"
)
_RIGID = frozenset(
    b"arc-authentication-results arc-message-signature arc-seal authentication-results auto-submitted content-id "
    b"content-transfer-encoding date delivered-to dkim-signature domainkey-signature in-reply-to list-archive "
    b"list-help list-id list-owner list-post list-subscribe list-unsubscribe message-id mime-version received "
    b"received-spf references resent-date resent-message-id return-path".split()
)
_WORD = re.compile(rb"[ \t]*[^ \t]+|[ \t]+\Z")
_TOKEN = re.compile(
    rb"""
    (?P<blank>[ \t]+)
    | (?P<quoted>"(?:\\.|[^"\\])*")
    | (?P<comment>\((?:\\.|[^()\\])*\))
    | (?P<angle><[^>]*>)
    | (?P<special>[,:;])
    | (?P<atom>(?:(?!["(<,:;\ \t]).)+)
    | (?P<odd>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_PARAMETER = re.compile(
    rb"""(?P<before>;[ \t]*)(?P<name>[^\s;="]+)[ \t]*=[ \t]*(?P<value>"(?:\\.|[^"\\])*"|[^";]*?)(?=[ \t]*(?:;|\Z))""",
    re.DOTALL,
)
_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_ABOVE = re.compile(rb"[\x80-\xff]")
_SEGMENT = 200  # octets of a parameter that are encoded as one (RFC 2231 §3)


def seven_bit(field: bytes, charset: str) -> bytes:
    """The field, with its line end, in 7 bits. `charset`: that of the body beside it, or ""."""
    if field.isascii():
        return field
    name, _, value = field.partition(b":")
    kind = name.strip().lower()
    value = value.replace(b"\r\n", b"")  # unfolded: RFC 5322 §2.2.3
    if not name.isascii() or kind in _RIGID:
        raise Unconvertible(f"has 8-bit octets in the field {name[:40].decode('ascii', 'replace').strip()}")
    pieces = _OF_KIND.get(kind, _text)(value, charset)
    made = folded(name, pieces)
    if not made.isascii():
        raise Unconvertible(f"has 8-bit octets in the field {name.decode('ascii').strip()} that no form is known for")
    if max(map(len, made.split(b"\r\n"))) > MAX_LINE:
        raise Unconvertible(f"has a field {name.decode('ascii').strip()} that is too long")
    return made


# text


def _text(value: bytes, charset: str) -> list[bytes]:
    """Blanks between two encoded words vanish when they are decoded: they are encoded with the second one."""
    pieces: list[bytes] = []
    run = b""
    for word in _WORD.findall(value):
        if not word.isascii():
            run += word
            continue
        pieces += [*_spoken(run, charset), word]
        run = b""
    return pieces + _spoken(run, charset)


def _spoken(run: bytes, charset: str) -> list[bytes]:
    """A run of words as encoded ones, each with the blank before it."""
    if not run:
        return []
    text = run.lstrip(b" \t")
    words = encoded_words(text, charset_of(text, charset))
    return [(run[: len(run) - len(text)] or b" ") + words[0], *(b" " + word for word in words[1:])]


# addresses


def _addresses(value: bytes, charset: str) -> list[bytes]:
    """Token by token; what a phrase has of words that are not ASCII in a row is one run."""
    pieces: list[bytes] = []
    blank = run = b""
    tokens = [(str(found.lastgroup), found[0]) for found in _TOKEN.finditer(value)]
    for place, (kind, octets) in enumerate(tokens):
        if kind == "blank":
            blank = octets
            continue
        following = tokens[place + 1][1] if place + 1 < len(tokens) else b""
        if _is_spoken(kind, octets, following):
            run += blank + (_unquoted(octets) if kind == "quoted" else octets)
        else:
            pieces += _spoken(run, charset)
            # RFC 2047 §5 (3): a blank stands between an encoded word and what follows.
            pieces.append((blank or (b" " if run else b"")) + _token(kind, octets, charset))
            run = b""
        blank = b""
    return pieces + _spoken(run, charset)


def _is_spoken(kind: str, octets: bytes, following: bytes) -> bool:
    """Whether this is a word of a name, and not ASCII."""
    if octets.isascii() or kind not in ("quoted", "atom"):
        return False
    return b"@" not in octets and not following.startswith(b"@") if kind == "atom" else not following.startswith(b"@")


def _token(kind: str, octets: bytes, charset: str) -> bytes:
    """What is no word of a name."""
    if octets.isascii():
        return octets
    if kind == "comment":
        text = _unquoted(octets)
        return b"(" + b" ".join(encoded_words(text, charset_of(text, charset))) + b")"
    if kind == "angle":
        return b"<" + _address(octets[1:-1]) + b">"
    return _address(octets)


def _address(octets: bytes) -> bytes:
    try:
        address = Address.parse(octets.decode())
    except (UnicodeDecodeError, AddressError):
        raise Unconvertible("has 8-bit octets in an address") from None
    if address.needs_smtputf8:
        raise Unconvertible("has an address that needs SMTPUTF8")
    return address.widest.encode("ascii")


def _unquoted(octets: bytes) -> bytes:
    """What stands in a quoted string or a comment."""
    return _PAIR.sub(rb"\1", octets[1:-1])


# parameters


def _parameters(value: bytes, charset: str) -> list[bytes]:
    pieces = [b""]
    done = 0
    for found in _PARAMETER.finditer(value):
        pieces[-1] += value[done : found.start()] + b";"
        done = found.end()
        name, octets = found["name"], found["value"]
        if octets.isascii():
            pieces.append(b" %b=%b" % (name, octets))
        elif name.endswith(b"*"):
            pieces.append(b" %b=%b" % (name, _ABOVE.sub(lambda above: b"%%%02X" % above[0][0], octets)))
        else:
            pieces += _extended(name, _unquoted(octets) if octets.startswith(b'"') else octets, charset)
    pieces[-1] += value[done:]
    return pieces


def _extended(name: bytes, octets: bytes, charset: str) -> list[bytes]:
    """A parameter as RFC 2231 §4 writes it; a long one in several (§3)."""
    known = charset_of(octets, charset)
    encoded = [
        quote_from_bytes(octets[start : start + _SEGMENT], safe="").encode()
        for start in range(0, len(octets), _SEGMENT)
    ]
    encoded[0] = known.encode() + b"''" + encoded[0]
    if len(encoded) == 1:
        return [b" %b*=%b" % (name, encoded[0])]
    ends = [b";"] * (len(encoded) - 1) + [b""]
    return [b" %b*%d*=%b%b" % (name, place, part, ends[place]) for place, part in enumerate(encoded)]


_OF_KIND: Mapping[bytes, Callable[[bytes, str], list[bytes]]] = {
    **dict.fromkeys(_OF_ADDRESSES.split(), _addresses),
    b"content-type": _parameters,
    b"content-disposition": _parameters,
}
