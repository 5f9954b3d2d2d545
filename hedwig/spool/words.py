"""The spool's words and troubles: what all of it is built upon, and quickly loaded."""

import enum

POSTOFFICE = "postoffice"


class SpoolTrouble(Exception):
    """The spool can't take or give this now; the text says why (disk full, read-only ...)."""


class SpoolFull(SpoolTrouble):
    """There is no room: on the disk, or within a quota."""


class State(enum.StrEnum):
    """Of a delivery or a recipient; see the module's text. PAUSED is only shown: it waits, and its client is paused."""

    READY = "ready"
    ACTIVE = "active"
    DEFERRED = "deferred"
    HELD = "held"
    PAUSED = "paused"
    DONE = "done"


class Kind(enum.StrEnum):
    """What an event in the history says."""

    ACCEPTED = "accepted"
    FORWARDED = "forwarded"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    EXPIRED = "expired"
    BOUNCED = "bounced"
    SUPERSEDED = "superseded"
    IN_DOUBT = "in_doubt"
    HELD = "held"
    RETURNED = "returned"
    RETRY = "retry"
    RELEASED = "released"
    DROPPED = "dropped"
