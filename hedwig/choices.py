"""What a setting and a message can choose among. Pure; apart from options.py, for settings need no more of it."""

import enum


class Priority(enum.IntEnum):
    """The lower goes first. A bounce is urgent: who waits to learn of a failure comes before ordinary mail."""

    URGENT = 0
    NORMAL = 1
    BULK = 2


class OnDoubt(enum.StrEnum):
    """What is done when the final dot was sent and no reply came (I5)."""

    RETRY = "retry"
    HOLD = "hold"
    RETRY_ONCE = "retry-once"


class FromMismatch(enum.StrEnum):
    """What becomes of a letter whose From, Sender and envelope don't agree, or that its client may not send so."""

    REJECT = "reject"
    FIX_ENVELOPE = "fix-envelope"
    REWRITE = "rewrite"
    WARN = "warn"


class FromMatch(enum.StrEnum):
    """How much of the From address the envelope's sender must share."""

    ADDRESS = "address"
    DOMAIN = "domain"
