"""hedwig-alerts: takes the bell's records, decides by the ledger, and tells command and webhook until they take it.

One round a second. Each way has a task of its own, which tells one notice after the other, oldest first: one that hangs
delays the next of that way, and no other. SIGHUP reads alerts.yml again; SIGTERM ends what is being told, which is told
again at the next start.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from hedwig import log, queueid
from hedwig.alerts import notice as notices
from hedwig.alerts import runner, watch
from hedwig.alerts.hook import Answer
from hedwig.alerts.ledger import Ledger, News, Standing
from hedwig.alerts.notice import Notice, Told
from hedwig.alerts.store import Store
from hedwig.alerts.watch import Seen
from hedwig.alerts.webhook import Webhook, wait_after
from hedwig.bell import Kind, Record
from hedwig.bell.record import short
from hedwig.https_post import client_context
from hedwig.settings import Alerts
from hedwig.supervisor import Supervisor

ROUND = 1.0  # seconds
TIDY = 300.0
_BY_RECEIVERS = (Kind.RECEIVER_BACKED_OFF, Kind.REPUTATION, Kind.AUTHENTICATION)
SELF = "hedwig-alerts"
WAYS = ("command", "webhook")

Ask = Callable[[Sequence[str], Mapping[str, str], bytes, float], Awaitable[Answer]]


def run(
    settings: Alerts,
    reload: Callable[[], Alerts | None],
    supervisor: Supervisor,
    host: str,
    config_dir: Path | None = None,
) -> int:
    """Run until SIGTERM or SIGINT; returns the exit status. `config_dir`: whose spools are watched."""
    store = Store(settings.folder)
    try:
        store.prepare()
    except OSError as error:
        why = f"{settings.folder} can't be used: {error.strerror}"
        log.event(log.Matter.CANNOT_START, why, log.Level.ERROR, reason=why)
        return 1
    asyncio.run(_Life(settings, store, host).live(reload, supervisor, config_dir))
    return 0


class _Life:
    """`ask`: runs the command (runner.ask)."""

    def __init__(self, settings: Alerts, store: Store, host: str, ask: Ask = runner.ask) -> None:
        self._ask = ask
        self._settings = settings
        self._store = store
        self._host = host
        self._ledger = Ledger(settings.repeat, settings.per_hour)
        store.load(self._ledger)
        self._open = [one for one in store.kept() if any(told.state == "waiting" for told in one.ways.values())]
        self._tidied = 0.0
        self._at_once()

    def _at_once(self) -> None:
        """After a start or a reload something may have been mended: nothing waits for its next try."""
        for told in (told for one in self._open for told in one.ways.values()):
            told.due = 0.0

    async def live(
        self, reload: Callable[[], Alerts | None], supervisor: Supervisor, config_dir: Path | None = None
    ) -> None:
        """Until SIGTERM or SIGINT."""
        stopping, loop = asyncio.Event(), asyncio.get_running_loop()

        def again() -> None:
            supervisor.reloading()
            self._settings = reload() or self._settings
            self._ledger.repeat, self._ledger.per_hour = self._settings.repeat, self._settings.per_hour
            self._at_once()
            supervisor.ready(self._status())

        for ending in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(ending, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, again)
        telling = [asyncio.create_task(self._tell_all(way)) for way in WAYS]
        if config_dir is not None:
            telling.append(asyncio.create_task(self._watch(config_dir)))
        supervisor.ready(self._status())
        while not stopping.is_set():
            self.step(time.time())
            supervisor.pet()
            supervisor.status(self._status())
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), ROUND)
        for task in telling:
            task.cancel()
        await asyncio.gather(*telling, return_exceptions=True)

    def step(self, now: float) -> None:
        """One round: what rang, and what time has made of it."""
        taken = self._store.take()
        news = [(record.id, one) for _, record in taken for one in self._ledger.hear(record)]
        news += [("", one) for one in self._ledger.tick(now)]
        met: set[str] = set()
        for record, one in news:
            name = record if record and record not in met else queueid.new()
            met.add(name)
            self._make(name, one)
        if taken or news:
            self._store.save(self._ledger)
        for file, _ in taken:
            self._store.drop(file)
        if now >= self._tidied + TIDY or now < self._tidied:
            self._tidied = now
            self._store.tidy(now)

    async def _watch(self, config_dir: Path) -> None:
        """Look at the spools; a disk that hangs holds up the next look alone."""
        while True:
            seen = await asyncio.to_thread(watch.look, config_dir, self._settings, time.time())
            self.note(seen, time.time())
            await asyncio.sleep(watch.EVERY)

    def note(self, seen: Seen, now: float) -> None:
        """What a look has found."""
        for known in self._ledger.standing:
            if known.kind in _BY_RECEIVERS and _rests(known, seen.resting):
                self._ledger.alive(known.kind, known.subject, now)
        for each in seen.alarms:
            what = each.reading
            record = Record(
                queueid.new(now), now, SELF, what.edge, what.kind, what.subject, short(each.text), what.lapse
            )
            for one in self._ledger.hear(record):
                self._make(queueid.new(now), one)
        self._store.save(self._ledger)

    def _make(self, name: str, news: News) -> None:
        ways = [
            way for way, there in zip(WAYS, (self._settings.command, self._settings.webhook.url), strict=True) if there
        ]
        notice = notices.of(name, self._host, news, ways)
        self._store.keep(notice)
        if notice.ways:
            self._open.append(notice)
        log.say(log.Level.NOTICE, f"alert {news.kind} {news.state}: {news.subject} {news.text}")

    async def _tell_all(self, way: str) -> None:
        while True:
            due = [one for one in self._open if way in one.ways and one.ways[way].state == "waiting"]
            now = time.time()
            one = next((one for one in due if one.ways[way].due <= now), None)
            if one is None:
                await asyncio.sleep(ROUND / 2)
                continue
            answer = await self._tell(way, one, now)
            self._note(one, one.ways[way], answer, time.time())

    async def _tell(self, way: str, one: Notice, now: float) -> Answer:
        settings = self._settings
        if way == "command":
            if not settings.command:
                return Answer(False, "there is no command in alerts.yml any more")
            return await self._ask(settings.command, one.environment(), one.content(), settings.command_timeout)
        rule = settings.webhook
        if not rule.url:
            return Answer(False, "there is no webhook in alerts.yml any more")
        try:
            secrets = _lines(rule.secret_file) if rule.secret_file else [rule.secret] if rule.secret else []
        except (OSError, ValueError) as error:
            return Answer(False, f"secret_file can't be read: {error}")
        context = client_context(rule.ca_file) if rule.url.startswith("https:") else None
        return await Webhook(rule.url, secrets, float(rule.timeout), context).tell(one.id, one.content(), now)

    def _note(self, one: Notice, told: Told, answer: Answer, now: float) -> None:
        told.tries, told.words = told.tries + 1, answer.words
        if answer.taken:
            told.state = "done"
        elif now >= one.at + self._settings.expire:
            told.state = "given up"
        else:
            told.due = now + wait_after(told.tries)
        if not answer.taken and told.tries in (1, 10):
            log.say(log.Level.WARNING, f"alert {one.id} could not be told: {answer.words}")
        self._store.keep(one)
        if all(each.state != "waiting" for each in one.ways.values()):
            self._open.remove(one)

    def _status(self) -> str:
        return f"{len(self._ledger.standing)} alerts stand; {len(self._open)} notices wait to be told"


def _rests(known: Standing, resting: Collection[str]) -> bool:
    """Back-offs know a receiver that has no name in the settings by its MX hosts, alerts by the recipient's domain."""
    host = known.facts.get("mx", "").partition("[")[0]
    return known.subject in resting or any(host in name.split(",") for name in resting if host)


def _lines(name: str) -> list[str]:
    lines = [line.strip() for line in Path(name).read_text("utf-8").splitlines()]
    found = [line for line in lines if line][:2]
    if not found:
        raise ValueError(f"{name} is empty")
    return found
