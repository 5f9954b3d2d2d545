"""What an SMTP server answers, and at which stage of the conversation (RFC 5321 §4.2, RFC 2034).

A Reply is a value: it travels whole from the far server through the spool to history, bounce and journal, and from
postoffice over HTTP to the container that submitted. Its text never holds a line end or control character (I11).
"""

import enum
import re
from dataclasses import dataclass

_ENHANCED = re.compile(r"\A([245])\.(\d{1,3})\.(\d{1,3})(?=\s|\Z)")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
# What turns a line round on a screen or can't be seen there: Unicode's bidirectional controls (UAX #9) and its default
# ignorable characters (UAX #44), without those that only shape the letter before them.
_HIDDEN = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    r"\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
MAX_TEXT = 2000


class Stage(enum.StrEnum):
    """Where in a delivery something was said or went wrong."""

    DNS = "dns"
    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"
    QUIT = "quit"
    LOCAL = "local"


def one_line(text: str) -> str:
    """`text` with line ends and control characters turned to spaces, at most MAX_TEXT characters."""
    if text.isprintable():  # most are, and that is told sooner than found by the pattern
        return text.strip()[:MAX_TEXT]
    return _UNSAFE.sub(" ", text).strip()[:MAX_TEXT]


def unhidden(text: str) -> str:
    """`text` with what turns a line round or can't be seen as escapes (I11)."""
    return text if text.isascii() else _HIDDEN.sub(lambda found: ascii(found[0])[1:-1], text)


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. `enhanced` is an RFC 3463 status such as "5.1.1", or "" where none was given."""

    code: int
    enhanced: str
    text: str

    @classmethod
    def parse(cls, code: int, text: str) -> "Reply":
        """Split a leading enhanced status off `text`; one whose class contradicts the code stays in the text."""
        text = one_line(text)
        found = _ENHANCED.match(text)
        if found and found[1] == str(code)[0]:
            return cls(code, found[0], text[found.end() :].strip())
        return cls(code, "", text)

    @property
    def positive(self) -> bool:
        """2yz or 3yz."""
        return 200 <= self.code < 400

    @property
    def permanent(self) -> bool:
        """5yz."""
        return 500 <= self.code < 600

    @property
    def status(self) -> str:
        """The enhanced status, or the general one of the code's class (RFC 3463 §2): "4.0.0"."""
        return self.enhanced or f"{str(self.code)[0]}.0.0"

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)
