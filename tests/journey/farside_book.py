"""What a far side is told to do (its rules), and what it has written down (letters, commands, faults)."""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Rule:
    """What happens at `stage` when `to` is part of the command (at "dot" and "body": of the first recipient). At "body"
    and "handshake", where no reply is due, it hangs up.

    `reply`: said instead of the usual; `raw`: octets that are sent as they are instead, and for ever where `endless`.
    `times`: only for so many (`each`: counted apart for each command's text). `hold`: wait for this event first.
    `hang_up`: close without a reply (after `raw`, where that is given), by RST where `reset`. `drip`: seconds between
    the octets of the reply. `after`: at "body", how many octets are read first.
    """

    stage: str
    reply: str = ""
    to: str = ""
    raw: bytes = b""
    endless: bool = False
    times: int = 1 << 30
    each: bool = False
    hold: threading.Event | None = None
    hang_up: bool = False
    reset: bool = False
    drip: float = 0.0
    after: int = 0
    used: Counter[str] = field(default_factory=Counter)  # by what it is counted apart for

    def fits(self, stage: str, text: str) -> bool:
        """Whether this rule speaks now; counts the use."""
        if stage != self.stage or self.to.lower() not in text.lower():
            return False
        key = text if self.each else ""
        self.used[key] += 1
        return self.used[key] <= self.times


@dataclass(frozen=True)
class Letter:
    """A message whose end of data arrived. `content` has its dot-stuffing undone; `reply` is what was answered, and ""
    where the connection was cut instead."""

    mailfrom: str
    rcpttos: tuple[str, ...]
    content: bytes
    reply: str
    connection: int
    encrypted: bool

    @property
    def header(self) -> str:
        """The header section."""
        return self.content.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")

    @property
    def body(self) -> bytes:
        """What follows the header section."""
        return self.content.partition(b"\r\n\r\n")[2]

    def field(self, name: str) -> str:
        """The first header field of this name, unfolded."""
        for line in self.header.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n"):
            if line.lower().startswith(f"{name.lower()}:"):
                return line.partition(":")[2].strip()
        return ""


class Book:
    """The rules and the records of one far side; any thread may read and write here.

    `extensions` are announced after EHLO; `certificate` (a PEM file) makes STARTTLS work.
    """

    def __init__(self, rules: Iterable[Rule], extensions: tuple[str, ...], certificate: str) -> None:
        self.rules = list(rules)
        self.extensions = extensions
        self.certificate = certificate
        self.letters: list[Letter] = []
        self.faults: list[str] = []
        self.commands: list[tuple[int, str]] = []
        self.address = ""
        self.most_rcpttos = 0
        self.beyond = ""
        self.login = ("", "")
        self.lock = threading.Lock()

    def add(self, rule: Rule) -> None:
        """From now on this rule too, before the others."""
        with self.lock:
            self.rules.insert(0, rule)

    def copies(self) -> Counter[str]:
        """How often each recipient got an accepted letter."""
        with self.lock:
            return Counter(rcptto for letter in self.letters if letter.reply[:1] == "2" for rcptto in letter.rcpttos)

    def has(self, rcptto: str) -> bool:
        """Whether this recipient got an accepted letter."""
        return self.copies()[rcptto] > 0

    def accepted(self) -> list[Letter]:
        """The letters that were answered with 2yz."""
        with self.lock:
            return [letter for letter in self.letters if letter.reply[:1] == "2"]

    def said(self, start: str) -> list[str]:
        """The commands that began so, in any case of letters."""
        with self.lock:
            return [text for _, text in self.commands if text.lower().startswith(start.lower())]

    def record(self, number: int, text: str) -> None:
        """Write a command into the log."""
        with self.lock:
            self.commands.append((number, text))

    def fault(self, number: int, text: str) -> None:
        """Write down that hedwig broke a rule of SMTP."""
        with self.lock:
            self.faults.append(f"{self.address} connection {number}: {text}")

    def keep(self, letter: Letter) -> None:
        """Keep what arrived."""
        with self.lock:
            self.letters.append(letter)

    def find(self, stage: str, text: str) -> Rule | None:
        """The rule that decides here, if any."""
        with self.lock:
            return next((rule for rule in self.rules if rule.fits(stage, text)), None)
