"""Kinds of alerts, and which events of the journal ring as what. Pure; nothing here comes from outside.

`patience`: a trouble that is over within so many seconds is told to nobody. `bound`: it lives in the daemon that rang,
so it is over when that daemon starts anew.
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hedwig.bell.record import Edge
from hedwig.log import Level, Matter
from hedwig.settings import DAY, HOUR, MINUTE


class Kind(enum.StrEnum):
    """What an alert is about. These words are the interface: scripts choose by them."""

    RECEIVER_BACKED_OFF = "receiver_backed_off"
    REPUTATION = "reputation"
    AUTHENTICATION = "authentication"
    MAIL_REFUSED = "mail_refused"
    SMARTHOST_LOGIN = "smarthost_login"
    KEY_REFUSED = "key_refused"
    POSTOFFICE_DOWN = "postoffice_down"
    MQ_DOWN = "mq_down"
    SPOOL = "spool"
    DNS_DOWN = "dns_down"
    STUCK = "stuck"
    FAULT = "fault"
    QUOTA = "quota"
    UNIT_FAILED = "unit_failed"
    RESTARTING = "restarting"
    OLD_MAIL = "old_mail"
    DISK = "disk"
    SPOOL_FULL = "spool_full"
    TOO_MANY = "too_many"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Nature:
    """`lasts`: it begins and ends; else it happens."""

    lasts: bool = True
    patience: float = 0.0
    bound: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What one event means. `lapse`: see Record."""

    kind: str  # of Kind; "" for a start or an end of the daemon itself
    edge: Edge
    subject: str = ""
    lapse: float = 0.0


_HAPPENS = Nature(lasts=False)
_NATURES = {
    Kind.RECEIVER_BACKED_OFF: Nature(),
    Kind.REPUTATION: Nature(),
    Kind.AUTHENTICATION: Nature(),
    Kind.MAIL_REFUSED: _HAPPENS,
    Kind.SMARTHOST_LOGIN: Nature(bound=True),
    Kind.KEY_REFUSED: Nature(bound=True),
    Kind.POSTOFFICE_DOWN: Nature(patience=5 * MINUTE, bound=True),  # it may just be restarted; mail waits at mailman
    Kind.MQ_DOWN: Nature(patience=2 * MINUTE, bound=True),
    Kind.SPOOL: Nature(patience=15, bound=True),
    Kind.DNS_DOWN: Nature(patience=MINUTE, bound=True),
    Kind.STUCK: Nature(bound=True),
    Kind.FAULT: _HAPPENS,
    Kind.QUOTA: _HAPPENS,
    Kind.UNIT_FAILED: Nature(),
    Kind.RESTARTING: _HAPPENS,
    Kind.OLD_MAIL: Nature(),
    Kind.DISK: Nature(),
    Kind.SPOOL_FULL: Nature(),
    Kind.TOO_MANY: _HAPPENS,
    Kind.TEST: _HAPPENS,
}

# What a rule of replies.yml says in `class`, where that decides which kind it is.
_OF_THE_NAME = frozenset({"blocked", "reputation", "spam", "bounce-abuse", "forged-senders", "bad-recipients"})
_OF_THE_SETUP = frozenset({"auth", "ptr", "helo", "sender-domain", "sender-mismatch", "tls"})

RESTED = 20 * MINUTE  # a back-off that was over for so long has passed
UNHEARD = 6 * HOUR  # waits of held mail are shorter than that (`retry.schedule`)


def natures(kind: str) -> Nature:
    """What is known of a kind; of one that a newer release has rung, that it happens."""
    return _NATURES[Kind(kind)] if kind in _NATURES else _HAPPENS


def readings(event: str, level: Level, fields: Mapping[str, str], source: str) -> Iterator[Reading]:
    """What an event of the journal means: nothing, one thing, or the end of several. `fields`: by HEDWIG_NAME."""
    if event in _ENDS:
        for kind in _ENDS[Matter(event)]:
            yield Reading(kind, Edge.ENDS, _subject(kind, fields, source))
    elif event in _RINGS and level <= _RINGS[Matter(event)][1]:
        kind = _kind(event, fields)
        edge = Edge.BEGINS if _NATURES[kind].lasts else Edge.HAPPENED
        yield Reading(kind, edge, _subject(kind, fields, source), _lapse(event))


