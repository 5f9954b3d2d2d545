"""The way of a letter as `hedwig explain` sees it: the worker's own, from each source, with which entry of the settings
led to it; and how it stands at the receiver."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from worker_rig import Names

from hedwig.address import Address
from hedwig.mx import MxFound
from hedwig.reply import Stage
from hedwig.routing import Exchanger, parse_refuse
from hedwig.settings import ClientRule, DomainRule, Retry, SiteRule, Smarthost, Source, Tls, Worker
from hedwig.smtp import Said, Target
from hedwig.spool import receivers
from hedwig.spool.operate import SiteRow
from hedwig.spool.owner import worker_lock
from hedwig.spool.receivers import Asking, Backoff
from hedwig.spool.sqlite import SqliteSpool, open_spool
from hedwig.worker.allowance import plain_rates
from hedwig.worker.judge import Rules
from hedwig.worker.observer import Observer
from hedwig.worker.outlook import Outlook, look
from hedwig.worker.prospect import End, Paused, prospect
from hedwig.worker.roster import roster, routes
from hedwig.worker.route import Myself, Route
from hedwig.worker.slots import Slots

MX = {"mx1.tiny.example": "127.0.0.1", "mx2.tiny.example": "127.0.0.2"}
TINY = SiteRule(mx=(".tiny.example",), connections=8, per_hour=100)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[SqliteSpool]:
    made = open_spool(str(tmp_path / "spool.db"))
    yield made
    made.close()


def observer(spool: SqliteSpool, tmp_path: Path, *refuse: str, **settings: Any) -> Observer:
    made = Worker(run_dir=str(tmp_path / "run"), **settings)
    return Observer(made, spool, Myself("robot.genee.cn", parse_refuse(refuse, ())), Names(MX))


async def seen(spool: SqliteSpool, tmp_path: Path, address: str, client: str = "", **settings: Any) -> Outlook:
    return await look(observer(spool, tmp_path, **settings), Address.parse(address), client)


SITES = {"sites": {"tiny": TINY, "default": SiteRule()}}
SMARTHOST = {"smarthosts": {"relay": Smarthost(host="127.0.0.3", port=2525, tls=Tls.ENCRYPT, connections=2)}}


@pytest.mark.parametrize(
    ("settings", "client", "name", "chosen", "tls"),
    [
        ({}, "", "mx1.tiny.example,mx2.tiny.example", "no entry of `sites`", (Tls.MAY, "`tls` in worker.yml")),
        (
            SITES,
            "",
            "tiny",
            "`sites: tiny` in worker.yml names its MX (.tiny.example)",
            (Tls.MAY, "`tls` in worker.yml"),
        ),
        (
            {"sites": {"own": SiteRule(domains=(".example.net",), tls=Tls.VERIFY)}},
            "",
            "own",
            "`sites: own` in worker.yml names its domain (.example.net)",
            (Tls.VERIFY, "`sites: own` in worker.yml"),
        ),
        (
            {**SITES, "domains": {"mail.example.net": DomainRule(tls=Tls.NONE)}, "tls": Tls.ENCRYPT},
            "",
            "tiny",
            "`sites: tiny`",
            (Tls.NONE, "`domains: mail.example.net` in worker.yml"),
        ),
        (
            {**SMARTHOST, "domains": {".example.net": DomainRule(smarthost="relay")}},
            "",
            "smarthost relay",
            "`domains: .example.net` in worker.yml sends it there",
            (Tls.ENCRYPT, "`smarthosts: relay` in worker.yml"),
        ),
        (
            {**SMARTHOST, "clients": {"less.example": ClientRule(smarthost="relay")}},
            "less.example",
            "smarthost relay",
            "`clients: less.example` in worker.yml sends it there",
            (Tls.ENCRYPT, "`smarthosts: relay` in worker.yml"),
        ),
    ],
)
async def test_which_entry_led_to_the_receiver(
    spool: SqliteSpool,
    tmp_path: Path,
    settings: dict[str, Any],
    client: str,
    name: str,
    chosen: str,
    tls: tuple[Tls, str],
) -> None:
    found = await seen(spool, tmp_path, "a@mail.example.net", client, **settings)
    assert isinstance(found.route, Route)
    assert found.route.site.name == name
    assert chosen in found.chosen
    assert (found.route.policy.level, found.route.policy.origin) == tls
    assert (found.answer is None) is name.startswith("smarthost")


async def test_each_source_has_a_way_with_its_own_name(spool: SqliteSpool, tmp_path: Path) -> None:
    sources = {
        "a": Source(ipv4="127.0.0.8", ehlo="a.genee.cn"),
        "b": Source(ipv4="127.0.0.9"),
        "c": Source(ipv6="2001:db8::1"),
    }
    found = await seen(spool, tmp_path, "a@example.net", sources=sources)
    assert [(way.route.site.source, way.route.ehlo) for way in found.ways] == [
        ("a", "a.genee.cn"),
        ("b", "robot.genee.cn"),
        ("c", "robot.genee.cn"),
    ]
    first = found.ways[0].targets[0]
    assert first == Target("mx1.tiny.example", "127.0.0.1", 25, "127.0.0.8")
    assert all(isinstance(each, Said) for each in found.ways[2].targets), "it has no address of that family"


async def test_the_systems_choice_is_told(spool: SqliteSpool, tmp_path: Path) -> None:
    """Which address it is depends on the target's; DNS told all MX, whatever is left of them."""
    found = await seen(spool, tmp_path, "a@example.net")
    assert [each.local for each in found.ways[0].targets if isinstance(each, Target)] == ["127.0.0.1", "127.0.0.1"]
    assert found.answer == MxFound((Exchanger(0, "mx1.tiny.example"), Exchanger(1, "mx2.tiny.example")))


