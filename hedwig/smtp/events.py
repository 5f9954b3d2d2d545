"""What the session and the connection say to each other: frozen values, in the manner of a sans-io protocol.

The connection tells the session what was heard (`Heard`, from the parser). The session answers with what is to be done
next (an `Action`), or with None: wait for the next reply. A `Report` is an action, too: the transaction is over.
"""

import re
from dataclasses import dataclass

from hedwig.reply import Reply, one_line
from hedwig.smtp import Report, Said

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|\Z)")


class ProtocolError(Exception):
    """The far side does not speak SMTP, or speaks out of turn. What it says from here on means nothing."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One whole reply as it came: the code, and the text of each line without code and line end."""

    code: int
    lines: tuple[str, ...]

    @property
    def reply(self) -> Reply:
        """As a value for history and verdict. Lines are joined with a space; an enhanced status that is repeated on
        each line (RFC 2034 §4) is kept once."""
        first, *others = self.lines
        found = _ENHANCED.match(first)
        if found:
            others = [line.removeprefix(found[0]).lstrip() for line in others]
        return Reply.parse(self.code, " ".join([first, *others]))

    @property
    def shown(self) -> list[str]:
        """As a conversation shows it: "< 250-mx.example.net", "< 250 DSN"."""
        *others, last = self.lines
        return [*(f"< {self.code}-{one_line(line)}" for line in others), f"< {self.code} {one_line(last)}"]


@dataclass(frozen=True, slots=True)
class Send:
    """Write these octets: one command, or a pipelined group. A reply is due under the session's stage. `shown`: what a
    trace has instead, b"" for the octets."""

    octets: bytes
    shown: bytes = b""


@dataclass(frozen=True, slots=True)
class StartTls:
    """Do the TLS handshake, then call `Session.secured`."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The session takes a transaction."""


@dataclass(frozen=True, slots=True)
class SendBody:
    """Write the body; call `Session.dot_sent` together with the final dot."""


@dataclass(frozen=True, slots=True)
class Refused:
    """No session comes about; `said` tells why. `ours`: the host would have had one."""

    said: Said
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """The conversation is over, and no transaction was under way."""

    said: Said


Action = Send | StartTls | Ready | SendBody | Report | Refused | Closed
