"""What a resolver promises (hedwig.mx), kept by DnsResolver against the real nsd and unbound, on both event loops."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop
from dns_fixtures import DnsServers

from hedwig.mx import AddressesFound, AddressesNone, Exchanger, MxFound, MxNone, MxUnknown
from hedwig.mx.dns import DnsResolver

EXAMPLE = r"""
several MX 20 mx2.example.
several MX 10 MX1.Example.
several MX 10 mx3.example.
alias CNAME several.example.
alias2 CNAME alias.example.
elsewhere CNAME far.other.
dangling CNAME nothing.example.
implicit A 192.0.2.7
implicit6 AAAA 2001:db8::7
nomail TXT "neither MX nor address"
_smtp._tls.several TXT "v=TLSRPTv1; " "rua=mailto:a@several.example"
_smtp._tls.several TXT "other\229\000"
_smtp._tls.alias CNAME _smtp._tls.several.example.
null MX 0 .
mixed MX 0 .
mixed MX 10 mx1.example.
dead MX 10 gone.example.
dead A 192.0.2.66
odd MX 10 a\013\010RCPT.example.
odd MX 11 192.0.2.1.
odd MX 12 sp\032ace.example.
odd MX 13 \228\184\173.example.
odd MX 14 -.example.
odd MX 15 a\.b.example.
odd MX 20 under_score.example.
onlyodd MX 10 192.0.2.1.
mx1 A 192.0.2.1
mx1 A 192.0.2.2
mx1 AAAA 2001:db8::1
mx2 CNAME mx1.example.
mx6 AAAA 2001:db8::6
xn--fiq228c MX 10 mx1.example.
a.b.c MX 10 mx1.example.
loop1 CNAME loop2.example.
loop2 CNAME loop1.example.
many A 192.0.2.9
""" + "\n".join(f"many MX {number} a-rather-long-label-for-a-host-{number}.example." for number in range(80))
OTHER = "far MX 10 mx1.example."

pytestmark = pytest.mark.usefixtures("event_loop")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsServers]:
    served = DnsServers(tmp_path_factory.mktemp("mx"), zones={"example": EXAMPLE, "other": OTHER})
    yield served
    served.close()


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
async def resolver(servers: DnsServers) -> AsyncIterator[DnsResolver]:
    made = DnsResolver([servers.address], servers.port)
    yield made
    await made.close()


SEVERAL = MxFound((Exchanger(10, "mx1.example"), Exchanger(10, "mx3.example"), Exchanger(20, "mx2.example")))
MX1 = MxFound((Exchanger(10, "mx1.example"),))


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("several.example", SEVERAL),
        ("alias.example", replace(SEVERAL, name="several.example")),
        ("alias2.example", replace(SEVERAL, name="several.example")),
        ("elsewhere.example", replace(MX1, name="far.other")),
        ("implicit.example", MxFound((Exchanger(0, "implicit.example"),), implicit=True)),
        ("implicit6.example", MxFound((Exchanger(0, "implicit6.example"),), implicit=True)),
        ("mixed.example", MX1),
        ("dead.example", MxFound((Exchanger(10, "gone.example"),))),
        ("odd.example", MxFound((Exchanger(20, "under_score.example"),))),
        ("xn--fiq228c.example", MX1),
        ("a.b.c.example", MX1),
    ],
)
async def test_exchangers_found(resolver: DnsResolver, domain: str, expected: MxFound) -> None:
    """MX records as they are: lower case, CNAMEs followed, no A beside them, nothing that is no host name (I11)."""
    assert await resolver.exchangers(domain) == expected


@pytest.mark.parametrize(
    ("domain", "status"),
    [
        ("null.example", "5.1.10"),
        ("nothing.example", "5.1.2"),
        ("nothing.at.all", "5.1.2"),
        ("dangling.example", "5.1.2"),
        ("nomail.example", "5.1.2"),
        ("b.c.example", "5.1.2"),  # an empty non-terminal: NOERROR, and nothing there
        ("onlyodd.example", "5.4.4"),
        ("x" * 64 + ".example", "5.1.2"),
        (".".join(["x" * 60] * 5), "5.1.2"),
        ("a..example", "5.1.2"),
        ("", "5.1.2"),
    ],
)
async def test_domain_that_takes_no_mail(resolver: DnsResolver, domain: str, status: str) -> None:
    """Final answers, each with the status that the sender is told."""
    answer = await resolver.exchangers(domain)
    assert isinstance(answer, MxNone)
    assert answer.status == status


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("mx2.example", {"192.0.2.1", "192.0.2.2", "2001:db8::1"}),
        ("mx6.example", {"2001:db8::6"}),
        ("implicit.example", {"192.0.2.7"}),
    ],
)
async def test_addresses_found_ipv4_first(resolver: DnsResolver, host: str, expected: set[str]) -> None:
    """Both families, CNAMEs followed, and no IPv6 address before an IPv4 one."""
    answer = await resolver.addresses(host)
    assert isinstance(answer, AddressesFound)
    assert set(answer.addresses) == expected
    assert list(answer.addresses) == sorted(answer.addresses, key=lambda address: ":" in address)


@pytest.mark.parametrize("host", ["gone.example", "several.example", "nothing.at.all", "x" * 64, "", "a..b"])
async def test_host_without_address(resolver: DnsResolver, host: str) -> None:
    """A name that isn't there, has other records only, or can't be a name."""
    assert isinstance(await resolver.addresses(host), AddressesNone)


async def test_answer_too_large_for_udp_comes_by_tcp(resolver: DnsResolver) -> None:
    """80 long MX records don't fit 1232 octets; not one of them may be lost."""
    answer = await resolver.exchangers("many.example")
    assert isinstance(answer, MxFound)
    assert [exchanger.preference for exchanger in answer.exchangers] == list(range(80))


