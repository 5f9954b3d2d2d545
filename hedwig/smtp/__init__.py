"""The SMTP client: our own, and sans-io (RFC 5321, 1870, 2034, 2920, 3207, 3461, 4954, 6152, 6531).

`parser` turns received octets into replies; `session` is the state machine: it is told what was heard and says what to
do (`events` are the words between them), and knows neither sockets nor clocks. `commands` makes the command lines,
`stuffing` and `content` the body; `fitting` makes both ready for one host, `login` has what is said to log in. `tls`
holds the opportunistic context; `channel` puts a session on a transport, with a deadline for each command (`watch`) and
one for the whole; `dial` makes the TCP connection, `connection` is what a worker uses, and `inquiry` asks without a
message. This page holds the values that travel between the client and its user.

No bare CR, bare LF or NUL leaves here: a body that has one is refused before a single octet of it is sent (I6).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hedwig.dkim.sign import NOBODY, Signer
from hedwig.options import PLAIN, Options
from hedwig.reply import Reply, Stage


@dataclass(frozen=True, slots=True)
class Target:
    """One address of one exchanger. `host` is its name, for the log and for TLS's SNI. `local`: the address of ours
    that the connection leaves from, "" for what the system chooses."""

    host: str
    address: str
    port: int = 25
    local: str = ""

    @property
    def family(self) -> str:
        """Of its address: "ipv4" or "ipv6"."""
        return "ipv6" if ":" in self.address else "ipv4"


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for each stage (RFC 5321 §4.5.3.2), and for a whole connection, whatever dribbles in meanwhile."""

    connect: float = 30.0
    banner: float = 300.0
    ehlo: float = 300.0
    starttls: float = 120.0
    auth: float = 120.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    block: float = 180.0  # for each block of the body that is sent
    dot: float = 600.0
    quit: float = 5.0
    session: float = 3600.0


@dataclass(frozen=True, slots=True)
class Transaction:
    """One message to recipients of one site. `body` in pieces of any size, CRLF line ends, not dot-stuffed; it may be
    asked for more than once. `size` is its octets. `options`: of these DSN's are told to a host that has it. `convert`:
    whether 8-bit content may be made 7-bit for a host that takes no other. `signer`: signs (DKIM) what was changed so,
    and a report of ours, which has the null sender and no signature yet."""

    mailfrom: str
    rcpttos: tuple[str, ...]
    body: Callable[[], Iterable[bytes]]
    size: int
    smtputf8: bool = False
    options: Options = PLAIN
    convert: bool = True
    signer: Signer = NOBODY


@dataclass(frozen=True, slots=True)
class Brink:
    """The moment before the final dot. `talk`: the conversation so far, "* " what we note, "> " what we sent and "< "
    what we received, a line each, without the body. `places`: whom of `rcpttos` the message is about to be handed over
    for; the others have their outcome."""

    talk: tuple[str, ...]
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What decided about one recipient: the stage, and the far side's reply, or None where the connection failed
    (`detail` then says how: "connection reset", "no reply within 600 s")."""

    stage: Stage
    reply: Reply | None
    detail: str = ""

    @property
    def delivered(self) -> bool:
        """A positive reply to the final dot, and nothing else (I5)."""
        return self.stage is Stage.DOT and self.reply is not None and self.reply.code // 100 == 2

    @property
    def in_doubt(self) -> bool:
        """The final dot may have gone out, and no reply to it came (I5)."""
        return self.stage is Stage.DOT and self.reply is None


@dataclass(frozen=True, slots=True)
class Report:
    """The end of one transaction: one Said per recipient in the order of `rcpttos`; `reusable`: whether the connection
    may carry another transaction."""

    said: tuple[Said, ...]
    reusable: bool
    note: str = ""


class ConnectFailed(Exception):
    """No usable session with this target: refused, timed out, greeted with 4yz or 5yz, EHLO refused ...

    `within_tls`: it came to an end after the TLS handshake."""

    def __init__(self, target: Target, said: Said, *, within_tls: bool = False) -> None:
        super().__init__(f"{target.host}[{target.address}]: {said.reply or said.detail}")
        self.target = target
        self.said = said
        self.within_tls = within_tls
