"""Receivers that block or limit us, by the rules of replies.yml: heeded wherever they say so, and left alone."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from worker_rig import Rig

from hedwig.classify.providers import Providers
from hedwig.classify.table import Table
from hedwig.config.replies import load_rules
from hedwig.mx import AddressesFound, Exchanger, MxFound
from hedwig.reply import Reply, Stage
from hedwig.settings import SITES, DomainRule, Smarthost, Tls, Worker
from hedwig.smtp import Said
from hedwig.spool import Kind, State
from hedwig.worker.attempt import Attempt
from hedwig.worker.delivery import conclude
from hedwig.worker.route import Route

TABLE = Table(load_rules(None, SITES))
LIMIT = b"421 4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume\r\n"
BLOCK = b"554 5.7.1 Your IP address is blocked using zen.spamhaus.org\r\n"
Answer = Callable[[str, int], bytes | None]


class Scripted:
    """An SMTP server on an address of loopback. `says(verb, number)`: what it answers to the number-th such verb of a
    connection instead of a yes; b"" closes. `said`: all verbs that it heard."""

    def __init__(self, says: Answer) -> None:
        self.says = says
        self.said: list[str] = []
        self.connections = 0

    async def start(self, address: str, port: int = 0) -> int:
        self.server = await asyncio.start_server(self.session, address, port)
        return int(self.server.sockets[0].getsockname()[1])

    async def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        counts: dict[str, int] = {}
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            line = b"BANNER\r\n"
            while line:
                verb = line[:6].decode().split()[0].upper()
                self.said.append(verb)
                counts[verb] = counts.get(verb, 0) + 1
                answer = self.says(verb, counts[verb])
                usual = {"BANNER": b"220 there\r\n", "EHLO": b"250-there\r\n250 AUTH PLAIN\r\n", "DATA": b"354 go\r\n"}
                writer.write(usual.get(verb, b"250 ok\r\n") if answer is None else answer)
                if answer is not None and answer[:1] != b"2":
                    break
                if verb == "DATA":
                    await reader.readuntil(b"\r\n.\r\n")
                    writer.write(b"250 2.0.0 ok\r\n")
                line = await reader.readline()
        writer.close()


class Names:
    """One host with these addresses."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self.addresses_of = addresses

    async def exchangers(self, domain: str) -> MxFound:
        del domain
        return MxFound((Exchanger(10, "mx.example.com"),))

    async def addresses(self, host: str) -> AddressesFound:
        del host
        return AddressesFound(self.addresses_of)


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Callable[..., Rig]]:
    made = []

    def make(port: int, *addresses: str, settings: Worker | None = None) -> Rig:
        rig = Rig(tmp_path, {}, port, settings)
        rig.router._resolver = Names(addresses or ("127.0.0.1",))
        rig.tools.rules = dataclasses.replace(rig.tools.rules, table=TABLE, providers=Providers(SITES))
        made.append(rig)
        return rig

    yield make
    for rig in made:
        await rig.close()


async def test_a_limit_that_is_told_before_the_next_letter_is_heeded(make: Callable[..., Rig]) -> None:
    """On a connection that carried one already: no new one at once, the receiver rests, and nobody is charged."""
    far = Scripted(lambda verb, number: LIMIT if verb == "MAIL" and number == 2 else None)
    single = {"default": dataclasses.replace(SITES["default"], connections=1)}
    rig = make(await far.start("127.0.0.1"), settings=Worker(sites=single))
    route = await rig.router.route("example.com")
    assert isinstance(route, Route)
    rig.tools.bag.of(route.site, time.monotonic(), route.rule)
    await rig.register(10)
    await rig.send()
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert far.connections == 1
    assert rig.tools.resting.of("mx.example.com", "", "ipv4")
    assert len(rig.states()) == 9 and {each.tries for each in rig.spool.queued()[0]} == {0}


async def test_a_plain_421_before_the_next_letter_is_a_connection_that_has_ended(make: Callable[..., Rig]) -> None:
    far = Scripted(lambda verb, number: b"421 4.3.2 closing\r\n" if verb == "MAIL" and number == 2 else None)
    rig = make(await far.start("127.0.0.1"))
    await rig.register(3)
    await rig.send()
    await rig.settled(lambda: not rig.states())
    assert rig.tools.resting.of("mx.example.com", "", "ipv4") is None


async def test_where_one_family_is_blocked_at_the_greeting_the_other_one_goes(make: Callable[..., Rig]) -> None:
    blocked, open_ = Scripted(lambda verb, _: BLOCK if verb == "BANNER" else None), Scripted(lambda *_: None)
    port = await blocked.start("127.0.0.1")
    await open_.start("::1", port)
    rig = make(port, "127.0.0.1", "::1")
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: not rig.states())
    assert (blocked.connections, open_.connections) == (1, 1)
    assert rig.tools.resting.of("mx.example.com", "", "ipv4")
    assert rig.tools.resting.of("mx.example.com", "", "ipv6") is None


async def test_a_block_at_the_greeting_is_told_and_asks_no_second_address(make: Callable[..., Rig]) -> None:
    far = Scripted(lambda verb, _: BLOCK if verb == "BANNER" else None)
    rig = make(await far.start("127.0.0.1"), "127.0.0.1", "127.0.0.2")
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.DEFERRED] == 1)
    assert far.connections == 1 and rig.states() == [State.DEFERRED]


async def test_who_refuses_our_login_is_asked_once(make: Callable[..., Rig]) -> None:
    """Not at each of its addresses: an account may be locked for that."""
    far = Scripted(lambda verb, _: b"535 5.7.8 wrong password\r\n" if verb == "AUTH" else None)
    port = await far.start("0.0.0.0")
    smarthost = Smarthost(host="smtp.example.net", port=port, user="us", password="x", tls=Tls.NONE)
    settings = Worker(domains={"example.com": DomainRule(smarthost="office")}, smarthosts={"office": smarthost})
    rig = make(port, *(f"127.0.0.{number}" for number in range(1, 9)), settings=settings)
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.DEFERRED] == 1)
    assert far.said.count("AUTH") == 1


async def test_too_many_for_one_transaction_is_judged_by_the_whole_of_it(make: Callable[..., Rig]) -> None:
    """Six domains of one receiver, which takes two recipients at a time: three transactions, and nobody waits."""
    far = Scripted(lambda verb, number: b"452 4.5.3 too many recipients\r\n" if verb == "RCPT" and number > 9 else None)
    rig = make(await far.start("127.0.0.1"))
    await rig.register(1)
    [claim] = await asyncio.wrap_future(rig.spool.claim([1], "host/1", time.time()))
    full = Attempt(Said(Stage.RCPT, Reply(452, "4.5.3", "too many recipients")), carried=True)
    conclusion = conclude(claim, {0: full}, rig.tools.rules, time.time(), lambda: b"")
    assert conclusion.settlement.results == (), "handed back: the next transaction follows at once"
    alone = dataclasses.replace(full, carried=False)
    assert conclude(claim, {0: alone}, rig.tools.rules, time.time(), lambda: b"").settlement.results


async def test_a_connection_that_breaks_before_tls_was_begun_turns_no_tls_off(make: Callable[..., Rig]) -> None:
    far = Scripted(lambda verb, _: b"" if verb == "EHLO" else None)
    rig = make(await far.start("127.0.0.1"))
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.DEFERRED] == 1)
    assert far.connections == 1
    assert rig.tools.broken.why("127.0.0.1") == ""
