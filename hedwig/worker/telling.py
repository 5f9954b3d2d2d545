"""Which reports a sender gets of one claim: by what became of its recipients and what was asked (RFC 3461 §5). Pure.

One report of each kind tells of all recipients that met the same; none answers a null sender (I7). NOTIFY decides:

| | no NOTIFY | with it |
|---|---|---|
| failed | yes | where it has FAILURE (§5.2.6) |
| delayed | yes, once | where it has DELAY (§5.2.5) |
| relayed, where the next host has no DSN | no | where it has SUCCESS (§5.2.2) |

We never deliver into a mailbox, so nothing is ever "delivered" by us: a host with DSN says that itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hedwig import dsn
from hedwig.dsn import Action
from hedwig.spool import Claim, NewMessage, Recipient
from hedwig.spool.bounces import About, bounce, is_wanted
from hedwig.worker.attempt import Attempt


@dataclass(frozen=True, slots=True)
class News:
    """What there is to say of a recipient. `wanted`: whether its sender wants to hear it, and can."""

    action: Action
    told: dsn.Undelivered
    wanted: bool

    def given_up(self, late: bool) -> "News":
        """The same of one that is too old; `late`: by its sender's own deadline."""
        return replace(self, told=replace(self.told, expired=True, late=late))

    def held(self) -> "News":
        """The same of one that a fault of ours has kept for as long as may be."""
        return replace(self, told=replace(self.told, held=True))


def news(claim: Claim, recipient: Recipient, attempt: Attempt, action: Action) -> News:
    """What is to be told of this attempt."""
    said = attempt.said
    notify = claim.options.of(recipient.address)
    told = dsn.Undelivered(
        rcptto=recipient.address,
        stage=said.stage,
        reply=said.reply,
        detail=said.detail,
        host=attempt.host,
        doubtful=recipient.doubts > 0 or said.in_doubt,
        orcpt=notify.orcpt,
    )
    return News(action, told, is_wanted(notify, action))


def reports(about: About, told: Sequence[News], now: float) -> tuple[NewMessage, ...]:
    """A report of each kind, of all that is wanted; none where nobody may be told (I7)."""
    made = []
    for action in Action:
        whom = tuple(each.told for each in told if each.wanted and each.action is action)
        made.append(bounce(about, action, whom, now))
    return tuple(report for report in made if report is not None)
