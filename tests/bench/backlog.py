"""A spool with a million deliveries that wait, as a bad week leaves it, and what happened in the month before.

Everything goes in by the product's own writer: registered, claimed and settled, by a clock that runs through a month.
A few large receivers have most of it and thousands of small ones the rest. What never had a try is young, what is
deferred up to five days old; some is held, some is being sent, two receivers and one client are paused.
"""

import heapq
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from hedwig import queueid
from hedwig.envelope import Envelope, digest
from hedwig.reply import Reply, Stage
from hedwig.spool import Bytes, Claim, Event, Kind, NewMessage, RecipientResult, Settlement, State
from hedwig.spool.desk import SqliteDesk, open_desk
from hedwig.spool.operate import Pausing, StopKind
from hedwig.spool.sqlite import SqliteSpool, open_spool
from hedwig.spool.stops import FOREVER

DAY = 86400.0
LOT = 240  # letters in one call
MONTH = 29.5  # days: the history is kept for 30
ACTIVE = 2000  # deliveries that a worker has just now

LARGE = {
    "qq.com": 22,
    "163.com": 14,
    "gmail.com": 10,
    "126.com": 6,
    "outlook.com": 4,
    "hotmail.com": 3,
    "sina.com": 3,
    "yahoo.com": 2,
    "aliyun.com": 2,
    "foxmail.com": 2,
}  # per cent; the rest goes to small ones
SMALL = 5000
CLIENTS = {
    "news.example.cn": 40,
    "shop.example.cn": 25,
    "forum.example.cn": 15,
    "crm.example.cn": 8,
    "paused.example.cn": 5,
    "school.example.cn": 4,
    "lab.example.cn": 2.9,
    "seldom.example.cn": 0.1,
}  # per cent
SENDERS = 3000
PAUSED_SITES = ("sina.com", "small-77.example")
PAUSED_CLIENT = "paused.example.cn"
BODY = b"Subject: your order\r\nContent-Type: text/plain\r\n\r\n" + (b"It is on its way to you. " * 3 + b"\r\n") * 16
LATER = (
    "451 4.7.1 greylisted, please try again in {0} seconds",
    "450 4.2.1 the user you are trying to contact is receiving mail too quickly ({0})",
    "421 4.7.0 [TSS04] messages from 203.0.113.{1} temporarily deferred due to user complaints - 4.16.55.1",
    "452 4.2.2 mailbox full: over quota by {0} octets",
    "connection timed out: no answer from 198.51.100.{1} within 30 s",
    "550 5.7.1 too many connections from your host (id {0})",
)


