"""The journal: one entry for each thing that happens to a message or to a daemon, and plain words for the rest.

`event` writes an entry of a kind: a word of the spool's history, or a Matter. Each kind has a MESSAGE_ID, and under it
a text in systemd/hedwig.catalog, with which `journalctl -x` explains what happened and what to do. `say` writes a line
that explains itself.

Under systemd (JOURNAL_STREAM is set and stderr is that stream) entries go to journald with structured fields; elsewhere
they are plain lines on stderr. No field from outside can end a line or begin another field (I11). Secrets are never
passed to this module.

Fields: MESSAGE, PRIORITY, MESSAGE_ID (a UUID per kind of event), HEDWIG_QUEUE_ID, HEDWIG_CLIENT, HEDWIG_SENDER,
HEDWIG_RCPT, HEDWIG_SITE, HEDWIG_MX, HEDWIG_REPLY, HEDWIG_STATUS, HEDWIG_DELAY, HEDWIG_ATTEMPT, HEDWIG_TLS (protocol and
cipher), HEDWIG_TLS_POLICY (what held on the way, and what came of it), HEDWIG_RULE (of replies.yml, by which a reply
was judged) and HEDWIG_MEANING (its class), HEDWIG_HELP (the page where its receiver explains it), HEDWIG_SOURCE (the
address of ours that it left from), HEDWIG_SUCCESSOR (the queue ID that supersedes it), HEDWIG_OPERATOR (who did it by
command, and HEDWIG_REASON why); HEDWIG_DEADLINE, HEDWIG_PRIORITY, HEDWIG_SUPERSEDE, HEDWIG_REQUIRE_TLS (what it asks
for); HEDWIG_PEER, HEDWIG_CONTAINER, HEDWIG_IMAGE, HEDWIG_PROJECT (who handed it in); and of a daemon HEDWIG_REASON
(what is wrong), HEDWIG_PLACE (where it listens), HEDWIG_FILE (of its configuration), HEDWIG_PEER.
"""

import contextlib
import enum
import functools
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from systemd import journal

from hedwig.reply import one_line, unhidden

_NAMESPACE = uuid.UUID("5b1a6a0e-6f0c-4f0e-9d55-6b2f0f4d6a11")


class Level(enum.IntEnum):
    """syslog's priorities (RFC 5424 §6.2.1)."""

    ALERT = 1
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


class Matter(enum.StrEnum):
    """Kinds of events about a daemon itself, not about one message."""

    CANNOT_START = "cannot_start"
    STUCK = "stuck"
    FAULT = "fault"
    CONFIG_BROKEN = "config_broken"
    NEEDS_RESTART = "needs_restart"
    KEY_READABLE = "key_readable"
    KEY_MISSING = "key_missing"
    KEY_REFUSED = "key_refused"
    KEY_IN_CLEAR = "key_in_clear"
    STRANGER = "stranger"
    POSTOFFICE_DOWN = "postoffice_down"
    POSTOFFICE_BACK = "postoffice_back"
    QUEUE_DOWN = "queue_down"
    QUEUE_BACK = "queue_back"
    SPOOL_TROUBLE = "spool_trouble"
    SPOOL_DAMAGED = "spool_damaged"
    SPOOL_BACK = "spool_back"
    NEWER_SCHEMA = "newer_schema"
    DOCKER0_MOVED = "docker0_moved"
    ADDRESS_ABSENT = "address_absent"
    PORT_TAKEN = "port_taken"
    CANNOT_LISTEN = "cannot_listen"
    PLACE_WELL = "place_well"
    NO_NAME = "no_name"
    DNS_DOWN = "dns_down"
    DNS_BACK = "dns_back"
    SITE_BLOCKED = "site_blocked"
    SETUP_REFUSED = "setup_refused"
    MAIL_REFUSED = "mail_refused"
    LOGIN_FAILED = "login_failed"
    LOGIN_BACK = "login_back"
    MOVES_AGAIN = "moves_again"
    QUOTA_HIT = "quota_hit"


@functools.cache
def message_id(kind: str) -> str:
    """The journal catalog's ID for a kind of event: the same on every host and in every release."""
    return uuid.uuid5(_NAMESPACE, kind).hex


MOST_VALUES = 100
_NOTHING = ("", None, ())
_JOURNAL = Path("/run/systemd/journal/socket")

Sink = Callable[[Level, str, dict[str, str]], None]
Listener = Callable[[str, Level, str, dict[str, str]], None]


