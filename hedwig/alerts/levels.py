"""What is too much, and when it is well again: mail that waits for long, disks and mailman's spool that fill. Pure.

Between the two bounds of a thing nothing is said: what goes up and down around one bound is one trouble, not many.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hedwig.bell import Edge, Kind, Reading
from hedwig.settings import DAY, HOUR, MIB, MINUTE

FULL, ROOMY = 0.8, 0.7  # of mailman's spool_limit
LAPSE = 15.0 * MINUTE  # what can't be looked at any more counts as over


@dataclass(frozen=True, slots=True)
class Alarm:
    """A Reading with its words."""

    reading: Reading
    text: str


def of_oldest(spool: str, age: float, most: float) -> Iterator[Alarm]:
    """`age`: seconds that the oldest letter has waited, 0 where none waits; `most`: 0 for no bound."""
    if most and age >= most:
        text = f"a letter in {spool} has waited for {_span(age)}; see: hedwig queue, hedwig top"
        yield _begins(Kind.OLD_MAIL, spool, text)
    else:
        yield _ends(Kind.OLD_MAIL, spool, f"no letter in {spool} has waited for so long any more")


def of_disk(folder: str, free: int, least: int) -> Iterator[Alarm]:
    """Octets; `least`: 0 for no bound."""
    if least and free < least:
        yield _begins(Kind.DISK, folder, f"{free // MIB} MiB are left on the disk of {folder}; see: df -h {folder}")
    elif free >= least * 1.25:
        yield _ends(Kind.DISK, folder, f"{free // MIB} MiB are free again on the disk of {folder}")


def of_spool(spool: str, used: int, limit: int) -> Iterator[Alarm]:
    """Mailman's own. Octets."""
    share = used / limit if limit else 0.0
    text = f"{spool} holds {share:.0%} of its spool_limit"
    if share >= FULL:
        yield _begins(Kind.SPOOL_FULL, spool, f"{text}; past it containers get 452. Does the postoffice take mail?")
    elif share < ROOMY:
        yield _ends(Kind.SPOOL_FULL, spool, text)


def _begins(kind: Kind, subject: str, text: str) -> Alarm:
    return Alarm(Reading(kind, Edge.BEGINS, subject, LAPSE), text)


def _ends(kind: Kind, subject: str, text: str) -> Alarm:
    return Alarm(Reading(kind, Edge.ENDS, subject), text)


def _span(seconds: float) -> str:
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} minutes"
    return f"{seconds / HOUR:.0f} hours" if seconds < 2 * DAY else f"{seconds / DAY:.0f} days"
