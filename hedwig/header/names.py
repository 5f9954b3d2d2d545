"""Addresses that the name beside an address shows to who reads it, whatever the letter is written in. Pure.

Most mail programs show the name of From and hide its address, so a name that looks like an address is taken for it
(SpamAssassin's FromNameSpoof and rspamd's SPOOF_DISPLAY_NAME look for that, too). A name is read as these programs show
it: quotes and backslashes gone, encoded words decoded wherever they stand (RFC 2047 §5 forbids them in quotes; many
decode them all the same), full-width letters as the narrow ones, what has no width left out. What looks like an address
is letters, an @, and a name with a dot in it, without a blank: "Yoga@Home" and "Jobs @ example.com" are none.
"""

import re
import unicodedata
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from itertools import pairwise

_PAIR = re.compile(r"\\(.)")
_APART = re.compile(r"[\s<>()\[\]{}\",;:«»“”„「」『』《》〈〉【】、]+")  # what no address has in it, unquoted
_TURNED = re.compile("[\u202d\u202e]")
_EDGES = "'`‘’.!?*/|~-_=…"


class Undecodable(ValueError):
    """Programs will not agree on what it says."""


def addresses_shown(name: str) -> Iterator[tuple[str, str]]:
    """What in a name (as it was written, unfolded) looks like an address: as it stands there, and without the signs
    around it. Undecodable where it can't be told."""
    for text in _readings(name):
        if "@" not in text:
            continue
        for word in _APART.split(text):
            for local, domain in pairwise(word.split("@")):
                if local and "." in domain.strip("."):
                    yield f"{local}@{domain}", f"{local}@{domain}".strip(_EDGES)


def _readings(name: str) -> Iterator[str]:
    """What programs may show. Raw octets are Chinese more often than anything else where they are not UTF-8. A turn
    of the direction (UAX #9) shows what follows it turned round."""
    if not name.isascii() and any("\udc80" <= char <= "\udcff" for char in name):
        yield _plain(_decoded(name.encode("utf-8", "surrogateescape").decode("gb18030", "replace")))
    text = _decoded(name)
    yield _plain(text)
    if _TURNED.search(text):
        yield _plain(text)[::-1]


def _decoded(name: str) -> str:
    text = _PAIR.sub(r"\1", name).replace('"', "")
    if "=?" not in text:
        return text
    try:
        return "".join(_text(part, charset) for part, charset in decode_header(text))
    except (HeaderParseError, ValueError) as error:  # base64 that is none, or octets that are cut off
        raise Undecodable(str(error)) from None


def _text(part: str | bytes, charset: str | None) -> str:
    if isinstance(part, str):
        return part
    if charset is None:
        return part.decode("raw-unicode-escape", "replace")  # as decode_header wrote what stood between the words
    try:
        return part.decode(charset.partition("*")[0], "replace")  # RFC 2231 §5: a language may stand behind it
    except (LookupError, ValueError):
        return part.decode("latin-1")


def _plain(text: str) -> str:
    """In its narrow letters, without what has no width."""
    if text.isascii():
        return text
    seen = "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Mn", "Cc"))
    return unicodedata.normalize("NFKC", seen).replace("。", ".")
