"""A parcel: what goes in one transaction: claims of one message at one site, of which each has its recipients. Pure.

A message to several domains of one receiver goes to its server once, where the receiver allows that; and each claim has
its own outcome, as if it had gone alone. Past `most` recipients the rest of a delivery goes in the next transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hedwig.smtp import Said
from hedwig.spool import Claim, Recipient


@dataclass(frozen=True, slots=True)
class Parcel:
    """`claims` of one message, at least one; `most`: recipients of one transaction."""

    claims: tuple[Claim, ...]
    most: int

    @property
    def first(self) -> Claim:
        """The claim that says what all have in common: message, sender, options."""
        return self.claims[0]

    @property
    def handed(self) -> list[tuple[Claim, Recipient]]:
        """Whom the transaction is for, in its order."""
        return [(claim, recipient) for claim in self.claims for recipient in claim.recipients][: self.most]

    def by_claim(self, said: Sequence[Said]) -> list[tuple[Claim, dict[int, Said]]]:
        """What was said of each recipient, by claim and recipient's number."""
        found: dict[int, dict[int, Said]] = {claim.delivery: {} for claim in self.claims}
        for (claim, recipient), each in zip(self.handed, said, strict=True):
            found[claim.delivery][recipient.number] = each
        return [(claim, found[claim.delivery]) for claim in self.claims]

    def numbers(self, places: Iterable[int]) -> list[tuple[Claim, tuple[int, ...]]]:
        """The recipients at these places of the transaction, by claim; claims without any are left out."""
        found: dict[int, list[int]] = {}
        handed = self.handed
        for place in places:
            claim, recipient = handed[place]
            found.setdefault(claim.delivery, []).append(recipient.number)
        return [(claim, tuple(found[claim.delivery])) for claim in self.claims if claim.delivery in found]
