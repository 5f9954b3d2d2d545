"""An SPF record's text (RFC 7208 §4.5, §12): its terms, and the record that mends it. Pure."""

import re
from collections.abc import Iterable, Sequence

_ALL = re.compile(r"[+?~-]?all\Z", re.IGNORECASE)
_STRING = 255  # octets of one string of a TXT record
VERSION = "v=spf1"
FIRST_ALL = "~all"


def is_spf(text: str) -> bool:
    """Whether this TXT record is one of SPF (§4.5)."""
    return text.lower() == VERSION or text.lower().startswith(f"{VERSION} ")


def mechanisms_for(addresses: Iterable[str]) -> list[str]:
    """What lets these addresses send."""
    return [f"ip6:{each}" if ":" in each else f"ip4:{each}" for each in addresses]


def terms(record: str) -> list[str]:
    """What stands behind the version."""
    return record.split()[1:]


def all_of(record: str) -> str:
    """Its `all`, as written; "" where it has none."""
    return next((term for term in terms(record) if _ALL.match(term)), "")


def uses(record: str, name: str) -> bool:
    """Whether it has that mechanism, with any qualifier."""
    return any(re.match(rf"[+?~-]?{name}(?:[:/]|\Z)", term, re.IGNORECASE) for term in terms(record))


def mended(records: Sequence[str], addresses: Sequence[str], without: Sequence[str] = ()) -> str:
    """One record of these, that lets the addresses send without any look-up: theirs first, then all other terms in
    their order, each once; at last `all`, or the redirect that stands for it. `without`: terms that are left out.

    What is there keeps its own ending, which may be none. A first record ends in ~all, as one does that had +all: who
    else sends for the domain, and was not thought of, is then marked by receivers, and not refused at once."""
    first = mechanisms_for(addresses)
    others = dict.fromkeys(term for record in records for term in terms(record) if term not in without)
    closings = [term for term in others if _ALL.match(term)]
    middle = [term for term in others if not _ALL.match(term) and term not in first]
    middle.sort(key=_is_modifier)
    redirected = any(term.lower().startswith("redirect=") for term in middle)
    end = [term for term in closings if term.lower() not in ("all", "+all")][:1]
    if not end and not redirected and (closings or not records):
        end = [FIRST_ALL]
    modifiers = [term for term in middle if _is_modifier(term)]
    return " ".join([VERSION, *first, *(term for term in middle if not _is_modifier(term)), *end, *modifiers])


def _is_modifier(term: str) -> bool:
    return bool(re.match(r"[a-zA-Z][a-zA-Z0-9._-]*=", term))


def txt(name: str, text: str) -> str:
    """The record in a zone file's form: strings of at most 255 octets each (RFC 1035 §3.3.14)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    strings = [escaped[start : start + _STRING] for start in range(0, len(escaped), _STRING)] or [""]
    return f"{name}. IN TXT " + " ".join(f'"{each}"' for each in strings)
