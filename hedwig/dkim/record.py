"""The DNS record of a key (RFC 6376 §3.6.1, RFC 8463 §4): as it is to be published, and what is wrong with one. Pure.

`value` is one line, as web panels take it; `zone_lines` is the same in strings of at most 255 octets, as a zone file
needs it (RFC 1035 §3.3.14). `compare` reads what DNS has, as a receiver would, and says what to mend.

No s= is written: a key is for mail of every kind then, and for TLS reports as well (RFC 8460 §3).
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hedwig.dkim.keys import RSA, Key

MOST = 255  # octets of one string
TTL = 3600
GOOD_BITS = 2048
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """What DNS has for a key. `sound`: receivers can verify with it. `wrong` and `mend`: what is amiss and what to do,
    or what is only worth a word where it is sound; "" for nothing."""

    sound: bool
    wrong: str = ""
    mend: str = ""


def value(key: Key) -> str:
    """The record's text."""
    return f"v=DKIM1; k={key.algorithm}; p={base64.b64encode(key.public).decode('ascii')}"


def zone_lines(key: Key) -> str:
    """The record as lines of a zone file."""
    text = value(key)
    strings = [f'"{text[start : start + MOST]}"' for start in range(0, len(text), MOST)]
    if len(strings) == 1:
        return f"{key.name}. {TTL} IN TXT {strings[0]}"
    return "\n".join([f"{key.name}. {TTL} IN TXT (", *(f"    {string}" for string in strings), ")"])


def compare(key: Key, texts: Sequence[str], doubled: Sequence[str] = ()) -> Finding:
    """What DNS has at `key.name` (`texts`), against the key. `doubled`: what it has at that name with the domain behind
    it once more, where web panels put a record whose whole name was typed in."""
    publish = "publish the record that `hedwig dkim list` shows"
    if not texts:
        if any("p=" in text for text in doubled):
            wrong = f"the record stands at {key.name}.{key.domain}: the panel adds the domain by itself"
            return Finding(False, wrong, f"name it {key.name.removesuffix('.' + key.domain)} there")
        return Finding(False, "there is no such record", publish)
    keyed = [text for text in texts if "p" in tags(text)]
    if not keyed:
        return Finding(False, f"there is a TXT record, but no key in it: {_shown(texts[0])}", publish)
    if len(texts) > 1:
        return Finding(False, f"there are {len(texts)} TXT records at this name, and there may be one", "leave one")
    return _compared(key, texts[0])


def _compared(key: Key, text: str) -> Finding:
    found = tags(text)
    whole = "put the whole value there, in one line or in several strings of one record"
    if '"' in text:
        return Finding(False, f"quotation marks are part of the value: {_shown(text)}", "leave them out")
    if found.get("v", "DKIM1") != "DKIM1" or ("v" in found and next(iter(found)) != "v"):
        return Finding(False, "it does not begin with v=DKIM1", whole)
    if not found["p"]:
        return Finding(False, "its p= is empty, which revokes the key", whole)
    if found.get("k", RSA) != key.algorithm:
        return Finding(False, f"it says k={_shown(found.get('k', RSA))}, and the key is {key.algorithm}", whole)
    if found["p"] != (wanted := tags(value(key))["p"]):
        if wanted.startswith(found["p"]):
            wrong = f"its p= ends after {len(found['p'])} of {len(wanted)} characters"
            return Finding(False, wrong, whole)
        if not _is_base64(found["p"]):
            return Finding(False, "its p= is damaged (no base64)", whole)
        return Finding(False, "it holds another key than the file", whole)
    if "h" in found and "sha256" not in found["h"].split(":"):
        return Finding(False, f"its h={_shown(found['h'])} does not allow sha256", "leave h= out")
    if not {"*", "email"} & set(found.get("s", "*").split(":")):
        return Finding(False, f"its s={_shown(found['s'])} is not for mail", "leave s= out")
    return _remarked(key, found)


def _remarked(key: Key, found: dict[str, str]) -> Finding:
    if "y" in found.get("t", "").split(":"):
        wrong = "t=y says that the domain is only testing: receivers may treat its mail as unsigned"
        return Finding(True, wrong, "take t=y out when all is well")
    if key.algorithm == RSA and key.bits < GOOD_BITS:
        wrong = f"{key.bits} bits are few: receivers want {GOOD_BITS} (RFC 8301 §3.2)"
        return Finding(True, wrong, f"hedwig dkim rotate {key.domain}")
    return Finding(True)


def tags(text: str) -> dict[str, str]:
    """A tag-list (RFC 6376 §3.2), in its order; blanks within p= and around all go. What is none is left out."""
    found = {}
    for part in text.split(";"):
        name, equals, content = part.partition("=")
        if equals:
            found[name.strip()] = re.sub(r"\s+", "", content)
    return found


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _shown(text: str) -> str:
    return ascii(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")
