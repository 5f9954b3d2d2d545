"""The DNS record of a key (RFC 6376 §3.6.1, RFC 8463 §4): as it is to be published, and its tags. Pure.

`value` is one line, as web panels take it; `zone_lines` is the same in strings of at most 255 octets, as a zone file
needs it (RFC 1035 §3.3.14). What DNS has is judged in hedwig/doctor/dkim_record.py.

No s= is written: a key is for mail of every kind then, and for TLS reports as well (RFC 8460 §3).
"""

import base64

from hedwig.dkim.keys import Key

MOST = 255  # octets of one string
TTL = 3600


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


def tags(text: str) -> dict[str, str]:
    """A tag list (RFC 6376 §3.2) in its order, values without white space at their ends. {} where it is none: a part
    without "=", or a tag twice, makes all of it invalid."""
    found: dict[str, str] = {}
    for part in text.strip().rstrip(";").split(";"):
        name, equals, content = part.partition("=")
        if not equals or name.strip() in found:
            return {}
        found[name.strip()] = content.strip()
    return found
