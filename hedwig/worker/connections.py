"""How many connections a worker has, by the priority of the message that each was opened for. Pure.

The last ones are for urgent mail: it shall not wait for a place because bulk to a thousand slow receivers has taken all
of them. And no priority has them all, so that a flood to broken receivers, of bounces for instance, which are urgent,
does not keep the others' mail from receivers that work (I9).
"""

import math
from collections import Counter

from hedwig.options import Priority

KEPT = 1 / 20  # of all, for urgent mail
SHARE = 9 / 10  # of all, that one priority may have
PRESSED = 3 / 4  # in use, from which on they are scarce


class Connections:
    """Of one worker; `most` in all."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._open: Counter[int] = Counter()

    def __len__(self) -> int:
        return self._open.total()

    def may_open(self, priority: int) -> bool:
        """Whether there may be one more, for a message of this priority."""
        kept = 0 if priority <= Priority.URGENT else int(self.most * KEPT)
        return len(self) < self.most - kept and self._open[priority] < math.ceil(self.most * SHARE)

    @property
    def scarce(self) -> bool:
        """Whether most are in use."""
        return len(self) > self.most * PRESSED

    def opened(self, priority: int) -> None:
        """There is one more."""
        self._open[priority] += 1

    def closed(self, priority: int) -> None:
        """There is one less."""
        self._open[priority] -= 1
