"""MTA-STS (RFC 8461): what a domain says of TLS at its hosts, by a TXT record and a policy that lies on its web server.

The record (§3.1) says that there is a policy, and by its ID when that is another one. `read` takes the policy (§3.2),
strictly: what can't be read is none. `matches` says which hosts it is about (§4.1).
"""

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

RECORD = "_mta-sts."  # stands before the domain
HOST = "mta-sts."  # so does this
PATH = "/.well-known/mta-sts.txt"
MAX_OCTETS = 64 << 10  # of a policy (§3.3)
MAX_AGE = 31_557_600  # seconds (§3.2)
MAX_PATTERNS = 500
_VERSION = re.compile(r"v=STSv1[ \t]*;")
_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z")
_VALUE = re.compile(r"[!-:<>-~]+\Z")  # of the record: neither ";" nor "="
_PATTERN = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_AGE = re.compile(r"[0-9]{1,10}\Z")


class Mode(enum.StrEnum):
    """What is done with hosts that don't fit (§5): nothing is sent there; or it is, and told; or nobody looks."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


class BadPolicy(ValueError):
    """What was fetched is no policy; str(error) says why."""


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """`mx`: patterns of host names, lower case. `max_age`: seconds from its fetching. `lines`: as it was written."""

    mode: Mode
    mx: tuple[str, ...]
    max_age: int
    lines: tuple[str, ...] = ()

    def matches(self, host: str) -> bool:
        """Whether a host (lower case, no final dot) is one that it names. "*." stands for one whole label."""
        label, _, parent = host.partition(".")
        return host in self.mx or (bool(label and parent) and f"*.{parent}" in self.mx)


def record_id(texts: Iterable[str]) -> str:
    """The ID in the TXT records of RECORD + domain; "" where they don't make one valid record."""
    ours = [text for text in texts if _VERSION.match(text)]
    if len(ours) != 1:
        return ""
    found = ""
    for field in (each.strip(" \t") for each in ours[0].split(";")[1:]):
        name, equals, value = field.partition("=")
        if not field:
            continue
        if not (equals and _NAME.match(name) and _VALUE.match(value)) or (name == "id" and not _ID.match(value)):
            return ""
        found = found or (value if name == "id" else "")
    return found


def read(content: bytes) -> StsPolicy:
    """A policy as it was fetched. Fields that are not known are passed over, and so is a second one of a kind."""
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        raise BadPolicy("it has octets that are no ASCII") from None
    lines = tuple(line for line in (each.strip() for each in text.split("\n")) if line)
    patterns: list[str] = []
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not _NAME.match(name) or not value.isprintable():
            raise BadPolicy(f"a line of it is no field and value: {line[:60]!a}")
        if name == "mx":
            patterns.append(value.lower())
        fields.setdefault(name, value)
    return _checked(fields, patterns, lines)


def _checked(fields: dict[str, str], patterns: Sequence[str], lines: tuple[str, ...]) -> StsPolicy:
    if fields.get("version") != "STSv1":
        raise BadPolicy("its version is not STSv1")
    try:
        mode = Mode(fields.get("mode", ""))
    except ValueError:
        raise BadPolicy(f"its mode is {ascii(fields.get('mode', ''))[:60]}") from None
    if not _AGE.match(fields.get("max_age", "")):
        raise BadPolicy(f"its max_age is {ascii(fields.get('max_age', ''))[:60]}")
    if mode is not Mode.NONE and not patterns:
        raise BadPolicy("it names no mx")
    if len(patterns) > MAX_PATTERNS:
        raise BadPolicy(f"it names more than {MAX_PATTERNS} mx")
    for pattern in patterns:
        if len(pattern) > 255 or not _PATTERN.match(pattern):
            raise BadPolicy(f"its mx {pattern[:60]!a} is no host name")
    return StsPolicy(mode, tuple(dict.fromkeys(patterns)), min(int(fields["max_age"]), MAX_AGE), lines)
