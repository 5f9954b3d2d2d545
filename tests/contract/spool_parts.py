"""What the spool's contract tests share: implementations, letters, a clock, and ways to read and end a delivery."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hedwig import queueid
from hedwig.envelope import Envelope, digest
from hedwig.reply import Reply, Stage
from hedwig.spool import Bytes, Claim, Event, Kind, NewMessage, RecipientResult, Registered, Settlement, State
from hedwig.spool.desk import open_desk
from hedwig.spool.sqlite import open_spool

NOW = 1_795_000_000.0  # 2026-11-18, in the middle of a UTC day
DAY = 86400.0
HERE = Path(__file__).parent
IMPLEMENTATIONS: dict[str, Callable[..., Any]] = {"sqlite": open_spool}
DESKS: dict[str, Callable[..., Any]] = {"sqlite": open_desk}


class Clock:
    """Time that the test sets."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def letter(*to: str, content: bytes = b"Subject: hi\r\n\r\nhello\r\n", queue_id: str = "", **other: Any) -> NewMessage:
    """A message from a@host.example; `to` defaults to one recipient."""
    envelope = Envelope(other.pop("mailfrom", "a@host.example"), to or ("b@dest.example",))
    body = other.pop("body", None) or Bytes(content)
    fields = {"client": "host.example", "accepted_at": NOW, "expires_at": NOW + 5 * DAY} | other
    return NewMessage(
        queue_id=queue_id or queueid.new(NOW),
        envelope=envelope,
        body=body,
        digest=digest(envelope, body.pieces()),
        parts=envelope.by_destination(),
        **fields,
    )


def numbers(answers: Iterable[Registered]) -> list[int]:
    """The deliveries of what was accepted."""
    return [waiting.delivery for answer in answers for waiting in answer.deliveries]


def put(spool: Any, *letters: NewMessage) -> list[int]:
    """Register and give the deliveries."""
    return numbers(spool.register(letters).result(30))


def claim(spool: Any, deliveries: Iterable[int], owner: str = "host/1", now: float = NOW, **other: Any) -> list[Claim]:
    """Claim and wait."""
    return spool.claim(list(deliveries), owner, now, **other).result(30)


def done(number: int = 0, reply: str = "250 2.0.0 ok") -> RecipientResult:
    return RecipientResult(number, State.DONE, reply)


def deferred(number: int = 0, due: float = NOW + 360, **other: Any) -> RecipientResult:
    return RecipientResult(number, State.DEFERRED, "450 4.7.1 greylisted", due, **other)


def held(number: int = 0) -> RecipientResult:
    return RecipientResult(number, State.HELD, "refused by postoffice")


def settle(spool: Any, held_claim: Claim, *results: RecipientResult, **other: Any) -> Any:
    """Settle one claim and wait."""
    [answer] = spool.settle([Settlement(held_claim.delivery, held_claim.token, results, **other)]).result(30)
    return answer


def deliver(spool: Any, deliveries: Iterable[int], now: float = NOW) -> None:
    """Claim and end deliveries with all their recipients."""
    for one in claim(spool, deliveries, now=now):
        assert settle(spool, one, *[done(recipient.number) for recipient in one.recipients]).held_token


def waiting_ids(spool: Any) -> list[str]:
    """Queue IDs of everything that is queued, page by page."""
    found, after = [], 0
    while True:
        page, after = spool.queued(limit=100, after=after)
        found += [recipient.queue_id for recipient in page]
        if not after:
            return found


def states(spool: Any, queue_id: str) -> dict[str, tuple[State, int, float]]:
    """State, tries and due by recipient."""
    page, _ = spool.queued(queue_id)
    return {one.rcptto: (one.state, one.tries, one.due) for one in page}


def event(kind: Kind, at: float = NOW, rcptto: str = "b@dest.example") -> Event:
    return Event(at, kind, rcptto, Stage.DOT, Reply(250, "2.0.0", "ok"), "mx1.dest.example", "")


class Pieces:
    """A large Body that is made while it is read: `size` octets in pieces of `piece`."""

    def __init__(self, size: int, piece: int = 100_000, seed: int = 1) -> None:
        self.size = size
        self._piece = piece
        self._pattern = bytes((index * 7 + seed) % 251 for index in range(piece))

    def pieces(self) -> Iterable[bytes]:
        for start in range(0, self.size, self._piece):
            yield self._pattern[: self.size - start]


def child(program: str, *arguments: object, before: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    """Start `spool_child.py PROGRAM ARGUMENTS…`; its stdout and stdin are pipes of text."""
    paths = [str(HERE), str(HERE.parent.parent)]
    return subprocess.Popen(
        [*before, sys.executable, str(HERE / "spool_child.py"), program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ":".join(paths)},
    )
