"""What the settings say of the way: smarthosts, receivers, sources by turns."""

from dataclasses import replace

from hedwig.mx import AddressesFound, Exchanger, MxFound
from hedwig.settings import SITES, ClientRule, DomainRule, Family, SiteRule, Smarthost, Source, Worker
from hedwig.smtp import Said, Target
from hedwig.worker.route import Myself, Route, Router
from hedwig.worker.ways import Ways

MAIN, NEW = Source(ipv4="198.51.100.7", ehlo="robot.genee.cn"), Source(ipv4="198.51.100.8", ipv6="2001:db8::8")
SETTINGS = Worker(
    sites={**SITES, "partner": SiteRule(mx=(".partner.example",), sources=("new",), family=Family.IPV6_FIRST)},
    domains={".office.example": DomainRule(smarthost="office")},
    sources={"main": MAIN, "new": NEW},
    smarthosts={"office": Smarthost(host="smtp.office.example", port=465), "by-address": Smarthost(host="192.0.2.9")},
    clients={
        "less.nankai.edu.cn": ClientRule(smarthost="by-address"),
        "more.nankai.edu.cn": ClientRule(sources=("main",)),
    },
)


class Names:
    """One host with an address of each family."""

    async def exchangers(self, domain):
        host = "mx.partner.example" if domain.startswith("partner") else f"mx.{domain}"
        return MxFound((Exchanger(10, host),))

    async def addresses(self, host):
        return AddressesFound(("192.0.2.1", "2001:db8::1"))


class SameHost(Names):
    """One host for all."""

    async def exchangers(self, domain):
        return MxFound((Exchanger(10, "mx.example.com"),))


def router(ways=None):
    return Router(Names(), Myself("robot.genee.cn", ()), 25, ways or Ways(SETTINGS))


async def route(destination, client="", of=None):
    found = await (of or router()).route(destination, client)
    assert isinstance(found, Route)
    return found


async def targets(found, of=None, rests=lambda _family: 0.0):
    return [target async for target in (of or router()).targets(found, rests)]


async def in_rounds(one, rounds, *destinations):
    """The sources that mail for these leaves from, round by round."""
    found = []
    for _ in range(rounds):
        one.ways.next_round()
        found.append([(await route(destination, of=one)).site.source for destination in destinations])
    return found


async def test_sources_take_turns():
    [[first], [second], *others] = await in_rounds(router(), 4, "example.com")
    assert {first, second} == {"main", "new"}
    assert others == [[first], [second]]


async def test_each_receiver_has_turns_of_its_own():
    """However often others are asked for in between."""
    one = router()
    for number in range(4):
        rounds = await in_rounds(one, 1, *(f"d{each}.example" for each in range(number)), "example.com")
        rounds += await in_rounds(one, 1, "example.com")
        assert {each[-1] for each in rounds} == {"main", "new"}


async def test_within_a_round_a_receiver_has_one_source():
    """Two domains of one receiver may be in one transaction."""
    one = Router(SameHost(), Myself("robot.genee.cn", ()), 25, Ways(SETTINGS))
    assert all(len(set(each)) == 1 for each in await in_rounds(one, 6, "one.example", "two.example"))


async def test_a_source_that_must_rest_there_is_passed_over():
    resting = {("mx.example.com", "main"): (99.0, 1)}
    one = router(Ways(SETTINGS, lambda receiver, source: resting.get((receiver, source), (0.0, 0))))
    assert await in_rounds(one, 4, "example.com") == [["new"]] * 4
    resting["mx.example.com", "new"] = 50.0, 1
    assert await in_rounds(one, 4, "example.com") == [["new"]] * 4, "it opens first"
    resting["mx.example.com", "new"] = 0.0, 1
    resting["mx.example.com", "main"] = 0.0, 0
    assert await in_rounds(one, 4, "example.com") == [["main"]] * 4, "all of its families may send"


async def test_the_site_and_the_sending_host_choose_sources():
    assert (await route("partner.example")).site.source == "new"
    assert (await route("partner.example", "more.nankai.edu.cn")).site.source == "main"
    assert (await route("example.com", "more.nankai.edu.cn")).ehlo == "robot.genee.cn"


async def test_a_target_leaves_from_the_sources_address_of_its_family():
    found = await route("partner.example")
    assert await targets(found) == [
        Target("mx.partner.example", "2001:db8::1", 25, "2001:db8::8"),
        Target("mx.partner.example", "192.0.2.1", 25, "198.51.100.8"),
    ]
    main = await route("partner.example", "more.nankai.edu.cn")
    assert [target.address for target in await targets(main)] == ["192.0.2.1"]


async def test_a_family_that_must_rest_is_left_out():
    found = await route("partner.example")
    rested, tried = await targets(found, rests=lambda family: 60.0 if family == "ipv6" else 0.0)
    assert isinstance(rested, Said) and "is left alone for a while" in rested.detail
    assert tried.address == "192.0.2.1"


async def test_only_the_families_of_the_rule_are_tried():
    settings = Worker(sites={"default": SiteRule(family=Family.IPV6)})
    one = router(Ways(settings))
    assert [target.address for target in await targets(await route("example.com", of=one), one)] == ["2001:db8::1"]


async def test_a_domains_smarthost_comes_before_the_sending_hosts():
    found = await route("mail.office.example", "less.nankai.edu.cn")
    assert (found.smarthost, found.site.name) == (SETTINGS.smarthosts["office"], "smarthost office")
    assert next((target.host, target.port) for target in await targets(found)) == ("smtp.office.example", 465)


async def test_a_smarthost_may_be_an_address_that_no_mx_may_have():
    found = await route("example.com", "less.nankai.edu.cn")
    one = Router(Names(), Myself("robot.genee.cn", ()), 25, Ways(SETTINGS))
    [target] = await targets(found, one)
    assert (target.address, target.port) == ("192.0.2.9", 587)
    other = await route("example.org", "less.nankai.edu.cn")
    assert other.site == replace(found.site, source=other.site.source), "one site for all destinations"


async def test_without_settings_the_system_chooses():
    one = router(Ways(Worker()))
    found = await route("example.com", of=one)
    assert found.site.source == "" and found.rule == SITES["default"]
    assert [target.local for target in await targets(found, one)] == ["", ""]
