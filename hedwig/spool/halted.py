"""What the operator has halted, as a worker is told it (Work.halted)."""

from dataclasses import dataclass

from hedwig.spool.records import Claim


@dataclass(frozen=True, slots=True)
class Halted:
    """What a worker is not to begin: mail to these destinations, and of these clients, which the operator has paused;
    and what it is to hand back of its claims, as long as no dot is out (recall.py)."""

    sites: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    recalled: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.sites or self.clients or self.recalled)

    def concerns(self, claim: Claim) -> bool:
        """Whether a claim that is not begun goes back."""
        return claim.destination in self.sites or claim.client in self.clients or claim.delivery in self.recalled
