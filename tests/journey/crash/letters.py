"""The numbered letters. All of a letter follows from its number, so a far side knows whether it got the whole of it."""

import random
import re
from dataclasses import dataclass
from functools import cached_property

QUICK, SLOW, RUDE, DEAD = "quick.example", "slow.example", "rude.example", "dead.example"
_LINE = b"The quick brown owl jumps over the lazy dog, carrying number %d, line %d.\r\n"
_NUMBER = re.compile(r"n(\d+)-\d+@")
_LARGE = 16_500  # lines: over 1 MiB, so it goes to postoffice alone, and its body by steps into the spool
_MANY = 70  # recipients: more than a worker names in one transaction
_EVERY = 150  # letters, of which one is large


@dataclass(frozen=True)
class Numbered:
    """Letter `number`. Its recipients' addresses have the number in them, its sender's too."""

    number: int
    rcpttos: tuple[str, ...]
    lines: int

    @property
    def sender(self) -> str:
        """Of its own for each letter, so that no limit on notifications to one sender is met."""
        return f"s{self.number}@robot.genee.cn"

    @cached_property
    def body(self) -> bytes:
        """What follows the header; some of its lines begin with a dot."""
        lines = [_LINE % (self.number, line) for line in range(self.lines)]
        return b"".join([*lines, b"..\r\n", b".end of %d\r\n" % self.number])

    @property
    def octets(self) -> bytes:
        """The whole letter, with CRLF."""
        head = f"From: <{self.sender}>\r\nTo: undisclosed-recipients:;\r\nSubject: number {self.number}\r\n\r\n"
        return head.encode() + self.body


def numbered(number: int) -> Numbered:
    """Letter `number`: most to one recipient; some to several, at one site or more; some to who is not there. A
    greylisted recipient has a neighbour that is not, and who has many needs several transactions (I4)."""
    chance = random.Random(number)
    domains = chance.choices(
        [
            (QUICK,),
            (SLOW,),
            (RUDE,),
            (DEAD,),
            (QUICK, SLOW),
            (QUICK, QUICK, DEAD),
            (RUDE, RUDE, RUDE),
            (QUICK,) * _MANY,
        ],
        [600, 150, 100, 50, 60, 17, 20, 3],
    )[0]
    rcpttos = tuple(f"n{number}-{position}@{domain}" for position, domain in enumerate(domains, 1))
    return Numbered(number, rcpttos, _LARGE if number % _EVERY == _EVERY // 2 else chance.randint(1, 40))


def number_in(address: str) -> int:
    """The number in a recipient's address; 0 where there is none."""
    found = _NUMBER.match(address)
    return int(found[1]) if found else 0
