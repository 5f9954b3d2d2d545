"""Limits of a receiver hold across four workers, for all of its sites together, also while workers die and begin.

`make bench-fairness` has the same for longer than a minute.
"""

from .limits import play
from .world import World


def test_exactly_as_the_receivers_count(world: World) -> None:
    """No limit is passed, and each is put to the test."""
    findings = play(world, seconds=20.0, kill_every=1.5)
    for finding in findings:
        print(finding.row())
    assert all(finding.holds for finding in findings), "\n".join(finding.row() for finding in findings)