# What rings, and the least level at which it does.
_RINGS: dict[Matter, tuple[Kind, Level]] = {
    Matter.SITE_BLOCKED: (Kind.RECEIVER_BACKED_OFF, Level.ALERT),
    Matter.SETUP_REFUSED: (Kind.AUTHENTICATION, Level.ALERT),
    Matter.MAIL_REFUSED: (Kind.MAIL_REFUSED, Level.ALERT),
    Matter.LOGIN_FAILED: (Kind.SMARTHOST_LOGIN, Level.ALERT),
    Matter.KEY_REFUSED: (Kind.KEY_REFUSED, Level.ALERT),
    Matter.KEY_MISSING: (Kind.KEY_REFUSED, Level.ALERT),
    Matter.POSTOFFICE_DOWN: (Kind.POSTOFFICE_DOWN, Level.WARNING),
    Matter.QUEUE_DOWN: (Kind.MQ_DOWN, Level.WARNING),
    Matter.SPOOL_TROUBLE: (Kind.SPOOL, Level.ERROR),
    Matter.SPOOL_DAMAGED: (Kind.SPOOL, Level.WARNING),
    Matter.NEWER_SCHEMA: (Kind.SPOOL, Level.WARNING),
    Matter.DNS_DOWN: (Kind.DNS_DOWN, Level.ALERT),
    Matter.STUCK: (Kind.STUCK, Level.ALERT),
    Matter.FAULT: (Kind.FAULT, Level.ALERT),
    Matter.QUOTA_HIT: (Kind.QUOTA, Level.WARNING),
}
_ENDS: dict[Matter, tuple[Kind, ...]] = {
    Matter.LOGIN_BACK: (Kind.SMARTHOST_LOGIN,),
    Matter.POSTOFFICE_BACK: (Kind.POSTOFFICE_DOWN, Kind.KEY_REFUSED),
    Matter.QUEUE_BACK: (Kind.MQ_DOWN,),
    Matter.SPOOL_BACK: (Kind.SPOOL,),
    Matter.DNS_BACK: (Kind.DNS_DOWN,),
    Matter.MOVES_AGAIN: (Kind.STUCK,),
}
HEARD: frozenset[str] = frozenset({*map(str, _RINGS), *map(str, _ENDS)})


def _kind(event: str, fields: Mapping[str, str]) -> Kind:
    kind, meaning = _RINGS[Matter(event)][0], fields.get("HEDWIG_MEANING", "")
    if kind in (Kind.RECEIVER_BACKED_OFF, Kind.MAIL_REFUSED):
        if meaning in _OF_THE_NAME:
            return Kind.REPUTATION
        if meaning in _OF_THE_SETUP:
            return Kind.AUTHENTICATION
    return kind


def _lapse(event: str) -> float:
    """A back-off is seen in the spool while it is in force; what was refused is heard of again with each try; a spool
    in trouble that some other work met is not taken back by a word of its own."""
    if event == Matter.SITE_BLOCKED:
        return RESTED
    if event in (Matter.SETUP_REFUSED, Matter.MAIL_REFUSED):
        return UNHEARD
    return HOUR if event == Matter.SPOOL_TROUBLE else 0.0


def _subject(kind: Kind, fields: Mapping[str, str], source: str) -> str:
    if kind in (Kind.RECEIVER_BACKED_OFF, Kind.REPUTATION, Kind.AUTHENTICATION, Kind.MAIL_REFUSED):
        return fields.get("HEDWIG_SITE", "")
    if kind is Kind.SMARTHOST_LOGIN:
        return fields.get("HEDWIG_SITE", "")
    if kind is Kind.QUOTA:
        return fields.get("HEDWIG_CLIENT", "")
    if kind is Kind.STUCK:
        return f"{source}: {fields.get('HEDWIG_REASON', '')}"
    if kind is Kind.FAULT:
        return source
    if kind is Kind.SPOOL:
        return "mailman" if "mailman" in source else "postoffice"
    return ""


FORGOTTEN = 26.0 * HOUR  # a unit that is run each day, and has not failed again
LONGEST_SILENCE = float(DAY)
