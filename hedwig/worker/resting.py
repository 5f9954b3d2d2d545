"""Resting: which receivers nothing may go to now, because they asked for rest: this worker's view of the spool's
back-offs, which all workers share (spool/receivers.py). And those that an operator has paused by their names in the
settings; for a destination's name, the spool itself sees to that.

What this worker hears is in force here at once, and at the others when they look, every second. A receiver judges
addresses, so a back-off is for one family of a source's; the source as a whole rests when all its families do.
"""

import asyncio
import math
import time
from dataclasses import dataclass, field, replace

from hedwig import log
from hedwig.settings import Source
from hedwig.spool import SpoolTrouble, stops
from hedwig.spool.receivers import LIMITED, Backoff, Sharing, back_off, backoffs, lifted
from hedwig.verdict import SiteWord
from hedwig.worker.provider import Provider

FAMILIES = ("ipv4", "ipv6")
WITNESSED = 7200.0  # seconds for which one recipient domain's word waits for another's
APART = 1.0  # seconds between them at least: what one transaction heard for two domains is one word
_MOST_HEARD = 1000  # receivers' addresses of which a first word is remembered


def place(source: str, family: str) -> str:
    """What a back-off is about, as the spool names it."""
    return f"{source}/{family}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the spool knew at a time (monotonic). `lifted`: when an operator has ended back-offs, by receiver. `paused`:
    until when an operator has paused, by name."""

    began: float
    backoffs: tuple[Backoff, ...]
    lifted: dict[str, float] = field(default_factory=dict)
    paused: dict[str, float] = field(default_factory=dict)


class Resting:
    """Of one worker. Belongs to the event loop; `look` may run in any thread."""

    def __init__(self, spool: Sharing) -> None:
        self._spool = spool
        self._known: dict[tuple[str, str], Backoff] = {}
        self._own: dict[tuple[str, str], tuple[Backoff, float]] = {}  # what was heard here, and since when the spool
        # has it (monotonic)
        self._paused: dict[str, float] = {}
        self._sources: dict[str, Source] = {}
        self._heard: dict[tuple[str, str], dict[str, float]] = {}  # since when which recipient domains hear it
        self._tasks: set[asyncio.Task[None]] = set()

    def use(self, sources: dict[str, Source]) -> None:
        """The settings' sources."""
        self._sources = dict(sources)

    def look(self) -> "Seen":
        """What the spool knows now. SpoolTrouble."""
        began, now = time.monotonic(), time.time()
        said = self._spool.read(stops.listed, now)
        paused = {stop.name: stop.until for stop in said if stops.is_receiver(stop.kind, stop.name)}
        return Seen(began, tuple(backoffs(self._spool, now)), lifted(self._spool), paused)

    def take(self, seen: "Seen") -> None:
        """What `look` gave is in force, and what was heard here since then, or is on its way into the spool."""
        self._own = {key: (said, at) for key, (said, at) in self._own.items() if at >= seen.began}
        self._known = {(each.site, each.source): each for each in seen.backoffs}
        self._known |= {key: said for key, (said, _) in self._own.items()}
        self._paused = seen.paused

    def heed(self, receiver: str, source: str, family: str, word: SiteWord) -> None:
        """A receiver has said so: in force here at once, and in the spool for all. What may be one recipient domain's
        word is in force when this worker has heard the like of another one's mail, within WITNESSED seconds."""
        now = time.time()
        if word.witness and not self._has_two((receiver, place(source, family)), word.witness, now):
            return
        said = Backoff(
            receiver, place(source, family), now, now + word.wait, word.connections, 1, word.rule, word.reason
        )
        key = (said.site, said.source)
        self._known[key] = _both(self._known.get(key), said)
        self._own[key] = self._known[key], math.inf
        task = asyncio.create_task(self._publish(said))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _has_two(self, key: tuple[str, str], domain: str, now: float) -> bool:
        """Whether mail to two recipient domains has heard it, this one and one before."""
        heard = {name: at for name, at in self._heard.pop(key, {}).items() if now - at < WITNESSED}
        others = [at for name, at in heard.items() if name != domain and now - at >= APART]
        if domain in heard or len(heard) < 2:
            heard.setdefault(domain, now)
        self._heard[key] = heard
        if len(self._heard) > _MOST_HEARD:
            del self._heard[next(iter(self._heard))]
        return bool(others)

    async def _publish(self, said: Backoff) -> None:
        try:
            in_force = await asyncio.wrap_future(back_off(self._spool, said))
        except SpoolTrouble as trouble:
            log.say(log.Level.WARNING, f"{said.site}: other workers can't be told of its back-off: {trouble}")
            self._own.pop((said.site, said.source), None)
            return
        key = (said.site, said.source)
        self._known[key] = _both(self._known.get(key), in_force)  # meanwhile it may have said more
        self._own[key] = self._known[key], time.monotonic()
        rest = in_force.until - time.time()
        if rest > 0:
            again = f" (for the {in_force.times}. time in a row)" if in_force.times > 1 else ""
            text = (
                f"{said.site}: nothing goes there from {said.source.strip('/')} for {rest:.0f} s{again}: {said.reason}"
            )
            log.say(log.Level.NOTICE, text)

    def of(self, receiver: str, source: str, family: str) -> Backoff | None:
        """What is in force for these addresses."""
        known = self._known.get((receiver, place(source, family))) if self._known else None
        return known if known is not None and known.until > time.time() else None

    def apply(self, provider: Provider) -> bool:
        """Have what is in force in the bag's view of that receiver; whether it has just begun to rest."""
        now = time.monotonic()
        rest = self.until(provider.name, provider.source) - time.time()
        resting = self.families(provider.name, provider.source)
        provider.eased |= resting < provider.resting
        provider.resting = resting
        provider.bound = self.most(provider.name, provider.source)
        return provider.rest(now + rest if rest > 0 else 0.0, now, self.why(provider.name, provider.source))

    def families(self, receiver: str, source: str) -> int:
        """How many families of that source's addresses may send nothing there."""
        return sum(self.of(receiver, source, family) is not None for family in FAMILIES) if self._known else 0

    def closed(self, receiver: str, source: str) -> tuple[float, int]:
        """`wait`, and `families`."""
        return self.wait(receiver, source), self.families(receiver, source)

    def wait(self, receiver: str, source: str) -> float:
        """For how many seconds nothing may go there from any address of that source; 0: it may."""
        return max(0.0, self.until(receiver, source) - time.time()) if self._known or self._paused else 0.0

    def until(self, receiver: str, source: str) -> float:
        """Unix seconds until which nothing may go there from any address of that source; 0: it may."""
        if (paused := self._paused.get(receiver, 0.0)) > time.time():
            return paused
        rests = [self.of(receiver, source, family) for family in self._families(source)]
        return min((rest.until if rest else 0.0 for rest in rests), default=0.0)

    def why(self, receiver: str, source: str) -> str:
        """The receiver's words, or that an operator has paused it."""
        if self._paused.get(receiver, 0.0) > time.time():
            return stops.paused_because(receiver)
        rests = [self.of(receiver, source, family) for family in self._families(source)]
        return next((rest.reason for rest in rests if rest), "")

    def most(self, receiver: str, source: str) -> int:
        """The most connections that the receiver has asked for lately; 0: it has not."""
        now = time.time()
        bounds = [self._known.get((receiver, place(source, family))) for family in self._families(source)]
        return min(
            (each.connections for each in bounds if each and each.connections and now < each.until + LIMITED), default=0
        )

    def _families(self, source: str) -> tuple[str, ...]:
        known = self._sources.get(source)
        if known is None:
            return FAMILIES
        return tuple(family for family in FAMILIES if getattr(known, family))


def _both(known: Backoff | None, said: Backoff) -> Backoff:
    """What is in force when a receiver says `said` and has said `known` before: the longer rest, as the spool has it,
    and the fewer connections."""
    if known is None or known.until <= said.since:
        return said
    connections = min(filter(None, (known.connections, said.connections)), default=0)
    return replace(said if said.until >= known.until else known, connections=connections)
