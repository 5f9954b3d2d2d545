"""What a reply weighs: is it a yes, a "not now", or a no? (RFC 5321 §4.2.1)

For now the first digit decides. What big receivers mean by their words (a 550 that is about rates, a 451 that is about
spam) belongs here too, so that `verdict` never looks at the text of a reply. A code that RFC 5321 does not know is not
understood, and what is not understood means retry (TEMPORARY): a wrong retry costs minutes, a wrong bounce a letter.
"""

import enum

from hedwig.reply import Reply


class Weight(enum.Enum):
    """How final a reply is, whatever it is about."""

    POSITIVE = "positive"  # 2yz: done
    TEMPORARY = "temporary"  # 4yz, and all that is not understood: try again
    PERMANENT = "permanent"  # 5yz: never the same way again


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