class Mixture:
    """Draws letters; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        small = [f"small-{number}.example" for number in range(SMALL)]
        rest = 100 - sum(LARGE.values())
        zipf = [1 / (number + 10) for number in range(SMALL)]
        self._sites = [*LARGE, *small]
        self._weights = _running([*LARGE.values(), *(rest * one / sum(zipf) for one in zipf)])
        self._clients = list(CLIENTS)
        self._client_weights = _running(list(CLIENTS.values()))

    def chance(self, share: float) -> bool:
        """Yes in so many of cases."""
        return self._dice.random() < share

    def between(self, low: float, high: float) -> float:
        """A number."""
        return self._dice.uniform(low, high)

    def reply(self) -> str:
        """Why it is to be tried again."""
        return self._dice.choice(LATER).format(self._dice.randrange(10_000), self._dice.randrange(256))

    def letter(self, at: float) -> NewMessage:
        """One of these: to one recipient most often, to a few at times, to a hundred seldom."""
        dice = self._dice
        [client] = dice.choices(self._clients, cum_weights=self._client_weights)
        kind = dice.random()
        count = 1 if kind < 0.9 else dice.randrange(2, 6) if kind < 0.9995 else 100
        sites = dice.choices(self._sites, cum_weights=self._weights, k=count)
        to = tuple(f"user{dice.randrange(300_000)}@{site}" for site in sites)
        number = int(SENDERS * dice.random() ** 4)
        sender = "" if kind < 0.01 else f"sender{number}@{client}" if number else f"noreply@{client}"
        envelope, body = Envelope(sender, to), Bytes(BODY[: dice.randrange(300, len(BODY))])
        queue_id = queueid.new(at, dice.randbytes(10))
        return NewMessage(
            queue_id,
            client,
            envelope,
            body,
            digest(envelope, body.pieces()),
            at,
            at + 5 * DAY,
            envelope.by_destination(),
            dice.choices((0, 1, 2), (2, 58, 40))[0],
            message_id=f"<{queue_id.lower()}@{client}>",
        )


def _running(weights: Sequence[float]) -> list[float]:
    total = 0.0
    return [total := total + weight for weight in weights]


class Filling:
    """One fill. `clock.now` is the time that the spool believes in."""

    def __init__(self, path: Path, deliveries: int, letters_done: int, told: Callable[[str], None]) -> None:
        self._now = time.time() - 60
        self._at = self._now - MONTH * DAY
        self._path = path
        self._mixture = Mixture(deliveries)
        self._wanted = deliveries
        self._done = letters_done
        self._told = told
        self._queued = 0

    def run(self) -> None:
        """Fill it; at the end the historian has nothing left to do."""
        began = time.monotonic()
        with closing(open_spool(str(self._path), clock=lambda: self._at)) as spool:
            with closing(open_desk(str(self._path))) as desk:
                self._pause(desk)
            said = 0
            for at, stays in self._times():
                self._at = at
                self._lot(spool, at, stays)
                if self._queued // 50_000 > said:
                    said = self._queued // 50_000
                    self._told(f"{self._queued:,} deliveries wait ({time.monotonic() - began:.0f} s)")
            self._at = self._now
            self._busy(spool)
            self._history_moved(spool)
        self._told(f"filled in {time.monotonic() - began:.0f} s")

    def _times(self) -> Iterator[tuple[float, bool]]:
        """When each lot is accepted, and whether it is of those that wait. The young ones are most."""
        per_lot = LOT * 1.32  # deliveries, about: what is missing comes in the last minute
        lots = int(self._wanted / per_lot)
        stay = ((self._now - 4.9 * DAY * (1 - one / lots) ** 2 - 30, True) for one in range(lots))
        gone = self._done // LOT
        go = ((self._now - MONTH * DAY * (1 - one / gone) - 30, False) for one in range(gone))
        yield from heapq.merge(stay, go)
        while self._queued < self._wanted:
            yield self._now, True

    def _lot(self, spool: SqliteSpool, at: float, stays: bool) -> None:
        letters = [self._mixture.letter(at) for _ in range(LOT)]
        if not stays:  # what is paused now was not then
            letters = [one for one in letters if one.client != PAUSED_CLIENT and not one.parts.keys() & {*PAUSED_SITES}]
        if stays and sum(len(one.parts) for one in letters) > self._wanted - self._queued:
            letters = self._just_enough(letters)
        answers = spool.register(letters).result(60)
        numbers = [one.delivery for answer in answers for one in answer.deliveries]
        if not stays:
            self._settle(spool, spool.claim(numbers, "host/1", at).result(60), at, self._delivered)
            return
        self._queued += len(numbers)
        untried = 0.85 if self._now - at < 3600 * 2 else 0.05
        tried = [number for number in numbers if not self._mixture.chance(untried)]
        self._settle(spool, spool.claim(tried, "host/1", at).result(60), at, self._waits)

    def _just_enough(self, letters: list[NewMessage]) -> list[NewMessage]:
        enough, left = [], self._wanted - self._queued
        for letter in letters:
            if len(letter.parts) <= left:
                enough.append(letter)
                left -= len(letter.parts)
        return enough

    def _settle(
        self, spool: SqliteSpool, claims: Sequence[Claim], at: float, end: Callable[[Claim, float], Settlement]
    ) -> None:
        spool.settle([end(one, at + 2) for one in claims]).result(60)

    def _delivered(self, claim: Claim, at: float) -> Settlement:
        results = tuple(RecipientResult(one.number, State.DONE, "250 2.0.0 ok") for one in claim.recipients)
        said = Reply(250, "2.0.0", "ok: queued as 4Xq7Yb1Zz")
        events = [
            Event(at, Kind.DELIVERED, one.address, Stage.DOT, said, f"mx1.{claim.destination}")
            for one in claim.recipients
        ]
        return Settlement(claim.delivery, claim.token, results, tuple(events))

    def _waits(self, claim: Claim, at: float) -> Settlement:
        results, events = [], []
        for one in claim.recipients:
            reply = self._mixture.reply()
            held = self._mixture.chance(0.03)
            state, kind = (State.HELD, Kind.HELD) if held else (State.DEFERRED, Kind.DEFERRED)
            due = self._now + self._mixture.between(-600, 4 * 3600)
            results.append(RecipientResult(one.number, state, reply, due))
            said = Reply(int(reply[:3]), "", reply[4:]) if reply[:3].isdigit() else None
            detail = "" if said else reply
            events.append(Event(at, kind, one.address, Stage.RCPT, said, f"mx1.{claim.destination}", detail))
        return Settlement(claim.delivery, claim.token, tuple(results), tuple(events))

    @staticmethod
    def _pause(desk: SqliteDesk) -> None:
        for name in PAUSED_SITES:
            desk.pause(Pausing(StopKind.SITE, name, time.time() - 40 * DAY, "jia", FOREVER, "they asked for it"))
        desk.pause(
            Pausing(StopKind.CLIENT, PAUSED_CLIENT, time.time() - 40 * DAY, "jia", FOREVER, "it was broken into")
        )

    def _busy(self, spool: SqliteSpool) -> None:
        """What a worker has just now."""
        some = [one.delivery for site in list(LARGE)[:6] for one in spool.due(site, self._now, ACTIVE // 6)]
        for start in range(0, len(some), 500):
            spool.claim(some[start : start + 500], "host/2", self._now).result(60)

    def _history_moved(self, spool: SqliteSpool) -> None:
        self._told("the historian finishes")
        while spool._read(lambda db: db.execute("SELECT 1 FROM happened LIMIT 1").fetchone()):
            time.sleep(0.2)


def fill(path: Path, deliveries: int, letters_done: int, told: Callable[[str], None] = print) -> None:
    """Make the spool at `path`."""
    Filling(path, deliveries, letters_done, told).run()
