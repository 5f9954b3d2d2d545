"""What a reply means: is it a yes, a "not now", or a no (RFC 5321 §4.2.1); and what do its words say besides?

The first digit says how final a reply is. A code that RFC 5321 does not know is not understood, and what is not
understood means retry (TEMPORARY): a wrong retry costs minutes, a wrong bounce a letter.

What receivers mean by their words (a 550 that is about rates, a 451 that is about spam) stands in replies.yml, in
rules. `table` has them compiled and gives the Ruling on a reply; `said` reads what any reply may say (a status, a time
to wait, a page that explains it); `providers` knows whose reply it is. verdict.py makes of code and ruling what becomes
of a recipient, and never looks at the text itself. All of this is pure.
"""

import enum
from dataclasses import dataclass

from hedwig.reply import Reply
from hedwig.settings.replies import About, Action


class Weight(enum.Enum):
    """How final a reply is, whatever it is about."""

    POSITIVE = "positive"  # 2yz: done
    TEMPORARY = "temporary"  # 4yz, and all that is not understood: try again
    PERMANENT = "permanent"  # 5yz: never the same way again


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the table says of a reply. `rule`: the rule's name, "" where there is none for it. `meaning`: its class.

    `decision`: what is done in place of what the first digit says; None: just that. `seconds`: how long to wait, 0: as
    is usual; `named`: the reply itself said so. `help`: a page for the operator, of the reply or of the rule. `own`:
    the rule is for certain providers. `hearsay`: a word about this host's address that may be only one customer's of
    the receiver: it stops nothing until another recipient domain has heard the like.
    """

    rule: str = ""
    meaning: str = ""
    scope: About = About.RECIPIENT
    decision: Action | None = None
    seconds: float = 0.0
    named: bool = False
    alert: bool = False
    suppress: bool = False
    one_connection: bool = False
    help: str = ""
    own: bool = False
    hearsay: bool = False

    @property
    def enough(self) -> bool:
        """Whether it says in general words that there are as many connections as may be, and not for how long."""
        return self.meaning == "concurrency" and not self.own and not self.named


UNRULED = Ruling()


def weigh(reply: Reply) -> Weight:
    """The weight of `reply`. 3yz is never an end of anything ("go on"), so it counts as not understood."""
    if 200 <= reply.code < 300:
        return Weight.POSITIVE
    if 500 <= reply.code < 600:
        return Weight.PERMANENT
    return Weight.TEMPORARY


def understood(reply: Reply) -> bool:
    """Whether the code is one that may end a command: 2yz, 4yz or 5yz (RFC 5321 §4.2.1).

    After another one nobody knows what the far side believes that we said: the connection must not be used again.
    """
    return reply.code // 100 in (2, 4, 5)
