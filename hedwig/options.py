"""What a message asks for beside its envelope, and where it came from: words that travel with it from hop to hop.

`Options` come from header lines (Hedwig-Expires ...), from HTTP fields, from DSN's parameters (RFC 3461), and from the
client's policy. `Submitter` is the container that handed the message in, as far as its host could tell. Both travel as
one small JSON object, "" where there is nothing to say, which is the rule: then neither costs anything.

An object from another release may hold keys that are not known here: they are ignored, so hosts are upgraded apart.
A value that makes no sense is a BadOption with a sentence; it never becomes something else in silence.
"""

import enum
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from hedwig.choices import OnDoubt, Priority
from hedwig.moments import utc

__all__ = [
    "MAX_ENVID",
    "MAX_KEY",
    "MAX_KEYED",
    "MAX_MOMENT",
    "MAX_NAME",
    "MAX_NOTIFY",
    "MAX_ORCPT",
    "PLAIN",
    "WHEN",
    "BadOption",
    "Notify",
    "OnDoubt",
    "Options",
    "Priority",
    "Submitter",
    "TlsWish",
    "priority_of",
    "read",
    "read_submitter",
    "submitter_of",
    "unpacked",
]

MAX_KEY = 200  # characters of a supersede key
MAX_KEYED = 1000  # recipients of a message with a key: each one is a row more of its transaction
MAX_ENVID = 100  # characters, RFC 3461 §4.4
MAX_ORCPT = 500  # characters, RFC 3461 §4.2
MAX_MOMENT = 1e11  # Unix seconds of a deadline: the year 5138
MAX_NOTIFY = 5000  # recipients of a message with wishes for reports: each claim reads all of them
TOLD = 3  # recipients whose wishes are told to people; queue show --json has all
MAX_NAME = 255  # characters of each field of a Submitter
WHEN = ("NEVER", "SUCCESS", "FAILURE", "DELAY")
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode  # made once: json.dumps makes one at each call


class BadOption(ValueError):
    """str(error) says which, and what would be right."""


class TlsWish(enum.StrEnum):
    """What a message itself says of TLS on its way (RFC 8689): REQUIRED: it must not go where it can't be protected up
    to its end (REQUIRETLS); OPTIONAL: it shall arrive, whatever receivers' policies say (TLS-Required: No)."""

    USUAL = ""
    REQUIRED = "required"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Notify:
    """One recipient's wishes for reports (RFC 3461 §4.1, §4.2). `when`: NEVER, or of SUCCESS, FAILURE and DELAY; ()
    where the client said nothing. `orcpt`: "rfc822;b@example.net" as it was given, xtext decoded, or ""."""

    rcptto: str
    when: tuple[str, ...] = ()
    orcpt: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """`deadline`: Unix seconds after which the message must not be sent any more, 0 for none. `supersede`: a key; a
    newer message of the client with the same one replaces this one while it is queued. `priority`: None where nothing
    was asked. `on_doubt`: the client's policy. `ret`: "FULL", "HDRS" or ""; `envid`: as given, xtext decoded. `tls`:
    see TlsWish."""

    deadline: float = 0.0
    supersede: str = ""
    priority: Priority | None = None
    on_doubt: OnDoubt = OnDoubt.RETRY
    ret: str = ""
    envid: str = ""
    notify: tuple[Notify, ...] = ()
    tls: TlsWish = TlsWish.USUAL
    _by_rcptto: dict[str, Notify] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for each in self.notify:
            self._by_rcptto.setdefault(each.rcptto, each)

    def packed(self) -> str:
        """As JSON for the wire and the spool; "" for the default."""
        if self is PLAIN or self == PLAIN:
            return ""
        fields: dict[str, Any] = {}
        if self.deadline:
            fields["deadline"] = self.deadline
        if self.priority is not None:
            fields["priority"] = self.priority.name.lower()
        if self.on_doubt is not OnDoubt.RETRY:
            fields["on_doubt"] = self.on_doubt.value
        for name in ("supersede", "ret", "envid", "tls"):
            if getattr(self, name):
                fields[name] = getattr(self, name)
        if self.notify:
            fields["notify"] = [[each.rcptto, list(each.when), each.orcpt] for each in self.notify]
        return _ENCODE(fields)

    def __str__(self) -> str:
        """For people, what was asked of us: "until 2026-11-24 04:00:00 UTC, urgent, key otp-42"; "" for the default."""
        told = []
        if self.deadline:
            told.append(f"until {utc(self.deadline)}")
        if self.priority is not None:
            told.append(self.priority.name.lower())
        if self.supersede:
            told.append(f"key {self.supersede}")
        if self.tls is not TlsWish.USUAL:
            told.append(_TOLD[self.tls])
        return ", ".join([*told, *self.reports()])

    def reports(self) -> list[str]:
        """What was asked of reports, as SMTP has it (RFC 3461): RET, ENVID; NOTIFY and ORCPT of the first TOLD."""
        told = [f"RET={self.ret}"] if self.ret else []
        told += [f"ENVID={self.envid}"] if self.envid else []
        for each in self.notify[:TOLD]:
            wishes = f"NOTIFY={','.join(each.when)}" if each.when else ""
            orcpt = f"ORCPT={each.orcpt}" if each.orcpt else ""
            told.append(f"{' '.join(part for part in (wishes, orcpt) if part)} for {each.rcptto}")
        more = len(self.notify) - TOLD
        return [*told, f"and wishes for {more} more"] if more > 0 else told

    def fields(self) -> dict[str, Any]:
        """The same for the journal (log.event); "" where nothing was asked."""
        if self is PLAIN:
            return {}
        priority = "" if self.priority is None else self.priority.name.lower()
        deadline = utc(self.deadline) if self.deadline else ""
        return {"deadline": deadline, "priority": priority, "supersede": self.supersede, "require_tls": self.tls.value}

    def bounded(self, recipients: int) -> "Options":
        """Itself, for a message to so many; or BadOption."""
        if self.supersede and recipients > MAX_KEYED:
            raise BadOption(f"a letter with a supersede key has up to {MAX_KEYED} recipients, not {recipients}")
        return self

    def of(self, rcptto: str) -> Notify:
        """One recipient's wishes."""
        return self._by_rcptto.get(rcptto) or Notify(rcptto)


