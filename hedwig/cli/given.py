"""Words on the command line, bounded: what can't be meant is a usage error with a sentence, whatever else would be made
of it further on. (What isn't UTF-8 comes from the shell as lone surrogates, which no spool takes.)
"""

import time
from datetime import datetime
from typing import Any

import click

from hedwig.cli.terminal import clean

MOST = 1000  # characters: a Message-ID is on one line, which has 998 octets at the most (RFC 5322 §2.1.1)
_SHOWN = 40  # characters of a long word


def shown(text: str) -> str:
    """A word as it was given, quoted; its beginning where it is long."""
    return clean(repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."))


class Text(click.ParamType):
    """Some text. `empty`: whether it may be ""."""

    name = "TEXT"

    def __init__(self, *, empty: bool = False) -> None:
        self._empty = empty

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Itself, or fail with a sentence."""
        text = str(value)
        if len(text) > MOST:
            self.fail(f"{shown(text)} has {len(text):,} characters; {MOST:,} may be given", param, ctx)
        if not text.strip() and not self._empty:
            self.fail("it is empty: leave it out, or say what is meant", param, ctx)
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            self.fail(f"{shown(text)} is no text in UTF-8", param, ctx)
        return text


REASON = click.option(
    "--reason", default="", type=Text(empty=True), metavar="TEXT", help="Why; for the history and the journal."
)


class Until(click.ParamType):
    """A Unix time, from a duration, a local time, or a date with its zone; `forever` for "never"."""

    name = "TIME"

    def __init__(self, forever: float) -> None:
        self._forever = forever

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or fail with a sentence."""
        from hedwig import moments

        now = time.time()
        text = str(value).strip()
        if text == "never":
            return self._forever
        if text.isdigit():  # seconds, as in a duration, or half past six? That is not for us to guess
            wrong = f"{shown(text)} has no unit"
            self.fail(f"{wrong}: write {clean(text[:20])}s for seconds, or a time like 18:30", param, ctx)
        seconds = moments.duration(text)
        at = now + seconds if seconds else moments.moment(text) or _local(text, now)
        if at is None:
            self.fail(f"{shown(text)} is no time: write 2h, 18:30, 2026-01-31 08:00, or never", param, ctx)
        if at <= now:
            self.fail(f"{shown(text)} is over", param, ctx)
        if at >= self._forever:
            self.fail(f"{shown(text)} is too far: write never", param, ctx)
        return at


def _local(text: str, now: float) -> float | None:
    """In this machine's time zone: "18:30" (the next one), "2026-01-31", "2026-01-31 08:00"."""
    try:
        if len(text) == 5:
            clock = datetime.strptime(text, "%H:%M")
            at = datetime.fromtimestamp(now).replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
            return at.timestamp() if at.timestamp() > now else at.timestamp() + 86400
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