async def test_cnames_in_a_circle_are_a_deferral(resolver: DnsResolver) -> None:
    """Someone's mistake in DNS is mended one day; it ends, and nobody's letter bounces."""
    assert isinstance(await resolver.exchangers("loop1.example"), MxUnknown)
    assert isinstance(await resolver.addresses("loop1.example"), MxUnknown)


async def test_server_that_does_not_follow_cnames(servers: DnsServers) -> None:
    """Asked directly, nsd gives a CNAME into another zone and stops there; we go on."""
    resolver = DnsResolver([servers.address], servers.authority_port)
    assert await resolver.exchangers("elsewhere.example") == replace(MX1, name="far.other")
    await resolver.close()


async def test_many_at_once(resolver: DnsResolver) -> None:
    """A thousand different names at once: more than one socket's share, and every one answered."""
    answers = await asyncio.gather(*(resolver.exchangers(f"none{number}.example") for number in range(1000)))
    assert [answer for answer in answers if not isinstance(answer, MxNone)] == []


async def test_system_resolver_is_read_from_resolv_conf(
    servers: DnsServers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without configured servers those of resolv.conf are asked."""
    conf = tmp_path / "resolv.conf"
    conf.write_text(f"# ours\nsearch example\nnameserver {servers.address}\noptions edns0\n")
    monkeypatch.setattr("hedwig.mx.nameserver.read_resolv_conf.__defaults__", (conf,))
    resolver = DnsResolver(port=servers.port)
    assert await resolver.exchangers("several.example") == SEVERAL
    await resolver.close()


async def test_texts(resolver: DnsResolver) -> None:
    """The strings of a record are joined; what is no text is text all the same; no record is no failure."""
    both = {"v=TLSRPTv1; rua=mailto:a@several.example", "other\ufffd\0"}
    assert set(await resolver.texts("_smtp._tls.several.example")) == both
    assert set(await resolver.texts("_smtp._tls.alias.example")) == both
    for name in ("several.example", "_smtp._tls.nothing.example", "nothing.at.all", "x" * 64, ""):
        assert await resolver.texts(name) == ()
    assert isinstance(await resolver.texts("loop1.example"), MxUnknown)
