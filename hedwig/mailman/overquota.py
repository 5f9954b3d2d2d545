"""Mail of mailman's spool that is over a quota: for how long it waits without being offered, and what is told of it.

The postoffice refuses it for now and says when there is room. A container's letters (quotas go by its name, or else
its address) wait together, for what is too much for one is too much for each to as many recipients: once one was
refused the others are not offered. Those of other containers go on, for the quota may be that container's own; and so
do those to fewer recipients. When the wait is over one of them asks for all.

They wait as long again as the quota has been hit, one to ten minutes, and never longer than was said: the operator may
give more room meanwhile. What he has offered at once (`hedwig spool retry`) asks, too.

Told is once an hour for each container how many wait, in one line for all of them that are due. Not thread-safe.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from hedwig.mailman.client import Verdict
from hedwig.moments import utc
from hedwig.options import submitter_of
from hedwig.spool import Claim

PAUSE = (60.0, 600.0)  # seconds, least and most, between two offers of a container's letters
UNSAID = 300.0  # seconds until there is room where a postoffice doesn't say
TELL = 3600.0  # seconds between lines of the same container
NAMED = 5  # containers in one line
_EARLY = 1.0  # seconds before its time at which a letter is offered because somebody wants that


@dataclass(slots=True)
class _Wait:
    """Of one container: `since` when, `until` when; for letters to so many `recipients` or more. `verdict`: the last
    one. `frees_at`: when there is room, as that says."""

    since: float
    until: float
    frees_at: float
    recipients: int
    verdict: Verdict


class OverQuota:
    """What is known of it; a restart forgets that, and asks again. Times are Unix seconds."""

    def __init__(self) -> None:
        self._waits: dict[str, _Wait] = {}
        self._letters: dict[int, tuple[str, float]] = {}  # deliveries: whose, and until when they were put off
        self._told: dict[str, float] = {}
        self.waiting = 0  # letters, as far as they were looked at

    def asking(self, claims: Iterable[Claim], now: float) -> list[Claim]:
        """Of each container that waits no longer, or whose letters somebody wants offered, the one that asks."""
        chosen: dict[str, Claim] = {}
        for claim in claims:
            name = _name(claim)
            wait = self._waits.get(name)
            if wait is None or not (wait.until <= now or self._letters.get(claim.delivery, ("", 0))[1] > now + _EARLY):
                continue
            if name not in chosen or len(claim.recipients) < len(chosen[name].recipients):
                chosen[name] = claim
        return list(chosen.values())

    def verdict(self, claim: Claim, now: float) -> Verdict | None:
        """What the postoffice would say of it, as it has of another; None where it must be asked."""
        wait = self._waits.get(_name(claim))
        if wait is None or not wait.since <= now < wait.until or len(claim.recipients) < wait.recipients:
            return None
        return wait.verdict

    def refused(self, claim: Claim, verdict: Verdict, now: float) -> float:
        """The postoffice has refused it, or would: until when it waits."""
        name, count = _name(claim), len(claim.recipients)
        frees_at = now + (verdict.retry_after or UNSAID)
        wait = self._waits.get(name)
        if wait is None or not wait.since <= now < wait.until:
            since = wait.since if wait is not None and wait.since <= now else now
            pause = min(max(now - since, PAUSE[0]), PAUSE[1])
            wait = _Wait(since, min(now + pause, frees_at), frees_at, count, verdict)
            if name:
                self._waits[name] = wait
        elif count < wait.recipients:
            wait.recipients, wait.verdict = count, verdict
            wait.frees_at = min(wait.frees_at, frees_at)
            wait.until = min(wait.until, frees_at)
        deadline = claim.options.deadline
        until = min(wait.until, deadline) if deadline > now else wait.until
        self._letters[claim.delivery] = (name, until)
        return until

    def taken(self, claim: Claim) -> None:
        """The postoffice has it: there is room for those to as many."""
        wait = self._waits.get(_name(claim))
        if wait is not None and len(claim.recipients) >= wait.recipients:
            del self._waits[_name(claim)]

    def ended(self, delivery: int) -> None:
        """It waits for nothing any more."""
        self._letters.pop(delivery, None)

    def tell(self, now: float) -> str:
        """How many wait, of each container of which that was not told within the hour; "" where there is nothing to
        tell. For when all that is due was looked at."""
        gone = now - 2 * PAUSE[1]  # put off, and never seen again: somebody took it out of the spool
        self._letters = {each: (name, until) for each, (name, until) in self._letters.items() if until > gone}
        self._waits = {name: wait for name, wait in self._waits.items() if wait.until > gone}
        self.waiting = len(self._letters)
        counts = Counter(name for name, _ in self._letters.values())
        self._told = {name: at for name, at in self._told.items() if name in counts and at <= now}
        news = [name for name, _ in counts.most_common() if now - self._told.get(name, now - TELL) >= TELL]
        if not news:
            return ""
        self._told.update((name, now) for name in news)
        told = [f"{counts[name]} of {name or 'nobody known'}{self._until(name)}" for name in news[:NAMED]]
        told += [f"{sum(counts[name] for name in news[NAMED:])} of others"] if news[NAMED:] else []
        said = next((f": {self._waits[name].verdict.reply}" for name in news if name in self._waits), "")
        return f"letters over a quota wait in this host's spool, {', '.join(told)}{said}"

    def _until(self, name: str) -> str:
        wait = self._waits.get(name)
        return f" until {utc(wait.frees_at)}" if wait is not None else ""


def _name(claim: Claim) -> str:
    return submitter_of(claim.submitter).name
