"""The ledger: which alerts stand, and which records are news. Pure; times are Unix seconds and passed in.

- A trouble that begins is told once it has lasted for its kind's patience, and told to be over when it is over for
  every daemon that rang; what was told to nobody ends without a word.
- Of the same kind and subject nothing is told again within `repeat`; when it goes on ringing, each further time takes
  twice as long, up to a day. Who was told that it is over hears of its return after that time, if it still is there.
- A daemon that starts takes back what lived in it. One that starts for the third time within an hour without having
  ended as it should is an alert itself.
- At most `per_hour` notices of what is wrong go out in an hour; the first beyond that is replaced by one that says so,
  and the rest is withheld: a thousand receivers that block this host are no thousand calls at night.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from hedwig import queueid
from hedwig.bell import Edge, Kind, Record, natures
from hedwig.settings import DAY, HOUR

RESTARTS = 3
MOST = 5000  # alerts that are remembered


@dataclass
class Standing:
    """One kind of one subject. `told`: whoever is called believes that it stands. `quiet_until`: when it may be told
    again, after `silence` seconds. `count`: how often it rang since it was told last."""

    alert: str
    kind: str
    subject: str
    since: float
    heard: float
    sources: list[str] = field(default_factory=list)
    stands: bool = True
    told: bool = False
    quiet_until: float = 0.0
    silence: float = 0.0
    count: int = 0
    lapse: float = 0.0
    text: str = ""
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told. `state`: raised, again (it still stands), recovered, or happened. `alert`: the same for all
    news of one standing alert. `withheld`: it is for the list alone."""

    state: str
    alert: str
    kind: str
    subject: str
    since: float
    at: float
    count: int
    text: str
    facts: dict[str, str]
    withheld: bool = False


