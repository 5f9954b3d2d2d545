"""When a deferred recipient is tried again, when the sender is warned, when we give up (RFC 5321 §4.5.4.1).

Plain functions from numbers to numbers; the clock and the dice are the caller's. Times are Unix seconds.
"""

from collections.abc import Callable

from hedwig.settings import Retry

LAST_TRY = 15.0  # seconds before the end, to twice that; or a fifth to two fifths of what is left, where that is less
HELD_LEAST = 900.0  # seconds, and
HELD_MOST = 3600.0  # between two tries of what is held
LEAST_WAIT = 30.0  # seconds between a try and such a last one


def next_due(tries: int, now: float, retry: Retry, random: Callable[[], float]) -> float:
    """The time of the next try after `tries` attempts, the one that just failed among them.

    The waits are `retry.schedule` in turn (it has at least one), the last one repeats. Each is varied by up to
    `retry.jitter` of itself either way, so that letters that failed together don't come back together. `random` gives
    numbers in [0, 1), as random.random does. An attempt that was not counted (tries = 0) waits as after the first.
    """
    wait = retry.schedule[min(max(tries, 1), len(retry.schedule)) - 1]
    return now + wait * (1 + retry.jitter * (2 * random() - 1))


def after_wait(wait: float, tries: int, now: float, retry: Retry, random: Callable[[], float]) -> float:
    """As next_due, where the receiver's reply says how long to wait. That is the first wait; should the same be said
    again it is the least, as the schedule goes on. It is varied upwards alone: who comes too early has to wait anew."""
    due = now + wait * (1 + retry.jitter * random())
    return due if tries <= 1 else max(due, next_due(tries, now, retry, random))


def while_held(since: float, now: float, retry: Retry, random: Callable[[], float]) -> float:
    """The next try of what is held for a fault of ours: each HELD_LEAST seconds at first, more seldom as it lasts, and
    once more at the end, `retry.hold` seconds after `since`."""
    wait = min(max(HELD_LEAST, (now - since) / 4), HELD_MOST) * (1 + retry.jitter * (2 * random() - 1))
    end = since + retry.hold
    return min(now + wait, end) if now < end else now + wait


def in_time(due: float, now: float, end: float, random: Callable[[], float]) -> float:
    """`due`, as it has to be where the message is given up at `end`: its expiry, or the deadline that it came with.

    Where the schedule would have the next try just before the end or after it, there is a last try shortly before: for
    who gives a message ten minutes, two tries in them are worth more than one. At the end itself, which is what this
    gives where there is no time for another try, the message is not sent but given up, and its sender told.
    """
    last = end - min(LAST_TRY, (end - now) / 5) * (1 + random())
    if due <= last:
        return due
    return last if last - now >= LEAST_WAIT else min(due, max(end, now))


def expired(now: float, expires_at: float) -> bool:
    """Whether the message is given up: what is deferred from now on fails with 4.4.7 (RFC 3463 §3.5)."""
    return now >= expires_at


def warn_due(now: float, accepted_at: float, warned: bool, retry: Retry) -> bool:
    """Whether the sender is told now that the message still waits: once, `retry.warn_after` seconds after acceptance,
    and never where that is 0."""
    return not warned and retry.warn_after > 0 and now - accepted_at >= retry.warn_after
