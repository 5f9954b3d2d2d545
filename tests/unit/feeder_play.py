"""A feeder played round by round: a spool that is a list, a queue in memory, clocks that stand until they are told."""

from collections.abc import Sequence

from hedwig.postoffice.feeder import Feeder
from hedwig.postoffice.timetable import Clocks
from hedwig.queue.memory import Broker
from hedwig.spool import HistoryLine, Pause, QueuedRecipient, SpoolTrouble, Stream, Waiting


class FakeLook:
    """Deliveries that wait, by number: destination, priority, due."""

    def __init__(self) -> None:
        self.waiting: dict[int, tuple[str, int, float]] = {}
        self.paused: list[Pause] = []
        self.late: list[Waiting] = []
        self.trouble = False

    def add(self, destination: str, count: int, due: float = 0.0, priority: int = 1) -> list[Waiting]:
        first = max(self.waiting, default=0) + 1
        numbers = range(first, first + count)
        self.waiting.update(dict.fromkeys(numbers, (destination, priority, due)))
        return [Waiting(number, destination, priority) for number in numbers]

    def streams(self, now: float, newly_due_since: float | None) -> set[Stream]:
        if self.trouble:
            raise SpoolTrouble("gone")
        since = float("-inf") if newly_due_since is None else newly_due_since
        low = 0.0 if newly_due_since is None else 1e-9  # what is due at 0 was never deferred
        return {Stream(*which) for *which, due in self.waiting.values() if max(since, low) <= due <= now}

    def due(self, destination: str, now: float, limit: int, priority: int | None = None) -> list[Waiting]:
        rows = sorted(
            (rank, due, number)
            for number, (name, rank, due) in self.waiting.items()
            if name == destination and due <= now and priority in (None, rank)
        )
        return [Waiting(number, destination, rank, due) for rank, due, number in rows[:limit]]

    def expired(self, now: float, limit: int) -> list[Waiting]:
        return self.late[:limit]

    def pauses(self, now: float) -> list[Pause]:
        return [pause for pause in self.paused if pause.until > now]

    def still_waiting(self, deliveries: Sequence[int], now: float) -> set[int]:
        return {number for number in deliveries if number in self.waiting and self.waiting[number][2] <= now}

    def queued(self, queue_id: str = "", limit: int = 1000, after: int = 0) -> tuple[list[QueuedRecipient], int]:
        raise NotImplementedError

    def history(self, queue_id: str) -> list[HistoryLine]:
        raise NotImplementedError


class Play:
    """A feeder whose time the test moves."""

    def __init__(self) -> None:
        self.unix = 1_000_000.0
        self.monotonic = 5.0
        self.look = FakeLook()
        self.broker = Broker(lambda: self.monotonic)
        self.worker = self.broker.open()
        self.feeder = Feeder(self.look, self.broker.open(), Clocks(lambda: self.unix, lambda: self.monotonic))
        self.said: list[str] = []

    def go(self, seconds: float = 0.0) -> None:
        """So much time passes, round by round as the feeder asks for."""
        until = self.monotonic + seconds
        while True:
            wait = self.feeder.step()
            if self.monotonic >= until and wait > 0:
                return
            self.pass_time(min(max(wait, 0.001), max(0.0, until - self.monotonic)))

    def pass_time(self, seconds: float) -> None:
        self.monotonic += seconds
        self.unix += seconds

    def hints(self) -> int:
        return self.broker.open().counts().get("default", 0)

    def take(self, limit: int = 100_000, claim: bool = True) -> list[int]:
        """A worker takes hints, and claims what they are about."""
        taken = self.worker.reserve(["default"], limit, 0)
        self.worker.done(taken)
        if claim:
            for hint in taken:
                self.look.waiting.pop(hint.delivery, None)
        return [hint.delivery for hint in taken]
