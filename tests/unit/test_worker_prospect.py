"""What would become of a letter: every reason for waiting, in the order in which a worker comes upon them."""

from typing import Any

import pytest

from hedwig.address import Address
from hedwig.rates import Rate
from hedwig.reply import Reply, Stage
from hedwig.routing import Exchanger, Site
from hedwig.settings import Retry, SiteRule
from hedwig.smtp import Said, Target
from hedwig.spool import Pause
from hedwig.spool.operate import Stop, StopKind
from hedwig.spool.receivers import Backoff
from hedwig.spool.stops import FOREVER
from hedwig.worker.judge import Rules
from hedwig.worker.observer import Budget, Standing
from hedwig.worker.outlook import Outlook, Way
from hedwig.worker.prospect import End, Paused, concerning, prospect
from hedwig.worker.route import Route, Unroutable

NOW = 1_700_000_000.0
RULES = Rules(Retry(schedule=(360, 900), jitter=0.0), "robot.genee.cn", lambda: 0.5)
HERE = Target("mx.google.com", "192.0.2.1", 25, "192.0.2.9")
NOWHERE = Target("mx.google.com", "2001:db8::1", 25, "")
HOURLY = Rate("hour", 100, 3600.0)
LOOP = Said(Stage.LOCAL, Reply(554, "5.4.6", "it would loop back to this host"))
OURS = Said(Stage.LOCAL, None, "a: our nameservers are gone")
NO_ADDRESS = Said(Stage.DNS, Reply(550, "5.4.4", "none of the MX hosts has an address"))


def way(*targets: Target | Said, source: str = "", **standing: Any) -> Way:
    route = Route("gmail.com", Site("mx.google.com", "google", source), (Exchanger(5, "mx.google.com"),))
    how = {
        "backoffs": (),
        "limit": 5,
        "connections": 5,
        "in_use": 0,
        "window": 0.0,
        "budgets": (),
        "opening": (),
    } | standing
    return Way(route, Standing("google", source, SiteRule(), **how), targets or (HERE,))


def view(*ways: Way, route: Unroutable | None = None, client: str = "", workers: int = 1) -> Outlook:
    known = ways or (() if route else (way(),))
    return Outlook(
        Address.parse("a@gmail.com"),
        client,
        None,
        route or known[0].route,
        "",
        tuple(known),
        workers,
    )


def stop(name: str, kind: StopKind = StopKind.SITE, until: float = FOREVER) -> Stop:
    return Stop(kind, name, NOW - 60, until, "jia", "they asked us to")


def unroutable(reply: Reply | None, text: str = "", wait: float = 0.0) -> Unroutable:
    return Unroutable("gmail.com", Said(Stage.DNS, reply, text), wait)


RESTS = {"opens": NOW + 600, "why": "421 4.7.28 slow down"}
PAUSED = "an operator has paused site gmail.com (they asked us to)"


@pytest.mark.parametrize(
    ("seen", "paused", "end", "until", "why"),
    [
        (view(), Paused(), End.SENT, 0, ""),
        (view(), Paused(suppressed="nobody there"), End.FAILS, 0, "nobody there"),
        (view(way(LOOP)), Paused(suppressed="nobody there"), End.FAILS, 0, "nobody there"),
        (view(way(**RESTS)), Paused(suppressed="nobody there"), End.WAITS, NOW + 600, "asked for rest"),
        (view(), Paused([stop("gmail.com")]), End.WAITS, FOREVER, PAUSED),
        (view(), Paused([stop("google", until=NOW + 9)]), End.WAITS, NOW + 9, "paused site google"),
        (view(), Paused([stop("qq.com"), stop("less.example", StopKind.CLIENT)]), End.SENT, 0, ""),
        (
            view(client="less.example"),
            Paused([stop("less.example", StopKind.CLIENT)]),
            End.WAITS,
            FOREVER,
            "client less",
        ),
        (view(route=unroutable(Reply(556, "5.1.10", "null MX"))), Paused(), End.FAILS, 0, "556 5.1.10 null MX"),
        (view(route=unroutable(None, "SERVFAIL")), Paused(), End.WAITS, NOW + 360, "SERVFAIL"),
        (view(route=unroutable(None, "gone", 2.0)), Paused(), End.WAITS, NOW + 2, "gone"),
        (view(workers=0), Paused(), End.WAITS, 0, "no worker runs"),
        (view(way(**RESTS)), Paused(), End.WAITS, NOW + 600, "asked for rest: 421 4.7.28 slow down"),
        (view(way(source="a", **RESTS), way(source="b")), Paused(), End.SENT, 0, ""),
        (view(), Paused(pauses=[Pause("gmail.com", NOW, NOW + 50, "no host answers")]), End.WAITS, NOW + 50, "no host"),
        (view(), Paused(pauses=[Pause("gmail.com", NOW, NOW + 1, "its connections are busy")]), End.SENT, 0, ""),
        (view(), Paused(pauses=[Pause("gmail.com", NOW, NOW + 50, "bulk only", 2)]), End.SENT, 0, ""),
        (view(way(budgets=(Budget(HOURLY, 0, 30.0),))), Paused(), End.WAITS, NOW + 30, "no more than 100 an hour"),
        (view(way(budgets=(Budget(HOURLY, 1),))), Paused(), End.SENT, 0, ""),
        (view(way(LOOP)), Paused(), End.FAILS, 0, "554 5.4.6"),
        (view(way(NO_ADDRESS)), Paused(), End.FAILS, 0, "550 5.4.4"),
        (view(way(OURS, NO_ADDRESS)), Paused(), End.WAITS, 0, "nameservers are gone"),
        (view(way(NO_ADDRESS, HERE)), Paused(), End.SENT, 0, ""),
        (view(way(NOWHERE, HERE)), Paused(), End.SENT, 0, ""),
        (view(way(NOWHERE)), Paused(), End.WAITS, NOW + 360, "no route"),
    ],
)
def test_what_becomes_of_it(seen: Outlook, paused: Paused, end: End, until: float, why: str) -> None:
    found = prospect(seen, paused, RULES, NOW)
    assert (found.end, found.until) == (end, until)
    assert why in found.why
    assert (found.target == HERE) is (end is End.SENT)


def test_the_source_that_need_not_rest_has_it() -> None:
    found = prospect(view(way(source="a", **RESTS), way(source="b")), Paused(), RULES, NOW)
    assert found.way is not None
    assert found.way.route.site.source == "b"


def test_a_family_that_rests_tells_until_when() -> None:
    """All addresses that there are belong to it, if not all that there might be."""
    resting = Backoff("google", "/ipv4", NOW - 5, NOW + 70, reason="421 slow down")
    alone = Said(Stage.LOCAL, None, "mx.google.com is left alone for a while, because of what it said")
    found = prospect(view(way(alone, backoffs=(resting,))), Paused(), RULES, NOW)
    assert (found.end, found.until) == (End.WAITS, NOW + 70)
    assert "421 slow down" in found.why


def test_pauses_of_others_are_none_of_its() -> None:
    stops = [stop("gmail.com"), stop("google"), stop("qq"), stop("gmail.com", StopKind.CLIENT)]
    assert [each.name for each in concerning(stops, view())] == ["gmail.com", "google"]
