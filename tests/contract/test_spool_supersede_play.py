"""Superseding, played at random: whatever comes in whatever order, and whoever has claimed what, nothing is sent that a
newer message had replaced before it was claimed; nothing else is withheld; and in the end nothing is left."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from spool_parts import NOW, Clock, claim, deferred, done, held, letter, settle, waiting_ids

from hedwig.options import Options
from hedwig.spool import Claim, Kind, NewMessage

ADDRESSES = [f"{name}@{domain}.example" for name in "abc" for domain in "xy"]
KEYS = ["", "k1", "k2"]
CLIENTS = ["one.example", "two.example"]


class Play:
    """A spool, and what has been put into it."""

    def __init__(self, spool: Any, seed: int) -> None:
        self.spool = spool
        self.dice = random.Random(seed)
        self.letters: dict[str, NewMessage] = {}
        self.claims: list[Claim] = []
        self.sent: set[tuple[str, str]] = set()  # queue ID and address

    def newest(self, one: NewMessage, address: str) -> bool:
        """Whether nothing newer has come that would supersede `one` for this address."""
        age = (one.accepted_at, one.queue_id)
        return not one.options.supersede or not any(
            (other.client, other.options.supersede) == (one.client, one.options.supersede)
            and (other.accepted_at, other.queue_id) > age
            and address in other.envelope.rcpttos
            for other in self.letters.values()
        )

    def register(self) -> None:
        """Some letters in one call, of any age."""
        some = [
            letter(
                *self.dice.sample(ADDRESSES, self.dice.randint(1, 4)),
                client=self.dice.choice(CLIENTS),
                accepted_at=NOW - self.dice.randint(0, 9),
                options=Options(supersede=self.dice.choice(KEYS)),
            )
            for _ in range(self.dice.randint(1, 3))
        ]
        self.spool.register(some).result(10)
        self.letters.update({one.queue_id: one for one in some})

    def claim(self) -> None:
        """Claim some of what waits: only what is the newest of its kind may be there."""
        due = [one.delivery for name in "xy" for one in self.spool.due(f"{name}.example", NOW, 1000)]
        got = claim(self.spool, self.dice.sample(due, min(len(due), self.dice.randint(1, 6))))
        for each in got:
            one = self.letters[each.queue_id]
            stale = [recipient.address for recipient in each.recipients if not self.newest(one, recipient.address)]
            assert stale == []
        self.claims += got

    def settle(self) -> None:
        """End a claim: each recipient delivered, deferred, held, or handed back."""
        if not self.claims:
            return
        got = self.claims.pop(self.dice.randrange(len(self.claims)))
        results = []
        for recipient in got.recipients:
            outcome = self.dice.choice([done, done, lambda number: deferred(number, NOW), held, None])
            if outcome is not None:
                results.append(outcome(recipient.number))
                if outcome is done:
                    self.sent.add((got.queue_id, recipient.address))
        assert settle(self.spool, got, *results).held_token

    def free(self) -> None:
        """The worker dies; what it held comes back, some of it in doubt."""
        self.spool.free("host/1", lambda delivery, token: self.dice.random() < 0.3, NOW, -1.0).result(10)
        self.claims.clear()


@pytest.mark.parametrize("seed", range(8))
def test_at_random(opened: Callable[[], Any], clock: Clock, seed: int) -> None:
    play = Play(opened(), seed)
    for _ in range(120):
        play.dice.choice([play.register, play.register, play.claim, play.settle, play.settle, play.free])()
    play.free()
    for queue_id, one in play.letters.items():
        queued = {row.rcptto for row in play.spool.queued(queue_id)[0]}
        lines = play.spool.history(queue_id)
        gone = {line.rcptto for line in lines if line.kind is Kind.SUPERSEDED}
        sent = {address for sent, address in play.sent if sent == queue_id}
        assert queued | gone | sent == set(one.envelope.rcpttos), "each recipient has an end, or waits"
        assert not queued & gone and not queued & sent and not gone & sent, "and one alone"
        assert all(play.newest(one, address) for address in queued), "what waits is the newest"
        assert not any(play.newest(one, address) for address in gone), "and what is gone was not"
    for one in play.letters.values():  # what is held is superseded as all else, so this ends everything with a key
        for address in one.envelope.rcpttos:
            if one.options.supersede:
                last = letter(address, client=one.client, accepted_at=NOW + 1, options=one.options)
                play.spool.register([last]).result(10)
                play.letters = {**play.letters, last.queue_id: last}
    for _ in range(3):
        due = [each.delivery for name in "xy" for each in play.spool.due(f"{name}.example", NOW, 1000)]
        for got in claim(play.spool, due):
            settle(play.spool, got, *[done(recipient.number) for recipient in got.recipients])
    left = {queue_id: play.letters[queue_id] for queue_id in waiting_ids(play.spool)}
    assert all(not one.options.supersede for one in left.values()), "only what is held, and has no key"
    assert play.spool.used() == sum(one.body.size for one in left.values())
