"""DNS that misbehaves: servers that fail, are silent, lie, or send garbage. Never a failure of the recipient (I8)."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
import uvloop
from dns_fixtures import Script, ScriptedDns, answer, free_port

from hedwig.mx import AddressesFound, Exchanger, MxFound, MxNone, MxUnknown
from hedwig.mx.dns import FAILURE_TTL, MAX_ABSENT, DnsResolver

pytestmark = pytest.mark.usefixtures("event_loop")
AMPLE = 10.0  # a resolver's `timeout` where an answer comes: its first wait is two fifths of it
SHORT = (
    2.0  # ... where a test waits for a time-out: short, but long enough that a loaded machine's answers come in time
)
Start = Callable[..., Awaitable[ScriptedDns]]
SOA = "example.org. {ttl} SOA ns. host. 1 1 1 1 {ttl}"


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[ScriptedDns] = []

    async def one(script: Script, address: str = "127.0.0.1", port: int = 0) -> ScriptedDns:
        started.append(await ScriptedDns(script, address).start(port))
        return started[-1]

    yield one
    for server in started:
        await server.close()


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def good(query: dns.message.Message, by_tcp: bool = False) -> Iterable[bytes]:
    """MX 10 mx.example.net for every name, and one address of each family."""
    del by_tcp
    name, rdtype = query.question[0].name, dns.rdatatype.to_text(query.question[0].rdtype)
    rdata = {"MX": "10 mx.example.net.", "A": "192.0.2.1", "AAAA": "2001:db8::1"}[rdtype]
    return [answer(query, f"{name} 60 {rdtype} {rdata}").to_wire()]


def silent(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
    del query, by_tcp
    return []


def failing(rcode: dns.rcode.Rcode) -> Script:
    return lambda query, by_tcp: [answer(query, rcode=rcode).to_wire()]


GOOD = MxFound((Exchanger(10, "mx.example.net"),))


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.NOTAUTH])
async def test_failing_server_is_a_deferral_with_its_words(start: Start, rcode: dns.rcode.Rcode) -> None:
    """The operator is told which server said what."""
    server = await start(failing(rcode))
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    found = await resolver.exchangers("example.org")
    assert isinstance(found, MxUnknown)
    assert found.text == f"MX of example.org: nameserver 127.0.0.1: {dns.rcode.to_text(rcode)}"
    assert isinstance(await resolver.addresses("example.org"), MxUnknown)
    await resolver.close()


@pytest.mark.parametrize("first", [failing(dns.rcode.SERVFAIL), failing(dns.rcode.REFUSED), silent])
async def test_next_server_is_asked(start: Start, first: Script) -> None:
    """Where the first fails or is silent the second decides."""
    broken = await start(first)
    working = await start(good, "127.0.0.2", broken.port)
    resolver = DnsResolver([broken.address, working.address], broken.port, timeout=SHORT)
    assert await resolver.exchangers("example.org") == GOOD
    assert len(broken.asked) == len(working.asked) == 1
    await resolver.close()


async def test_silent_server_is_asked_last_from_then_on(start: Start) -> None:
    """One dead server of two costs its time-out once, not once a domain."""
    broken = await start(silent)
    working = await start(good, "127.0.0.2", broken.port)
    resolver = DnsResolver([broken.address, working.address], broken.port, timeout=SHORT)
    for number in range(10):
        assert await resolver.exchangers(f"d{number}.example") == GOOD
    assert len(broken.asked) == 1
    await resolver.close()


async def test_silence_is_a_deferral_after_three_rounds(start: Start) -> None:
    """Lost datagrams are sent again, but not for ever."""
    server = await start(silent)
    resolver = DnsResolver([server.address], server.port, timeout=0.05, lifetime=60.0)
    found = await resolver.exchangers("example.org")
    assert isinstance(found, MxUnknown)
    assert "no answer within" in found.text
    assert len(server.asked) == 3
    await resolver.close()


async def test_lifetime_bounds_a_question(start: Start) -> None:
    """Whatever a server's own time-out: past the lifetime nobody is asked any more."""
    server = await start(silent)
    resolver = DnsResolver([server.address], server.port, timeout=600.0, lifetime=0.1)
    async with asyncio.timeout(60):
        assert isinstance(await resolver.exchangers("example.org"), MxUnknown)
    assert len(server.asked) == 1
    await resolver.close()


async def test_one_lost_datagram_is_no_deferral(start: Start) -> None:
    """The second round finds the answer."""
    server = await start(lambda query, by_tcp: good(query) if len(server.asked) > 1 else [])
    resolver = DnsResolver([server.address], server.port, timeout=SHORT)
    assert await resolver.exchangers("example.org") == GOOD
    await resolver.close()


async def test_server_that_restarts_is_asked_again(start: Start) -> None:
    """Connection refused for a moment, as while unbound restarts, defers nothing."""
    port = free_port()
    resolver = DnsResolver(["127.0.0.1"], port, timeout=5.0)
    asking = asyncio.create_task(resolver.exchangers("example.org"))
    await asyncio.sleep(0)
    await start(good, port=port)
    assert await asking == GOOD
    await resolver.close()