def _to_journal(level: Level, message: str, fields: dict[str, str]) -> None:
    # sendv, not send: that would look up the caller's file and line each time. A field may occur several times.
    lines = [f"MESSAGE={message}", f"PRIORITY={int(level)}", f"SYSLOG_IDENTIFIER={_identifier}"]
    lines += [f"{name}={value}" for name, values in fields.items() for value in values.split("\n")]
    with contextlib.suppress(OSError):  # journald is away: what was done is done, and must not look undone to a client
        journal.sendv(*lines)


def _to_stderr(level: Level, message: str, fields: dict[str, str]) -> None:
    mark = "" if level > Level.WARNING else f"{level.name.lower()}: "
    clock = time.strftime("%Y-%m-%dT%H:%M:%S")
    with contextlib.suppress(OSError):  # a full disk behind it, say: what was done must not look undone to a client
        # One write, its line end with it: print makes two, and another thread's line comes between them.
        sys.stderr.write(f"{clock} {_identifier} {mark}{message}\n")
        sys.stderr.flush()


def _to_nowhere(level: Level, message: str, fields: dict[str, str]) -> None:
    """A machine without journald."""


def _under_journald() -> bool:
    """Systemd sets JOURNAL_STREAM to device:inode of the stream; a child with another stderr must not believe it."""
    try:
        device, inode = os.environ.get("JOURNAL_STREAM", "").split(":")
        status = os.fstat(2)
        return (status.st_dev, status.st_ino) == (int(device), int(inode))
    except (ValueError, OSError):
        return False


_identifier = "hedwig"
_sink: Sink = _to_stderr
_debug = False
_listener: Listener | None = None
_heard: frozenset[str] = frozenset()


def start(identifier: str, debug: bool = False) -> None:
    """Choose where entries go. Call once, at a daemon's start; again to switch `debug`."""
    global _identifier, _sink, _debug
    _identifier = identifier
    _debug = debug
    _sink = _to_journal if _under_journald() else _to_stderr


def start_command(identifier: str) -> None:
    """For the operator's command, which says on the terminal what it does: entries go to the journal of this machine,
    or nowhere where it has none."""
    global _identifier, _sink
    _identifier = identifier
    if _sink is _to_stderr:
        _sink = _to_journal if _JOURNAL.exists() else _to_nowhere


def listen(listener: Listener | None, kinds: frozenset[str] = frozenset()) -> None:
    """Have `listener` told of each event of these kinds, after its entry is written: its kind, level, text and fields.
    It must return at once, whatever happens. None: nobody."""
    global _listener, _heard
    _listener, _heard = listener, kinds


def capture(sink: Sink) -> None:
    """Send entries elsewhere (for tests)."""
    global _sink
    _sink = sink


@contextlib.contextmanager
def overheard(sink: Sink, *, debug: bool = False) -> Iterator[None]:
    """All entries go to `sink` alone meanwhile: for a command that shows them itself."""
    global _sink, _debug
    before = _sink, _debug
    _sink, _debug = sink, debug
    try:
        yield
    finally:
        _sink, _debug = before


def say(level: Level, message: str) -> None:
    """A line about the daemon itself that needs no explanation."""
    if level < Level.DEBUG or _debug:
        _sink(level, _safe(message), {})


def event(kind: str, message: str, level: Level = Level.INFO, **fields: object) -> None:
    """An event of a message or, with a Matter, of the daemon itself.

    `fields` are lower-case names (queue_id, client, rcpt, mx, reason ...), written as HEDWIG_NAME.

    One that is a tuple occurs once for each of its first MOST_VALUES; in the sink's dict they are lines of one text.
    `kind` is one of the spool's Kind values, another fixed word, or a Matter; it chooses the MESSAGE_ID.
    """
    named = {_name(name): _text(value) for name, value in fields.items() if value not in _NOTHING}
    named["MESSAGE_ID"] = message_id(kind)
    named["HEDWIG_EVENT"] = str(kind)
    queue_id = named.get("HEDWIG_QUEUE_ID", "")
    text = _safe(message)
    _sink(level, f"{queue_id}: {text}" if queue_id and "\n" not in queue_id else text, named)
    if kind in _heard and _listener is not None:
        _listener(str(kind), level, text, named)


@functools.cache
def _name(field: str) -> str:
    return f"HEDWIG_{field.upper()}"


def _text(value: object) -> str:
    if isinstance(value, str):
        return _safe(value)
    if isinstance(value, tuple):
        return "\n".join(_safe(str(one)) for one in value[:MOST_VALUES])
    return _safe(str(value))


def _safe(text: str) -> str:
    """One line that is safe on a terminal: whoever reads the journal sees what is there, in its order."""
    return one_line(text) if text.isascii() else unhidden(one_line(text))
