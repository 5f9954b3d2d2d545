"""Routes and targets: what DNS says, and where mail must not go."""

import pytest

from hedwig.mx import (
    AddressAnswer,
    AddressesFound,
    AddressesNone,
    Exchanger,
    MxAnswer,
    MxFound,
    MxNone,
    MxUnknown,
    TextAnswer,
    TlsaAnswer,
    TlsaNone,
)
from hedwig.reply import Stage
from hedwig.routing import parse_refuse
from hedwig.smtp import Said, Target
from hedwig.worker.route import MOST_TARGETS, Myself, Route, Router, Unroutable


class Names:
    def __init__(self, exchangers: MxAnswer, **addresses: AddressAnswer) -> None:
        self._exchangers = exchangers
        self._addresses = addresses

    async def exchangers(self, domain: str) -> MxAnswer:
        return self._exchangers

    async def addresses(self, host: str) -> AddressAnswer:
        return self._addresses[host]

    async def texts(self, name: str) -> TextAnswer:
        return ()

    async def tlsa(self, host: str, port: int) -> TlsaAnswer:
        return TlsaNone("")


def router(names: Names, *refuse: str, own: tuple[str, ...] = ()) -> Router:
    return Router(names, Myself("robot.genee.cn", parse_refuse(refuse, own), parse_refuse(("this-host",), own)), 25)


async def targets(names: Names, *refuse: str, own: tuple[str, ...] = ()) -> list[Target | Said]:
    asking = router(names, *refuse, own=own)
    route = await asking.route("example.com")
    assert isinstance(route, Route)
    return [target async for target in asking.targets(route)]


TWO = MxFound((Exchanger(10, "a"), Exchanger(20, "b")))


async def test_hosts_in_order_with_all_their_addresses() -> None:
    names = Names(TWO, a=AddressesFound(("192.0.2.1", "2001:db8::1")), b=AddressesFound(("192.0.2.2",)))
    found = await targets(names)
    assert [target.address for target in found if isinstance(target, Target)] == [
        "192.0.2.1",
        "2001:db8::1",
        "192.0.2.2",
    ]


async def test_a_host_that_is_this_one_ends_the_list() -> None:
    """RFC 5321 §5.1: where we are an exchanger ourselves, the worse ones would send it back to us."""
    names = Names(TWO, a=AddressesFound(("192.0.2.7",)), b=AddressesFound(("192.0.2.2",)))
    (said,) = await targets(names, "this-host", own=("192.0.2.7",))
    assert isinstance(said, Said)
    assert said.stage is Stage.LOCAL
    assert said.reply is not None
    assert said.reply.enhanced == "5.4.6"


@pytest.mark.parametrize(("address", "status"), [("169.254.169.254", "5.7.1"), ("127.0.0.9", "5.4.6")])
async def test_a_refused_address_is_called_this_host_only_if_it_is(address: str, status: str) -> None:
    """A link-local address is another's, however little mail may go there."""
    names = Names(TWO, a=AddressesFound((address,)), b=AddressesFound(("192.0.2.2",)))
    said = (await targets(names, "169.254.0.0/16", "127.0.0.0/8"))[0]
    assert isinstance(said, Said)
    assert said.reply is not None
    assert (said.reply.enhanced, "this host" in said.reply.text) == (status, status == "5.4.6")
    assert "`refuse` in worker.yml" in said.reply.text


async def test_our_own_name_among_the_exchangers() -> None:
    answer = await router(Names(MxFound((Exchanger(10, "robot.genee.cn"),)))).route("example.com")
    assert isinstance(answer, Unroutable)
    assert answer.said.reply is not None
    assert answer.said.reply.enhanced == "5.4.6"


async def test_a_host_without_address_does_not_hide_the_next() -> None:
    names = Names(TWO, a=AddressesNone("no such host"), b=AddressesFound(("192.0.2.2",)))
    first, second = await targets(names)
    assert isinstance(first, Said)
    assert isinstance(second, Target)


async def test_dns_trouble_is_a_deferral_and_a_null_mx_a_failure() -> None:
    unknown = await router(Names(MxUnknown("SERVFAIL"))).route("example.com")
    assert isinstance(unknown, Unroutable)
    assert unknown.said == Said(Stage.DNS, None, "SERVFAIL")
    null = await router(Names(MxNone("5.1.10", "null MX"))).route("example.com")
    assert isinstance(null, Unroutable)
    assert null.said.reply is not None
    assert (null.said.reply.code, null.said.reply.enhanced) == (556, "5.1.10")


async def test_nameservers_that_are_gone_are_our_fault() -> None:
    """The mail is let alone, for as long again as they have been gone: 2 s to a minute; hosts alike (I8)."""
    for gone, wait in ((1.0, 2.0), (10.0, 10.0), (3600.0, 60.0)):
        unknown = await router(Names(MxUnknown("SERVFAIL", gone))).route("example.com")
        assert unknown == Unroutable("example.com", Said(Stage.DNS, None, "SERVFAIL"), wait)
    first, second = await targets(Names(TWO, a=MxUnknown("SERVFAIL"), b=MxUnknown("SERVFAIL", 1.0)))
    assert first == Said(Stage.DNS, None, "a: SERVFAIL")
    assert second == Said(Stage.LOCAL, None, "b: SERVFAIL")


async def test_a_site_with_a_hundred_addresses_is_not_tried_for_ever() -> None:
    many = AddressesFound(tuple(f"192.0.2.{number}" for number in range(100)))
    assert len(await targets(Names(TWO, a=many, b=many))) == MOST_TARGETS


async def test_an_address_literal_needs_no_dns() -> None:
    asking = router(Names(MxUnknown("not asked")), "127.0.0.0/8")
    route = await asking.route("[192.0.2.9]")
    assert isinstance(route, Route)
    assert [target async for target in asking.targets(route)] == [Target("192.0.2.9", "192.0.2.9", 25)]
    loop = await asking.route("[127.0.0.1]")
    assert isinstance(loop, Route)
    (said,) = [target async for target in asking.targets(loop)]
    assert isinstance(said, Said)