class Ledger:
    """`repeat`: seconds; both may be changed by a reload."""

    def __init__(self, repeat: float = HOUR, per_hour: int = 30) -> None:
        self.repeat = repeat
        self.per_hour = per_hour
        self._known: dict[tuple[str, str], Standing] = {}
        self._starts: dict[str, list[float]] = {}
        self._told_at: list[float] = []

    @property
    def standing(self) -> list[Standing]:
        """What stands now."""
        return [one for one in self._known.values() if one.stands]

    def hear(self, record: Record) -> list[News]:
        """A record was taken."""
        if record.edge is Edge.STARTED:
            return self._started(record)
        if record.edge is Edge.ENDED:
            self._starts.pop(record.source, None)
            return self._take_back(record.source, record.at)
        key = (record.kind, record.subject)
        known = self._known.get(key)
        if record.edge is Edge.ENDS:
            return self._ends(known, record)
        if known is None:
            if len(self._known) >= MOST:
                return []
            known = self._known[key] = Standing(queueid.new(record.at), *key, since=record.at, heard=record.at)
            known.stands = False
        return self._rings(known, record)

    def alive(self, kind: str, subject: str, now: float) -> None:
        """It is seen to stand still: it does not lapse yet."""
        known = self._known.get((kind, subject))
        if known is not None and known.stands:
            known.heard = max(known.heard, now)

    def tick(self, now: float) -> list[News]:
        """Time has passed: what has outlasted its patience is told, what was not heard of for long is over."""
        news: list[News] = []
        for known in list(self._known.values()):
            if known.stands and known.lapse and now >= known.heard + known.lapse:
                news += self._over(known, now, "")
            elif known.stands and not known.told:
                news += self._due(known, now)
            elif not known.stands and now >= known.quiet_until + DAY:
                del self._known[known.kind, known.subject]
        return news

    def _ends(self, known: Standing | None, record: Record) -> list[News]:
        if known is None or record.source not in known.sources:
            return []
        known.sources.remove(record.source)
        return [] if known.sources else self._over(known, record.at, record.text)

    def _rings(self, known: Standing, record: Record) -> list[News]:
        known.heard, known.text, known.facts = record.at, record.text, record.facts
        known.count += 1
        if record.edge is Edge.HAPPENED:
            due = record.at >= known.quiet_until or record.kind == Kind.TEST
            return [self._tell(known, "happened", record.at)] if due else []
        if not known.stands:
            known.alert, known.since, known.stands, known.lapse = queueid.new(record.at), record.at, True, record.lapse
        if record.source not in known.sources:
            known.sources.append(record.source)
        if known.told:
            return [self._tell(known, "again", record.at)] if record.at >= known.quiet_until else []
        return self._due(known, record.at)

    def _due(self, known: Standing, now: float) -> list[News]:
        if now < known.since + natures(known.kind).patience or now < known.quiet_until:
            return []
        known.told = True
        return [self._tell(known, "raised", now)]

    def _over(self, known: Standing, now: float, text: str) -> list[News]:
        told, known.stands, known.told, known.sources = known.told, False, False, []
        if not told:
            return []
        return [News("recovered", known.alert, known.kind, known.subject, known.since, now, known.count, text, {})]

    def _started(self, record: Record) -> list[News]:
        news = self._take_back(record.source, record.at)
        unit = f"{record.source}.service"
        failed = self._known.get((Kind.UNIT_FAILED, unit))
        if failed is not None and failed.stands:
            news += self._over(failed, record.at, f"{unit} runs again")
        starts = [at for at in self._starts.get(record.source, []) if at > record.at - HOUR]
        self._starts[record.source] = [*starts, record.at][-RESTARTS:]
        if len(starts) + 1 >= RESTARTS:
            text = f"{unit} has started {len(starts) + 1} times within an hour without having been stopped: it crashes"
            crash = Record(record.id, record.at, "hedwig-alerts", Edge.HAPPENED, Kind.RESTARTING, unit, text)
            news += self.hear(crash)
        return news

    def _take_back(self, source: str, now: float) -> list[News]:
        news: list[News] = []
        for known in list(self._known.values()):
            if known.stands and source in known.sources and natures(known.kind).bound:
                known.sources.remove(source)
                news += [] if known.sources else self._over(known, now, "")
        return news

    def _tell(self, known: Standing, state: str, now: float) -> News:
        longer = known.silence and now < known.quiet_until + known.silence
        known.silence = min(known.silence * 2, max(float(DAY), self.repeat)) if longer else self.repeat
        known.quiet_until = now + known.silence
        count, known.count = known.count, 0
        news = News(
            state, known.alert, known.kind, known.subject, known.since, now, count, known.text, dict(known.facts)
        )
        return self._within_bounds(news)

    def _within_bounds(self, news: News) -> News:
        if news.kind == Kind.TEST:
            return news
        self._told_at = [at for at in self._told_at if news.at - HOUR < at <= news.at]
        if len(self._told_at) > self.per_hour:
            return News(**{**asdict(news), "withheld": True})
        self._told_at.append(news.at)
        if len(self._told_at) <= self.per_hour:
            return news
        text = f"more than {self.per_hour} alerts within an hour; what follows is shown by `hedwig alert list` alone"
        return News("happened", news.alert, Kind.TOO_MANY, "", news.at, news.at, 1, text, {"first": news.text})

    # what a restart must not forget

    def packed(self) -> dict[str, Any]:
        """All of it, for JSON."""
        known = [asdict(one) for one in self._known.values()]
        return {"known": known, "starts": self._starts, "told_at": self._told_at}

    def unpack(self, found: dict[str, Any]) -> None:
        """What `packed` gave. ValueError for anything else; then nothing has changed."""
        try:
            known = [Standing(**one) for one in found["known"]]
            starts = {str(source): [float(at) for at in ats] for source, ats in found["starts"].items()}
            told_at = [float(at) for at in found["told_at"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"this is no ledger: {error}") from None
        self._known = {(one.kind, one.subject): one for one in known}
        self._starts, self._told_at = starts, told_at
