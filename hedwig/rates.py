"""Rates: at most so many in any stretch of so long, whoever counts and wherever the stretch begins. Pure.

A bucket of tokens, kept as one number (GCRA, the virtual scheduling of ITU-T I.371): `at`, the time at which the bucket
would be full again. A burst of a twentieth of the limit may go at once, and the rest is spread over the time, so that
burst and spread together never pass the limit in any stretch. Since a token may be used up to SLACK seconds after it
was taken, the stretch that is counted is longer by that.
"""

from dataclasses import dataclass

SLACK = 5.0  # seconds between taking a token and the far side's seeing it, at the most


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` (1 or more) in any `seconds`."""

    kind: str
    limit: int
    seconds: float

    @property
    def burst(self) -> int:
        """How many may go at once after a rest."""
        return max(1, self.limit // 20)

    @property
    def step(self) -> float:
        """Seconds for one token to come back."""
        # The bucket gives `burst` and then one a step: floor(stretch / step) may be `limit - burst` and no more.
        return (self.seconds + SLACK) / (self.limit - self.burst + 1) * (1 + 1e-9)

    def sane(self, at: float, now: float) -> float:
        """`at`, where a clock that was set back would make it too far ahead: a bucket can't be emptier than empty."""
        return min(at, now + self.burst * self.step)

    def grants(self, at: float, now: float, wanted: int) -> int:
        """How many of `wanted` tokens there are now."""
        full = self.burst * self.step
        left = full - max(0.0, at - now)
        return max(0, min(wanted, int(left / self.step + 1e-6)))

    def taken(self, at: float, now: float, count: int) -> float:
        """The new `at` after taking `count`; a negative one gives tokens back."""
        return max(at, now) + count * self.step

    def wait(self, at: float, now: float) -> float:
        """Seconds until there is a token; 0 where there is one."""
        if self.grants(at, now, 1):
            return 0.0
        return max(0.0, at - now - (self.burst - 1) * self.step)