async def test_an_address_in_brackets_is_not_looked_up(spool: SqliteSpool, tmp_path: Path) -> None:
    eyes = observer(spool, tmp_path, "127.0.0.0/8")
    found = await look(eyes, Address.parse("a@[127.0.0.1]"))
    assert found.answer is None
    [said] = found.ways[0].targets
    assert isinstance(said, Said)
    assert said.reply is not None
    assert said.reply.enhanced == "5.4.6"


async def test_how_it_stands_at_the_receiver(spool: SqliteSpool, tmp_path: Path) -> None:
    """Tokens left, connections in use, the saved window, a bound on connections; what is another's is left out."""
    now = time.time()
    rates = plain_rates(TINY)
    receivers.ask_tokens(spool, Asking("tiny", "", rates, 5, now)).result()
    receivers.save_paces(spool, {("tiny", ""): 3.7, ("other", ""): 9.0}, now).result()
    receivers.back_off(spool, Backoff("tiny", "/ipv4", now, now, connections=2, reason="450 one at a time")).result()
    receivers.back_off(spool, Backoff("other", "/ipv4", now, now + 60)).result()
    slots = Slots(str(tmp_path / "run"))
    assert slots.take("tiny", "", 8) == 0
    lock = worker_lock(str(tmp_path / "run"), "1")
    assert lock.take()
    found = await seen(spool, tmp_path, "a@example.net", **SITES)
    lock.give_back()
    standing = found.ways[0].standing
    assert (standing.limit, standing.connections, standing.in_use, standing.window) == (2, 2, 1, 3.7)
    [budget] = standing.budgets
    assert (budget.now, standing.dry) == (0, budget)
    assert 0 < budget.wait < 60
    assert [each.reason for each in standing.backoffs] == ["450 one at a time"]
    assert found.workers == 1


async def test_looking_makes_no_file(spool: SqliteSpool, tmp_path: Path) -> None:
    found = await seen(spool, tmp_path, "a@example.net")
    assert (found.workers, found.ways[0].standing.in_use) == (0, 0)
    assert not (tmp_path / "run").exists()


def row(site: str, waiting: int) -> SiteRow:
    return SiteRow(site, waiting, 0, 0, 0.0, 0.0, 0.0, 0.0, f"451 {site}", float(waiting))


async def test_the_roster_puts_domains_of_one_receiver_together(spool: SqliteSpool, tmp_path: Path) -> None:
    """And knows those that are only remembered."""
    now = time.time()
    receivers.back_off(spool, Backoff("gone.example", "/ipv4", now, now + 60)).result()
    receivers.save_paces(spool, {("tiny", "old"): 3.0}, now).result()
    eyes = observer(spool, tmp_path, **SITES)
    known = await roster(eyes, [row("a.example", 3), row("b.example", 5)], [])
    assert [each.name for each in known] == ["tiny", "gone.example"]
    tiny = known[0]
    assert [each.site for each in tiny.rows] == ["a.example", "b.example"]
    assert (tiny.waiting, tiny.last_error) == (8, (5.0, "451 b.example"))
    assert [each.source for each in tiny.standings] == ["", "old"]
    assert known[1].standings[0].backoffs


async def test_a_domain_that_dns_is_slow_to_tell_holds_up_no_list() -> None:
    async def route(destination: str) -> Any:
        if destination == "slow.example":
            await never.wait()
        return destination

    never = asyncio.Event()
    assert await routes(route, ["a.example", "slow.example"], 0.05) == {"a.example": "a.example", "slow.example": None}
    assert await routes(route, []) == {}


async def test_what_tls_policy_asks_of_each_host_is_told(spool: SqliteSpool, tmp_path: Path) -> None:
    """One that is not fit for it is no target, as for a worker, and says why."""
    found = await seen(spool, tmp_path, "a@example.net", tls=Tls.VERIFY)
    assert found.ways[0].tls == {"mx1.tiny.example": "verify", "mx2.tiny.example": "verify"}
    found = await seen(spool, tmp_path, "a@example.net", domains={"example.net": DomainRule(tls=Tls.DANE)})
    assert found.ways[0].tls == {}
    first, second = found.ways[0].targets
    assert isinstance(first, Said) and isinstance(second, Said)
    assert first.stage is Stage.STARTTLS
    assert "not secured by DNSSEC" in first.detail
    rules = Rules(Retry(schedule=(360,)), "robot.genee.cn", lambda: 0.5)
    would = prospect(replace(found, workers=1), Paused(), rules, 1000.0)
    assert (would.end, would.until) == (End.WAITS, 1360.0)
    assert "not secured by DNSSEC" in would.why