PLAIN = Options()
_TOLD = {TlsWish.REQUIRED: "TLS required", TlsWish.OPTIONAL: "TLS-Required: No"}


def unpacked(text: str) -> Options:
    """What `packed` gave. BadOption for what it can't have given."""
    return read(json.loads(text)) if text else PLAIN


def read(fields: Any) -> Options:
    """From an object of JSON that came from elsewhere. BadOption names the key."""
    if not isinstance(fields, dict):
        raise BadOption("options must be a JSON object")
    priority = fields.get("priority")
    return Options(
        deadline=_deadline(fields.get("deadline", 0.0)),
        supersede=_text(fields, "supersede", MAX_KEY),
        priority=None if priority is None else _priority(priority),
        on_doubt=_on_doubt(fields.get("on_doubt", "retry")),
        ret=_ret(_text(fields, "ret", 4)),
        envid=_text(fields, "envid", MAX_ENVID),
        notify=_notices(fields.get("notify", [])),
        tls=_tls(fields.get("tls", "")),
    )


def priority_of(word: Any) -> Priority:
    """From "urgent", "normal" or "bulk", in any case; or BadOption, to which the caller adds the name."""
    if isinstance(word, str) and word.upper() in Priority.__members__:
        return Priority[word.upper()]
    raise BadOption(f"must be urgent, normal or bulk, not {ascii(word)[:50]}")


def _priority(word: Any) -> Priority:
    try:
        return priority_of(word)
    except BadOption as error:
        raise BadOption(f"priority {error}") from None


def _deadline(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MAX_MOMENT:
        return float(value)
    raise BadOption("deadline must be Unix seconds")


def _on_doubt(value: Any) -> OnDoubt:
    try:
        return OnDoubt(value)
    except ValueError:
        raise BadOption("on_doubt must be retry, hold or retry-once") from None


def _tls(value: Any) -> TlsWish:
    try:
        return TlsWish(value)
    except ValueError:
        raise BadOption("tls must be required or optional") from None


def _text(fields: dict[str, Any], name: str, most: int) -> str:
    value = fields.get(name, "")
    if isinstance(value, str) and len(value) <= most and value.isprintable():
        return value
    raise BadOption(f"{name} must be printable text of at most {most} characters")


def _ret(value: str) -> str:
    if value in ("", "FULL", "HDRS"):
        return value
    raise BadOption("ret must be FULL or HDRS")


def _notices(value: Any) -> tuple[Notify, ...]:
    if isinstance(value, list) and len(value) <= MAX_NOTIFY:
        return tuple(_notify(each) for each in value)
    raise BadOption(f"notify must be a list of at most {MAX_NOTIFY} recipients")


def _notify(value: Any) -> Notify:
    match value:
        case [str(rcptto), [*when], str(orcpt)] if len(orcpt) <= MAX_ORCPT and orcpt.isprintable():
            if all(word in WHEN for word in when) and ("NEVER" not in when or len(when) == 1):
                return Notify(rcptto, tuple(when), orcpt)
    raise BadOption("each of notify must be [recipient, [NEVER, or of SUCCESS, FAILURE, DELAY], orcpt]")


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who handed the message in. `peer`: its IP address. The others are the container's as its engine told (off by
    default): its name, its image, its compose project; "" where nothing is known."""

    peer: str = ""
    container: str = ""
    image: str = ""
    project: str = ""

    @property
    def name(self) -> str:
        """What quotas count it under: the container's name, or else its address; "" where nothing is known."""
        return self.container or self.peer

    def packed(self) -> str:
        """As JSON for the wire and the spool; "" where nothing is known."""
        return _packed(self)

    def __str__(self) -> str:
        """For people: "web (nginx:1.27, project shop) 172.17.0.4"."""
        if not (self.container or self.image or self.project):
            return self.peer
        more = ", ".join(part for part in (self.image, f"project {self.project}" if self.project else "") if part)
        return " ".join(part for part in (self.container, f"({more})" if more else "", self.peer) if part)

    def fields(self) -> dict[str, Any]:
        """For the journal (log.event); "" where nothing is known."""
        if not (self.container or self.image or self.project):
            return {"peer": self.peer}
        return {"peer": self.peer, "container": self.container, "image": self.image, "project": self.project}


_SUBMITTER = ("peer", "container", "image", "project")


@lru_cache(maxsize=1024)
def _packed(submitter: Submitter) -> str:
    fields = {name: getattr(submitter, name) for name in _SUBMITTER if getattr(submitter, name)}
    return _ENCODE(fields) if fields else ""


@lru_cache(maxsize=1024)
def submitter_of(text: str) -> Submitter:
    """What `Submitter.packed` gave; BadOption for what it can't have given."""
    return read_submitter(json.loads(text)) if text else Submitter()


def read_submitter(fields: Any) -> Submitter:
    """From an object of JSON that came from elsewhere. BadOption names the key."""
    if not isinstance(fields, dict):
        raise BadOption("submitter must be a JSON object")
    return Submitter(*(_text(fields, name, MAX_NAME) for name in _SUBMITTER))