async def test_nobody_listens(start: Start) -> None:
    """No resolver at all: a deferral that says so."""
    del start
    resolver = DnsResolver(["127.0.0.1"], free_port(), timeout=0.05)
    found = await resolver.exchangers("example.org")
    assert isinstance(found, MxUnknown)
    assert "refused" in found.text
    await resolver.close()


async def test_server_from_before_edns(start: Start) -> None:
    """FORMERR to the OPT record: asked again without (RFC 6891 §6.2.2)."""

    def old(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        return good(query) if query.edns < 0 else failing(dns.rcode.FORMERR)(query, by_tcp)

    server = await start(old)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert await resolver.exchangers("example.org") == GOOD
    await resolver.close()


async def test_edns_asks_for_1232_octets(start: Start) -> None:
    """RFC 9715: no fragments."""
    sizes: list[int] = []

    def noting(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        sizes.append(query.payload)
        assert query.flags & dns.flags.RD
        return good(query, by_tcp)

    server = await start(noting)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    await resolver.exchangers("example.org")
    assert sizes == [1232]
    await resolver.close()


def truncated(query: dns.message.Message) -> bytes:
    response = answer(query, f"{query.question[0].name} 60 MX 1 half.example.")
    response.flags |= dns.flags.TC
    return response.to_wire()


async def test_truncated_answer_is_never_used(start: Start) -> None:
    """Its half of the records is dropped, the whole comes by TCP."""
    server = await start(lambda query, by_tcp: good(query) if by_tcp else [truncated(query)])
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert await resolver.exchangers("example.org") == GOOD
    assert [by_tcp for *_, by_tcp in server.asked] == [False, True]
    await resolver.close()


@pytest.mark.parametrize("by_tcp", [[], [b""], [b"\0" * 11], [b"\xff" * 200]])
async def test_truncated_answer_and_broken_tcp(start: Start, by_tcp: list[bytes]) -> None:
    """Neither half an answer nor garbage counts."""
    server = await start(lambda query, is_tcp: by_tcp if is_tcp else [truncated(query)])
    resolver = DnsResolver([server.address], server.port, timeout=0.1)
    assert isinstance(await resolver.exchangers("example.org"), MxUnknown)
    await resolver.close()


async def test_forged_and_foreign_datagrams_are_ignored(start: Start) -> None:
    """Another ID, another question, a query, garbage: the wait goes on until the true answer comes."""

    def with_noise(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        (true,) = good(query, by_tcp)
        evil = answer(query, f"{query.question[0].name} 60 MX 1 evil.example.").to_wire()
        other = dns.message.make_query("other.example.", "MX", id=query.id)
        yield b""
        yield b"\xff" * 7
        yield bytes([evil[0] ^ 1]) + evil[1:]
        yield answer(other, "other.example. 60 MX 1 evil.example.").to_wire()
        yield query.to_wire()
        yield evil[:2] + bytes([evil[2] | 0x70]) + evil[3:]  # an opcode that there is not
        yield evil[:4] + b"\0\0" + evil[6:12]  # no question, yet NOERROR
        yield true

    server = await start(with_noise)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert await resolver.exchangers("example.org") == GOOD
    await resolver.close()


async def test_malformed_answers_are_deferrals_and_nothing_else(start: Start) -> None:
    """1,000 answers with random octets changed behind the question: a value comes, never an exception or a hang."""
    dice = random.Random(7)

    def mangled(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        del by_tcp
        name = query.question[0].name
        records = [f"{name} 60 CNAME alias.example.", "alias.example. 60 MX 10 mx.example.", "a. 9 AAAA ::1"]
        wire = bytearray(answer(query, *records, SOA.format(ttl=60)).to_wire())
        start_at = 12 + len(name.to_wire()) + 4
        for _ in range(dice.randint(1, 6)):
            wire[dice.randrange(start_at, len(wire))] = dice.randrange(256)
        wire[6:12] = bytes([0, dice.choice([1, 2, 3, 255]), 0, dice.choice([0, 1]), 0, dice.choice([0, 1])])
        return [bytes(wire[: dice.choice([len(wire), dice.randrange(start_at, len(wire))])])]

    server = await start(mangled)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    answers = await asyncio.gather(*(resolver.exchangers(f"d{number}.example") for number in range(1000)))
    kinds = {type(found) for found in answers}
    assert MxUnknown in kinds
    assert kinds <= {MxUnknown, MxFound, MxNone}
    await resolver.close()


async def test_one_family_is_enough(start: Start) -> None:
    """A fails, AAAA answers: what there is is used, but only for as long as a failure is kept."""
    clock = Clock()

    def half(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        is_a = query.question[0].rdtype == dns.rdatatype.A
        return (failing(dns.rcode.SERVFAIL) if is_a else good)(query, by_tcp)

    server = await start(half)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE, clock=clock)
    assert await resolver.addresses("mx.example.net") == AddressesFound(("2001:db8::1",))
    server.script = good
    clock.now += FAILURE_TTL
    assert await resolver.addresses("mx.example.net") == AddressesFound(("192.0.2.1", "2001:db8::1"))
    await resolver.close()


async def test_half_an_answer_is_no_absence(start: Start) -> None:
    """A fails and there is no AAAA: the host may well have an address, so nothing bounces."""

    def half(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        rcode = dns.rcode.SERVFAIL if query.question[0].rdtype == dns.rdatatype.A else dns.rcode.NOERROR
        return failing(rcode)(query, by_tcp)

    server = await start(half)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert isinstance(await resolver.addresses("mx.example.net"), MxUnknown)
    await resolver.close()


async def test_implicit_mx_waits_for_its_addresses(start: Start) -> None:
    """No MX, and the addresses can't be had now: a deferral, not 5.1.2."""

    def no_mx(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        rcode = dns.rcode.NOERROR if query.question[0].rdtype == dns.rdatatype.MX else dns.rcode.SERVFAIL
        return failing(rcode)(query, by_tcp)

    server = await start(no_mx)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert isinstance(await resolver.exchangers("example.org"), MxUnknown)
    await resolver.close()


@pytest.mark.parametrize("script", [failing(dns.rcode.SERVFAIL), failing(dns.rcode.NXDOMAIN)])
async def test_dead_domain_is_asked_once_for_a_while(start: Start, script: Script) -> None:
    """50,000 letters to a dead domain don't ask 50,000 times; and later it is asked again (I9)."""
    clock = Clock()
    server = await start(script)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE, clock=clock)
    for _ in range(1000):
        await resolver.exchangers("dead.example")
    assert len(server.asked) == 1
    server.script = good
    clock.now += FAILURE_TTL
    assert await resolver.exchangers("dead.example") == GOOD
    await resolver.close()


@pytest.mark.parametrize(
    ("records", "rcode", "kept"),
    [
        (("example.org. 60 MX 10 mx.example.net.",), dns.rcode.NOERROR, 60),
        (("example.org. 0 MX 10 mx.example.net.",), dns.rcode.NOERROR, 1),
        (("example.org. 9999999 MX 10 mx.example.net.",), dns.rcode.NOERROR, 86400),
        (("example.org. 20 CNAME a.", "a. 60 MX 10 mx.example.net."), dns.rcode.NOERROR, 20),
        ((SOA.format(ttl=40),), dns.rcode.NXDOMAIN, 40),
        ((SOA.format(ttl=86400),), dns.rcode.NXDOMAIN, MAX_ABSENT),
        ((SOA.format(ttl=0),), dns.rcode.NXDOMAIN, 1),
    ],
)
async def test_answers_are_kept_for_their_ttl(
    start: Start, records: tuple[str, ...], rcode: dns.rcode.Rcode, kept: float
) -> None:
    """Neither longer nor shorter, within bounds (RFC 2308 for absence)."""
    clock = Clock()
    server = await start(lambda query, by_tcp: [answer(query, *records, rcode=rcode).to_wire()])
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE, clock=clock)
    await resolver.exchangers("example.org")
    clock.now += kept - 0.5
    await resolver.exchangers("example.org")
    assert len(server.asked) == 1
    clock.now += 0.5
    await resolver.exchangers("example.org")
    assert len(server.asked) == 2
    await resolver.close()


async def test_one_look_up_in_flight_whatever_becomes_of_who_asked(start: Start) -> None:
    """A thousand couriers ask for one name: one question; the first one's cancellation harms no other."""
    server = await start(silent)
    resolver = DnsResolver([server.address], server.port, timeout=5.0)
    askers = [asyncio.create_task(resolver.exchangers("example.org")) for _ in range(1000)]
    late = asyncio.get_running_loop().create_future()

    def holding(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        late.set_result(query)
        return []

    server.script = holding
    query = await late
    askers[0].cancel()
    assert isinstance((await asyncio.gather(askers[0], return_exceptions=True))[0], asyncio.CancelledError)
    assert len(server.asked) == 1
    server.resend(next(iter(good(query))))
    assert set(await asyncio.gather(*askers[1:])) == {GOOD}
    assert len(server.asked) == 1
    await resolver.close()


async def test_slow_names_hold_back_no_others(start: Start) -> None:
    """300 names that are never answered, more than may be young at a time; others are found meanwhile (I9)."""
    server = await start(lambda query, by_tcp: [] if "slow" in str(query.question[0].name) else good(query))
    resolver = DnsResolver([server.address], server.port, timeout=60.0, lifetime=60.0)
    slow = [asyncio.create_task(resolver.exchangers(f"slow{number}.example")) for number in range(300)]
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        assert await resolver.exchangers("quick.example") == GOOD
    assert not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    await resolver.close()


def test_server_must_be_an_address() -> None:
    """A name as nameserver is a mistake in the settings, and said at the start."""
    with pytest.raises(ValueError, match="localhost"):
        DnsResolver(["localhost"])
