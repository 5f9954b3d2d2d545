"""replies.yml: what receivers' replies mean, and what is done about them. Rules, each under a name of its own.

The shipped file is etc/replies.yml; config/replies.py reads it and the admin's own. A rule is for a reply to which all
applies that it says of it; hedwig/classify asks the rules in their order, and hedwig/verdict.py does as the first says.
"""

import enum
from dataclasses import dataclass, field

from hedwig.reply import Stage
from hedwig.settings.base import named, setting


class About(enum.StrEnum):
    """Whom a reply is about."""

    CONNECTION = "connection"
    ADDRESS = "address"  # this host's
    SENDER = "sender"
    MESSAGE = "message"
    RECIPIENT = "recipient"


class Action(enum.StrEnum):
    """What is done: one of DECISIONS, or what the code's first digit says where there is none; and more beside it."""

    FAIL = "fail"
    RETRY = "retry"
    BACK_OFF = "back-off"
    HOLD = "hold"
    NEW_CONNECTION = "new-connection"
    SPLIT = "split"
    ALERT = "alert"
    SUPPRESS = "suppress"
    ONE_CONNECTION = "one-connection"


DECISIONS = frozenset({Action.FAIL, Action.RETRY, Action.BACK_OFF, Action.HOLD, Action.NEW_CONNECTION, Action.SPLIT})
TIMED = frozenset({Action.RETRY, Action.BACK_OFF})  # these may have a duration
ALARMING = frozenset({Action.BACK_OFF, Action.HOLD})  # these alert the operator by themselves


@dataclass(frozen=True, slots=True)
class Step:
    """One action; `seconds` 0: as long as is usual."""

    action: Action
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """replies.yml, `rules.NAME`: replies that mean the same."""

    provider: tuple[str, ...] = setting(
        "Names of `sites` in worker.yml whose replies it is for; empty: everybody's.", default=(), kind="words"
    )
    stage: tuple[Stage, ...] = setting(
        "What was answered: `banner`, `ehlo`, `starttls`, `mail`, `rcpt`, `data` or `dot`; empty: any of them.",
        default=(),
        kind="stages",
    )
    code: tuple[str, ...] = setting("Reply codes: 421, 4yz, 55z; empty: every 4yz and 5yz.", default=(), kind="codes")
    status: tuple[str, ...] = setting(
        "Enhanced status codes (RFC 3463): 5.1.1, x.7.26, 5.7.x, 4.7.500-699; empty: any, or none.",
        default=(),
        kind="statuses",
    )
    text: tuple[str, ...] = setting(
        "Words that the reply has, one of these at least, in whatever case, and from the beginning of a word on.",
        default=(),
        kind="phrases",
    )
    pattern: str = setting(
        "A regular expression (Python's) that is found in the reply. The reply is in small letters then, and so the "
        "pattern must be.",
        default="",
        kind="pattern",
    )
    native: tuple[str, ...] = setting(
        "Names of `sites` in worker.yml whose own words these are. From another one that is named there, at RCPT and "
        "later, words about this host's `address` may be one customer's: nothing rests until a second recipient domain "
        "has heard the like. So it is with rules that have neither `provider` nor `status`.",
        default=(),
        kind="words",
    )
    class_: str = setting("What the reply means, in a word of yours.", default="", kind="word")
    scope: About = setting(
        "Whom it is about: the `connection`, this host's `address`, the `sender`, the `message` or the `recipient`.",
        default=About.RECIPIENT,
        kind="scope",
    )
    action: tuple[Step, ...] = setting(
        "What is done. One of: `fail`; `retry`, or `retry 1h` where the first wait is not the schedule's; "
        "`back-off 1h`: nothing goes to that receiver for so long; `hold`, for a fault of ours: it is kept up to "
        "`retry.hold` of worker.yml; `new-connection` and `split`, at once, on a new connection or with fewer "
        "recipients; none of them: what the code's first digit says. Beside it: `alert` the operator, as back-off and "
        "hold do by themselves; `suppress` the recipient's address; `one-connection` at a time to that receiver.",
        default=(),
        kind="actions",
    )
    help: str = setting(
        "A page that explains it, for the operator; a reply that names one itself is believed first.",
        default="",
        kind="optional page",
    )
    example: str = setting(
        "A reply that it is for. One that another rule gets first, or no rule, is an error.", default="", kind="example"
    )


@dataclass(frozen=True, slots=True)
class Replies:
    """replies.yml: what receivers' replies mean."""

    rules: dict[str, ReplyRule] = field(
        default_factory=dict,
        metadata=named(
            ReplyRule,
            "Rules, asked in their order; the first that is for a reply decides. A rule of yours goes before the "
            "shipped ones; a shipped one (/usr/share/hedwig/replies.yml) changes in the keys that you name.",
        ),
    )
