"""Logins at smarthosts: whom to log in as, and a loud word to the operator where that fails (I8).

A password file is read at each login, so that a new password needs no reload. A login that fails puts the mail off: it
costs no letter and no try (verdict.py). The operator hears of it at level alert, and not again within an hour.
"""

import time
from collections.abc import Callable
from pathlib import Path

from hedwig import log
from hedwig.settings import Smarthost, Tls
from hedwig.smtp import Said
from hedwig.smtp.login import Login

HUSH = 3600.0  # seconds
MAX_PASSWORD = 4096  # octets of a file that are looked at


class LoginTrouble(Exception):
    """There is no password to log in with; str(error) says why."""


def login_of(smarthost: Smarthost) -> Login | None:
    """Whom to log in as, None where nobody is named. Raises LoginTrouble."""
    if not smarthost.user:
        return None
    password = _first_line(smarthost.password_file) if smarthost.password_file else smarthost.password
    try:
        return Login(smarthost.user, password, in_clear=smarthost.tls is Tls.NONE)
    except ValueError as error:
        raise LoginTrouble(str(error)) from None


def _first_line(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            return file.read(MAX_PASSWORD).split(b"\n")[0].rstrip(b"\r").decode()
    except OSError as error:
        raise LoginTrouble(f"password_file {name} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LoginTrouble(f"password_file {name}: its first line is not UTF-8") from None


class Logins:
    """What was told of logins. `clock`: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, float] = {}  # by the smarthost's name: when it may be told again

    def failed(self, name: str, mx: str, said: Said) -> None:
        """It failed at `name`; tell the operator, unless that was done within the hour."""
        if self._clock() < self._told.get(name, 0.0):
            return
        self._told[name] = self._clock() + HUSH
        words = "; ".join(part for part in (str(said.reply or ""), said.detail) if part)
        text = f"{name}: no login; its mail waits: {words}"
        log.event(log.Matter.LOGIN_FAILED, text, log.Level.ALERT, site=name, mx=mx, reply=words)

    def succeeded(self, name: str) -> None:
        """It logs us in."""
        if self._told.pop(name, None) is not None:
            log.event(log.Matter.LOGIN_BACK, f"{name}: it logs us in again", log.Level.NOTICE, site=name)
