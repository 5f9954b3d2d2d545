"""What a notification is made of. Values; times are Unix seconds."""

from dataclasses import dataclass

from hedwig.dsn.words import Action
from hedwig.reply import Reply, Stage


@dataclass(frozen=True, slots=True)
class Undelivered:
    """One recipient that is told of, and what decided or last went wrong: the far side's `reply` at `stage`, or None
    and `detail`. (For Action.RELAYED it is the reply by which the next host took the message.)

    `host`: the exchanger that said so, "name" or "name[address]", "" where none was reached. `expired`: given up for
    its age, whatever was said; `late`: because of the deadline that the message came with. `doubtful`: the message was
    sent whole and no answer came: it may have arrived. `orcpt`: the original recipient "type;address" (RFC 3461 §4.2).
    `held`: it was kept for some time, since what was said is about this host, or its DNS, and nobody mended it.
    """

    rcptto: str
    stage: Stage
    reply: Reply | None
    detail: str = ""
    host: str = ""
    expired: bool = False
    late: bool = False
    doubtful: bool = False
    orcpt: str = ""
    held: bool = False

    @property
    def quoted(self) -> bool:
        """Whether `reply` is the host's: at the stage LOCAL it is our own word about what the host can take."""
        return self.reply is not None and bool(self.host) and self.stage is not Stage.LOCAL


@dataclass(frozen=True, slots=True)
class Report:
    """One notification about one message.

    `queue_id`: the notification's own; its Message-ID and boundary come from it. `reporting`: this host's EHLO name.
    `to`: the original's sender. `original`: the message from its first octet, at least as far as its header goes or
    MAX_HEADER octets. `retry_until`: for delayed ones, when it will be given up. `envid`: the sender's own name for the
    message (RFC 3461 §4.4). `full`: `original` is the message whole, and was asked back whole (RET=FULL). `smtputf8`:
    it was handed in with SMTPUTF8 (RFC 6531).
    """

    action: Action
    queue_id: str
    reporting: str
    to: str
    now: float
    original_id: str
    accepted_at: float
    original: bytes
    recipients: tuple[Undelivered, ...]
    retry_until: float = 0.0
    envid: str = ""
    full: bool = False
    smtputf8: bool = False
