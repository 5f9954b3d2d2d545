"""One letter to 100 recipients in 12 domains: some are refused, some greylisted (I4)."""

from collections import Counter

from . import reports
from .farside import Rule
from .submit import SAMPLE, SENDER
from .waiting import until
from .world import HOME, World, mx

DOMAINS = [f"d{number:02}.example" for number in range(12)]
EVERYONE = [f"user{number:03}@{DOMAINS[number % 12]}" for number in range(100)]
REFUSED = {f"user{number:03}@{DOMAINS[number % 12]}" for number in (3, 15, 27, 7, 19)}  # of d03 and d07


def test_each_gets_what_is_due(world: World) -> None:
    """Accepted recipients once, greylisted ones later and once, refused ones never again and in one DSN a domain."""
    addresses = [f"192.0.2.{10 + number}" for number in range(12)]
    world.dns(*map(mx, DOMAINS, addresses))
    fars = [world.far(address) for address in addresses]
    for recipient in REFUSED:
        fars[EVERYONE.index(recipient) % 12].add(Rule("rcpt", "550 5.1.1 no such user here", to=f"<{recipient}>"))
    for far in (fars[5], fars[7]):
        far.add(Rule("rcpt", "451 4.7.1 greylisted, come again", times=1, each=True))
    home = world.far(HOME)
    host = world.host().start()
    queue_id = world.msmtp.send(SAMPLE, *EVERYONE)
    until("everyone's outcome", lambda: not host.is_queued(queue_id), seconds=60)
    copies = sum((far.copies() for far in fars), Counter())
    assert copies == {recipient: 1 for recipient in EVERYONE if recipient not in REFUSED}

    def named() -> list[str]:
        return [name for letter in home.accepted() for name in reports.read(letter).failed]

    until("the bounces", lambda: len(named()) >= len(REFUSED))
    found = [reports.read(letter) for letter in home.accepted()]
    assert sorted(named()) == sorted(REFUSED)
    assert all(status == "5.1.1" for report in found for status in report.failed.values())
    assert all(report.whole.rcpttos == (SENDER,) for report in found)
    assert len(found) <= 3  # d03 at once; d07 was greylisted, so its two may come one by one
    for recipient in REFUSED:
        asked = fars[EVERYONE.index(recipient) % 12].said(f"RCPT TO:<{recipient}>")
        assert len(asked) == (2 if recipient.endswith("d07.example") else 1)
