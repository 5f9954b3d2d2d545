"""How much was sent in the hour and the day before now, and when there is room again. Pure.

Counts lie in slots of five minutes. The hour is the present slot and the twelve before it, the day the present one and
the 288 before that: so in no sixty minutes goes more than a quota allows, whatever the clock's hands do, and what was
sent ceases to count between 60 and 65 minutes later. A slot ahead of now, from before a clock was set back, does not
count until its time comes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hedwig.settings import Quota

SLOT = 300  # seconds
WINDOWS = {"hour": 12, "day": 288}  # slots before the present one
KEPT = SLOT * (WINDOWS["day"] + 1)  # seconds after its begin for which a slot may count


@dataclass(frozen=True, slots=True)
class Exceeded:
    """`limit` is the setting's name ("messages_per_hour"), `most` its value; `frees_at`: Unix seconds, 0: never, as the
    message alone is more than all that it allows."""

    limit: str
    most: int
    frees_at: float


@dataclass(slots=True)
class Counter:
    """What one host, or one container, has sent: messages and recipients of each slot."""

    slots: dict[int, list[int]] = field(default_factory=dict)

    def add(self, slot: int, messages: int, recipients: int) -> None:
        """Count these, or take them back where negative."""
        counts = self.slots.setdefault(slot, [0, 0])
        counts[0] += messages
        counts[1] += recipients

    def forget(self, now: float) -> None:
        """What counts no more."""
        oldest = slot_of(now) - WINDOWS["day"]
        for slot in [slot for slot in self.slots if slot < oldest]:
            del self.slots[slot]

    def exceeded(self, quota: Quota, recipients: int, now: float) -> Exceeded | None:
        """What keeps one more message to so many from being sent now: of several limits the one that frees last."""
        worst = None
        for limit, most, column, slots, wanted in _limits(quota, recipients):
            frees_at = self._frees_at(most - wanted, column, slots, now)
            if frees_at is not None:
                if not frees_at:
                    return Exceeded(limit, most, 0)
                if worst is None or frees_at > worst.frees_at:
                    worst = Exceeded(limit, most, frees_at)
        return worst

    def _frees_at(self, bearable: int, column: int, slots: int, now: float) -> float | None:
        """When the count is down to `bearable`; None: it is now, 0: never."""
        if bearable < 0:
            return 0.0
        present = slot_of(now)
        counted = sorted(slot for slot in self.slots if present - slots <= slot <= present)
        total = sum(self.slots[slot][column] for slot in counted)
        if total <= bearable:
            return None
        for slot in counted:
            total -= self.slots[slot][column]
            if total <= bearable:
                return float((slot + slots + 1) * SLOT)
        raise AssertionError("unreachable: without its slots a count is 0")


def slot_of(now: float) -> int:
    """The slot of a time."""
    return int(now // SLOT)


def _limits(quota: Quota, recipients: int) -> Iterator[tuple[str, int, int, int, int]]:
    """Those that are set: name, value, which count, how many slots before the present one, what one message adds."""
    for window, slots in WINDOWS.items():
        for column, (what, wanted) in enumerate((("messages", 1), ("recipients", recipients))):
            name = f"{what}_per_{window}"
            if most := getattr(quota, name):
                yield name, most, column, slots, wanted
