"""Logging in to a smarthost: AUTH with the mechanisms PLAIN and LOGIN (RFC 4954, RFC 4616). Pure.

Both hand the password over as it is: so only over TLS, unless a Login says that the clear is wanted. PLAIN is
preferred; LOGIN, which no RFC has, is for servers that know no other.

The password shall be seen nowhere else. A Login shows none when it is printed; `hidden` is what a trace has instead of
the lines that hold it; and what the server says in this stage goes through `veiled`, should it repeat the password.
"""

import base64
import dataclasses
from collections.abc import Mapping

from hedwig.smtp import Said
from hedwig.smtp.events import Heard

MECHANISMS = ("PLAIN", "LOGIN")
VEIL = "***"


@dataclasses.dataclass(frozen=True, slots=True)
class Login:
    """Whom to log in as. `in_clear`: also without TLS. Raises ValueError for what SASL can't carry (RFC 4616 §2)."""

    user: str
    password: str = dataclasses.field(repr=False)
    in_clear: bool = False

    def __post_init__(self) -> None:
        if not self.user or not self.password:
            raise ValueError("user and password can't be empty")
        if "\0" in self.user + self.password:
            raise ValueError("user and password can't have a NUL")

    def veiled(self, text: str) -> str:
        """`text` without the password, plain or as the mechanisms send it."""
        for secret in (*self._encoded(), self.password):
            text = text.replace(secret, VEIL)
        return text

    def _encoded(self) -> tuple[str, ...]:
        forms = (f"\0{self.user}\0{self.password}", self.password)
        return tuple(base64.b64encode(form.encode()).decode("ascii") for form in forms)


class Exchange:
    """One AUTH, from the command to its end. `trouble`: why there is none, or "". `mechanism`: the one in use."""

    def __init__(self, login: Login, announced: Mapping[str, str], *, encrypted: bool) -> None:
        self._login = login
        self._lines: list[bytes] = []  # what answers the server's next 334s
        offered = offers(announced)
        self._mechanisms = [name for name in MECHANISMS if name in offered]
        self.mechanism = ""
        self.trouble = ""
        if not encrypted and not login.in_clear:
            self.trouble = "no password goes there without TLS"
        elif not offered:
            self.trouble = "it offers no AUTH"
        elif not self._mechanisms:
            self.trouble = f"it offers AUTH {' '.join(offered)}, of which neither PLAIN nor LOGIN"

    def command(self) -> bytes:
        """AUTH with the next mechanism, in a line; b"" where there is none left."""
        if not self._mechanisms:
            return b""
        self.mechanism = self._mechanisms.pop(0)
        user, password = self._login.user, self._login.password
        if self.mechanism == "PLAIN":
            response = _encoded(f"\0{user}\0{password}")
            line = b"AUTH PLAIN " + response + b"\r\n"
            if len(line) <= 512:  # RFC 4954 §4: else the response goes by itself
                # Should the server have passed over the response it asks for it.
                self._lines = [response + b"\r\n"]
                return line
            self._lines = [response + b"\r\n"]
        else:
            self._lines = [_encoded(user) + b"\r\n", _encoded(password) + b"\r\n"]
        return b"AUTH " + self.mechanism.encode() + b"\r\n"

    def answer(self) -> bytes:
        """What answers a 334; b"" where no more is due."""
        return self._lines.pop(0) if self._lines else b""

    def veiled(self, heard: Heard) -> Heard:
        """What the server said, without the password."""
        return Heard(heard.code, tuple(self._login.veiled(line) for line in heard.lines))

    def told(self, said: Said) -> Said:
        """What is said of the end of it, without the password."""
        reply = said.reply and dataclasses.replace(said.reply, text=self._login.veiled(said.reply.text))
        return Said(said.stage, reply, self._login.veiled(said.detail))


def offers(announced: Mapping[str, str]) -> list[str]:
    """The mechanisms of an EHLO reply, in upper case; also in the form AUTH=, which old servers have."""
    words = announced.get("AUTH", "").split()
    words += [announced[keyword] for keyword in announced if keyword.startswith("AUTH=")]
    words += [keyword[5:] for keyword in announced if keyword.startswith("AUTH=")]
    return list(dict.fromkeys(word.upper() for group in words for word in group.split()))


def hidden(line: bytes) -> bytes:
    """What a trace shows of a line of AUTH: the command without its response, and no response."""
    words = line.split()
    shown = words[:2] + [VEIL.encode()] * (len(words) > 2) if words[:1] == [b"AUTH"] else [VEIL.encode()]
    return b" ".join(shown) + b"\r\n"


def _encoded(text: str) -> bytes:
    return base64.b64encode(text.encode())
