"""What a value of each kind looks like, both ways: text -> value, and value -> the text that a file would have.

A kind is named in hedwig/settings beside each key. A parser takes the text as the admin wrote it and returns the value,
or raises Unfit with what is wrong and what would be right. `written` is its inverse. Pure: nothing is looked up.
"""

import re
from collections.abc import Callable

from hedwig import moments
from hedwig.choices import OnDoubt, Priority
from hedwig.config import clientkinds, names, places, rulekinds, ways
from hedwig.config.names import host_name
from hedwig.config.problem import Unfit, shown
from hedwig.settings import DAY, GIB, HOUR, KIB, MIB, MINUTE, ClientKey

_SIZE = re.compile(r"([0-9]{1,12})\s*(?:([KMGT])(?:iB)?|B)?")
_SIZE_UNITS = {"": 1, "K": KIB, "M": MIB, "G": GIB, "T": 1024 * GIB}
_MAX_DURATION = 366 * DAY
MOST_RECIPIENTS = 1000  # of a transaction: more is asked of no receiver
_COUNT = re.compile(r"[0-9]{1,9}")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)\s*%")


def _text(text: str) -> str:
    if not text.isprintable():
        raise Unfit("it has a line end or a control character in it", "write it on one line")
    return text


def _secret(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise Unfit("this is no key", "copy the line that `hedwig key add FQDN` printed")
    return text


def size(text: str) -> int:
    """Octets, from "30 MiB", "25M" or plain octets."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise Unfit(f"{shown(text)} is not a size", "write it like 30 MiB, 25M or 512K")
    octets = int(found[1]) * _SIZE_UNITS[found[2] or ""]
    if octets < KIB:
        raise Unfit(f"{octets} octets is less than 1 KiB", f"write {found[1]} MiB if that was meant")
    if octets > 1024 * _SIZE_UNITS["T"]:
        raise Unfit(f"{shown(text)} is larger than 1024 TiB", "write it like 30 MiB or 2 GiB")
    return octets


def duration(text: str) -> int:
    """Seconds, at least 1, from "6m", "1h30m", "5d" or plain seconds."""
    seconds = _duration_or_never(text)
    if seconds == 0:
        raise Unfit("0 is too short", "write at least 1s")
    return seconds


def _duration_or_never(text: str) -> int:
    seconds = moments.duration(text)
    if seconds is None:
        raise Unfit(f"{shown(text)} is not a duration", "write it like 30s, 6m, 2h, 1h30m or 5d")
    if seconds > _MAX_DURATION:
        raise Unfit(f"{shown(text)} is longer than 366 days", "write it like 30s, 6m, 2h or 5d")
    return seconds


def _percent(text: str) -> float:
    found = _PERCENT.fullmatch(text)
    if not found or float(found[1]) > 100:
        raise Unfit(f"{shown(text)} is not a share", "write it like 20%, from 0% to 100%")
    return float(found[1]) / 100


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text) or int(text) < 1:
        raise Unfit(f"{shown(text)} is not a count", "write a number from 1 on, in digits alone")
    return int(text)


def _recipients(text: str) -> int:
    if (most := _count(text)) > MOST_RECIPIENTS:
        raise Unfit(f"{text} recipients are too many for one transaction", f"write a number up to {MOST_RECIPIENTS}")
    return most


def _or_none(parse: Callable[[str], int], none: str) -> Callable[[str], int]:
    """The kind that `parse` reads, or 0, which means `none`: whatever is wrong, 0 is among what would be right."""

    def parse_or_none(text: str) -> int:
        try:
            return 0 if text == "0" else parse(text)
        except Unfit as error:
            raise Unfit(error.wrong, f"{error.right}, or 0 for {none}") from None

    return parse_or_none


_OR_NEVER = _or_none(_duration_or_never, "none")
_OR_NO_BOUND = _or_none(_count, "no bound")


def _secret_or_none(text: str) -> str:
    if not text.isprintable():
        raise Unfit("it has a line end or a control character in it", "write it on one line")
    return text


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise Unfit(f"{shown(text)} is neither true nor false", "write true or false")
    return text == "true"


def _priority(text: str) -> Priority:
    if text.upper() not in Priority.__members__:
        raise Unfit(f"{shown(text)} is no priority", "write urgent, normal or bulk")
    return Priority[text.upper()]


def _on_doubt(text: str) -> OnDoubt:
    try:
        return OnDoubt(text)
    except ValueError:
        raise Unfit(f"{shown(text)} is none of the ways", "write retry, hold or retry-once") from None


Parser = Callable[[str], object]

SCALARS: dict[str, Parser] = {
    "text": _text, "secret": _secret, "host": host_name, "ehlo": names.ehlo, "path": places.full_path,
    "optional path": places.path_or_none, "size": size, "duration": duration, "duration or never": _OR_NEVER,
    "recipients": _recipients,
    "count": _count, "count or none": _OR_NO_BOUND, "port": places.port_number, "percent": _percent, "flag": _flag,
    "url": places.http_url, "queue": places.queue_url, "priority": _priority, "on doubt": _on_doubt,
    "optional mailbox": names.mailbox_or_none, "word": names.word_or_none,
    "host or address": names.host_or_address, "optional secret": _secret_or_none,
    "tls": ways.tls, "tls or none": ways.tls_or_none, "family": ways.family, "eight bit": ways.eight_bit,
    "optional ipv4": ways.ipv4_or_none, "optional ipv6": ways.ipv6_or_none, "optional day": ways.day_or_none,
    "pattern": rulekinds.pattern, "scope": rulekinds.scope, "optional page": rulekinds.page_or_none,
    "example": rulekinds.example, "optional hook url": places.hook_url_or_none,
    "size or none": _or_none(size, "none of its own"), "size or never": _or_none(size, "never"),
    "hash": clientkinds.hash_, "expiry": clientkinds.expiry,
    "from mismatch": clientkinds.from_mismatch, "from match": clientkinds.from_match,
    "unsubscribe": clientkinds.unsubscribe,
}  # fmt: skip
LISTS: dict[str, Parser] = {
    "list": _text, "listen": places.listen, "listen inet": places.listen_inet,
    "durations": duration, "counts": _count, "addresses": places.address, "hashes": clientkinds.key,
    "senders": clientkinds.sender,
    "mx names": names.host_or_below, "domains": names.domain_or_below, "words": names.word,
    "networks": lambda text: places.network(text, ()),
    "hosts": host_name,
    "allow": lambda text: places.network(text, ("loopback", "docker")),
    "stages": rulekinds.stage, "codes": rulekinds.code, "statuses": rulekinds.status, "phrases": rulekinds.phrase,
    "actions": rulekinds.step, "command": _text,
    "refuse": lambda text: places.network(text, ("this-host",)),
}  # fmt: skip
NAMES: dict[str, Callable[[str], str]] = {"word": names.word, "domain": names.domain_or_below, "host": host_name}
NEVER_EMPTY = frozenset({"listen", "listen inet", "durations", "counts"})
REPEATABLE = frozenset({"durations", "counts", "command"})
OF_ENTRIES: dict[str, type] = {"hashes": ClientKey}  # whose items may be mappings: of these keys, and `line`
WITH_COMMAS = frozenset({"phrases", "command"})  # elsewhere a comma says that brackets were forgotten


def written(kind: str, value: object) -> str:
    """How a file says `value`: the text from which the kind's parser makes it again. YAML, on one line."""
    if isinstance(value, tuple):
        item = {"durations": "duration"}.get(kind, "text")
        return "[" + ", ".join(written(item, one) for one in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or (kind == "expiry" and not value):
        return '""'
    if isinstance(value, Priority):
        return value.name.lower()
    if kind.startswith("size") and isinstance(value, int):
        return _in_units(value, (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)), " ")
    if kind.startswith("duration") and isinstance(value, int):
        return _in_units(value, (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", 1)), "")
    if kind == "percent" and isinstance(value, float):
        return f"{value * 100:g}%"
    text = str(value)
    plain = text and text[0] not in "[:" and ": " not in text and not text.startswith("unix:") and " #" not in text
    return text if plain else f'"{text}"'


def _in_units(value: int, units: tuple[tuple[str, int], ...], space: str) -> str:
    for name, octets in units:
        if value and value % octets == 0:
            return f"{value // octets}{space}{name}"
    return str(value)
