"""Alarms: what of a receiver's replies the operator must hear, loudly and once.

One entry at level alert for each receiver and rule, and not again within an hour, however many letters meet the same:
each worker counts for itself. There are three kinds, for three things to do:

- SITE_BLOCKED: the receiver limits or blocks this host; its mail waits.
- SETUP_REFUSED: our DNS or authentication is at fault; the mail waits up to `retry.hold`, and fails then.
- MAIL_REFUSED: the receiver minds what is sent, or by whom; that mail has failed, or goes on as its code says.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hedwig import log
from hedwig.classify import Ruling
from hedwig.settings.replies import Action

HUSH = 3600.0  # seconds
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Alarm:
    """`site`: the receiver's name in worker.yml, or the recipient's domain. `mx`: who said it; `words`: what."""

    site: str
    ruling: Ruling
    mx: str
    words: str


class Alarms:
    """`clock`: monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[tuple[str, str], float] = {}

    def sound(self, alarm: Alarm) -> None:
        """Tell the operator, unless that was done within the hour."""
        now, what = self._clock(), (alarm.site, alarm.ruling.rule)
        if now < self._told.get(what, 0.0):
            return
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told[what] = now + HUSH
        _tell(alarm)


def _tell(alarm: Alarm) -> None:
    site, words, why = alarm.site, alarm.words, f"{alarm.ruling.rule} ({alarm.ruling.meaning})"
    if alarm.ruling.decision is Action.BACK_OFF:
        says = "limits or blocks this host; its mail waits"
        if alarm.ruling.hearsay:
            says = "or one of its domains says that this host is limited or blocked; that letter waits"
        matter, text = log.Matter.SITE_BLOCKED, f"{site} {says}"
    elif alarm.ruling.decision is Action.HOLD:
        matter, text = log.Matter.SETUP_REFUSED, f"{site} refuses mail for a fault of ours; it is kept for now"
    else:
        matter, text = log.Matter.MAIL_REFUSED, f"{site} minds our mail"
    log.event(
        matter,
        f"{text}: {words} (rule {why})",
        log.Level.ALERT,
        site=site,
        mx=alarm.mx,
        reply=words,
        reason=why,
        rule=alarm.ruling.rule,
        meaning=alarm.ruling.meaning,
        help=alarm.ruling.help,
    )
