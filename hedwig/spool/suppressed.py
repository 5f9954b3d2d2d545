"""An address that gets no mail (suppress.py). Values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suppression:
    """`address` as `folded` makes it. `since`, `until`: Unix seconds; `until` is stops.FOREVER where it has no end.
    `who`: "rule NAME", or the operator. `reason`: the receiver's words, or the operator's."""

    address: str
    since: float
    until: float
    who: str
    reason: str

    @property
    def by_rule(self) -> bool:
        """Whether a receiver's reply led to it, and no operator."""
        return self.who.startswith("rule ")


def folded(address: str, destination: str) -> str:
    """An address as it is compared here: `destination` (A-labels) in place of its domain, and the local part in small
    letters. RFC 5321 §2.4 lets only the receiver say whether Smith and smith are the same; all do, and who is told that
    smith does not exist need not ask for Smith."""
    return f"{address.rpartition('@')[0].lower()}@{destination}"
