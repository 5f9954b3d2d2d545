"""What DNSSEC vouches for, and TLSA records (RFC 7672 §2.2), from a real unbound that validates real signed zones."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator

import dns.flags
import dns.message
import dns.rdatatype
import pytest
from dns_fixtures import DnsServers
from dns_script import AMPLE, Start, answer, event_loop, start

from hedwig.mx import (
    AddressesFound,
    AddressesNone,
    Exchanger,
    MxFound,
    MxUnknown,
    TlsaAnswer,
    TlsaFound,
    TlsaNone,
    TlsaRecord,
)
from hedwig.mx.dns import DnsResolver

__all__ = ["event_loop", "start"]  # fixtures
pytestmark = pytest.mark.usefixtures("event_loop")

HASH = "5ae1" * 16
RECORD = TlsaRecord(3, 1, 1, bytes.fromhex(HASH))
SIGNED = f"""
@ MX 10 mx.signed.example.
mx A 192.0.2.1
mx AAAA 2001:db8::1
_25._tcp.mx TLSA 3 1 1 {HASH}
_25._tcp.mx TLSA 2 0 2 {HASH * 2}
none MX 10 plain.signed.example.
plain A 192.0.2.2
implicit A 192.0.2.3
_25._tcp.implicit TLSA 3 1 1 {HASH}
alias CNAME target.signed.example.
target A 192.0.2.4
target MX 10 mx.signed.example.
_25._tcp.target TLSA 3 1 1 {HASH}
half CNAME bare.signed.example.
bare A 192.0.2.5
_25._tcp.half TLSA 3 1 1 {HASH}
both CNAME target.signed.example.
_25._tcp.both TLSA 3 0 1 {HASH}
out CNAME mx.unsigned.example.
_25._tcp.out TLSA 3 1 1 {HASH}
outbare CNAME plain.unsigned.example.
pointed A 192.0.2.6
_25._tcp.pointed CNAME _tlsa.signed.example.
_tlsa TLSA 3 1 1 {HASH}
away A 192.0.2.7
_25._tcp.away CNAME _tlsa.unsigned.example.
badtlsa A 192.0.2.8
_25._tcp.badtlsa TLSA 3 1 1 {HASH}
badaddress A 192.0.2.9
_25._tcp.badaddress TLSA 3 1 1 {HASH}
badmx MX 10 mx.signed.example.
badalias CNAME mx.unsigned.example.
strange A 192.0.2.10
_25._tcp.strange TLSA 0 1 1 {HASH}
_25._tcp.strange TLSA 3 7 9 00
other A 192.0.2.11
_587._tcp.other TLSA 3 1 1 {HASH}
"""
UNSIGNED = f"""
@ MX 10 mx.unsigned.example.
hosted MX 10 mx.signed.example.
mx A 192.0.2.20
_25._tcp.mx TLSA 3 1 1 {HASH}
plain A 192.0.2.21
in CNAME mx.signed.example.
_tlsa TLSA 3 1 1 {HASH}
"""
LONG = ".".join(["x" * 61] * 4)  # a name that is valid, and with _25._tcp before it is not
FORGED = [
    "_25._tcp.badtlsa.signed.example TLSA",
    "badaddress.signed.example A",
    "badmx.signed.example MX",
    "badalias.signed.example CNAME",
]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsServers]:
    zones = {"signed.example": SIGNED, "unsigned.example": UNSIGNED}
    path = tmp_path_factory.mktemp("secure")
    served = DnsServers(path, zones=zones, signed=["signed.example"], forged=FORGED)
    yield served
    served.close()


@pytest.fixture
async def resolver(servers: DnsServers) -> AsyncIterator[DnsResolver]:
    made = DnsResolver([servers.address], servers.port)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("signed.example", MxFound((Exchanger(10, "mx.signed.example"),), secure=True)),
        ("unsigned.example", MxFound((Exchanger(10, "mx.unsigned.example"),))),
        ("hosted.unsigned.example", MxFound((Exchanger(10, "mx.signed.example"),))),
        (
            "alias.signed.example",
            MxFound((Exchanger(10, "mx.signed.example"),), secure=True, name="target.signed.example"),
        ),
        (
            "implicit.signed.example",
            MxFound((Exchanger(0, "implicit.signed.example"),), implicit=True, secure=True),
        ),
        ("plain.unsigned.example", MxFound((Exchanger(0, "plain.unsigned.example"),), implicit=True)),
        (
            "outbare.signed.example",
            MxFound((Exchanger(0, "outbare.signed.example"),), implicit=True, name="plain.unsigned.example"),
        ),
    ],
)
async def test_exchangers_say_whether_they_are_secure(resolver: DnsResolver, domain: str, expected: MxFound) -> None:
    """Secure is what is signed all the way: the records, the aliases that lead to them, or that there are none."""
    assert await resolver.exchangers(domain) == expected


@pytest.mark.parametrize(
    ("host", "secure", "name"),
    [
        ("mx.signed.example", True, ""),
        ("alias.signed.example", True, "target.signed.example"),
        ("out.signed.example", False, "mx.unsigned.example"),
        ("in.unsigned.example", False, "mx.signed.example"),
        ("mx.unsigned.example", False, ""),
    ],
)
async def test_addresses_say_whether_they_are_secure(resolver: DnsResolver, host: str, secure: bool, name: str) -> None:
    """Of a chain of CNAMEs each one counts, and so does the end."""
    found = await resolver.addresses(host)
    assert isinstance(found, AddressesFound)
    assert (found.secure, found.name) == (secure, name)


async def test_what_is_forged_is_unknown(resolver: DnsResolver) -> None:
    """A forged answer is a deferral: neither used, nor a reason to bounce (I8)."""
    assert isinstance(await resolver.exchangers("badmx.signed.example"), MxUnknown)
    assert isinstance(await resolver.addresses("badaddress.signed.example"), MxUnknown)
    assert isinstance(await resolver.addresses("nothing.signed.example"), AddressesNone)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("mx.signed.example", TlsaFound("mx.signed.example", (RECORD, TlsaRecord(2, 0, 2, bytes.fromhex(HASH * 2))))),
        ("implicit.signed.example", TlsaFound("implicit.signed.example", (RECORD,))),
        ("alias.signed.example", TlsaFound("target.signed.example", (RECORD,))),
        ("half.signed.example", TlsaFound("half.signed.example", (RECORD,))),
        ("both.signed.example", TlsaFound("target.signed.example", (RECORD,))),
        ("out.signed.example", TlsaFound("out.signed.example", (RECORD,))),
        ("pointed.signed.example", TlsaFound("pointed.signed.example", (RECORD,))),
        (
            "strange.signed.example",
            TlsaFound("strange.signed.example", (TlsaRecord(0, 1, 1, RECORD.association), TlsaRecord(3, 7, 9, b"\0"))),
        ),
    ],
)
async def test_tlsa_records_with_their_base_domain(resolver: DnsResolver, host: str, expected: TlsaFound) -> None:
    """An alias that is secure to its end is looked for under the end's name first, then under its own; one that leads
    out of what is secure under its own alone. The records' names may be aliases themselves."""
    found = await resolver.tlsa(host, 25)
    assert isinstance(found, TlsaFound)
    assert (found.base, set(found.records)) == (expected.base, set(expected.records))


@pytest.mark.parametrize(
    "host",
    [
        "plain.signed.example",  # nothing there, and that is proved
        "other.signed.example",  # for another port
        "away.signed.example",  # by way of an insecure name
        "mx.unsigned.example",
        "in.unsigned.example",
        "outbare.signed.example",
        "nothing.signed.example",
        "nothing.at.all",
        "",
    ],
)
async def test_dane_does_not_apply(resolver: DnsResolver, host: str) -> None:
    """No records, or none that DNSSEC vouches for."""
    assert isinstance(await resolver.tlsa(host, 25), TlsaNone)


@pytest.mark.parametrize("host", ["badtlsa.signed.example", "badaddress.signed.example", "badalias.signed.example"])
async def test_forged_answer_never_means_that_there_are_no_records(resolver: DnsResolver, host: str) -> None:
    """Or a forger could turn TLS off: until DNS can say, the host is not used."""
    unknown = await resolver.tlsa(host, 25)
    assert isinstance(unknown, MxUnknown)
    assert "SERVFAIL" in unknown.text
    assert unknown.gone == 0


def vouching(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
    """An address and a TLSA record for every name, with AD set, whoever may have asked for it."""
    del by_tcp
    name, rdtype = query.question[0].name, dns.rdatatype.to_text(query.question[0].rdtype)
    rdata = {"A": "192.0.2.1", "AAAA": "2001:db8::1", "TLSA": f"3 1 1 {HASH}", "MX": "10 mx.example.net."}[rdtype]
    response = answer(query, f"{name} 60 {rdtype} {rdata}")
    response.flags |= dns.flags.AD
    return [response.to_wire()]


async def test_a_server_on_this_host_is_asked_for_ad_and_believed(start: Start) -> None:
    """AD is asked for by AD (RFC 6840 §5.7), without DO and all the signatures that it brings."""
    asked: list[dns.message.Message] = []

    def script(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        asked.append(query)
        return vouching(query, by_tcp)

    server = await start(script)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert await resolver.tlsa("mx.example.net", 25) == TlsaFound("mx.example.net", (RECORD,))
    assert await resolver.tlsa(LONG, 25) == TlsaNone(f"there are no TLSA records for {LONG}")
    assert all(query.flags & dns.flags.AD and not query.ednsflags & dns.flags.DO for query in asked)
    await resolver.close()


async def test_no_other_server_is_believed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes over a network with AD set may be anybody's: it counts as insecure, and no TLSA is asked for."""
    server = await start(vouching)
    # The one thing that can't be had without a network is a server that is elsewhere.
    monkeypatch.setattr("ipaddress.IPv4Address.is_loopback", property(lambda self: False))
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert await resolver.exchangers("example.net") == MxFound((Exchanger(10, "mx.example.net"),))
    assert await resolver.addresses("mx.example.net") == AddressesFound(("192.0.2.1", "2001:db8::1"))
    assert isinstance(await resolver.tlsa("mx.example.net", 25), TlsaNone)
    assert not any(rdtype == "TLSA" for _, rdtype, _ in server.asked)
    await resolver.close()


async def test_many_letters_ask_once(start: Start) -> None:
    """One question for each name in flight, and then the answer is kept for its time (I9)."""
    server = await start(vouching)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    answers: list[TlsaAnswer] = await asyncio.gather(*(resolver.tlsa("mx.example.net", 25) for _ in range(100)))
    assert set(answers) == {TlsaFound("mx.example.net", (RECORD,))}
    await resolver.tlsa("mx.example.net", 25)
    assert sorted(rdtype for _, rdtype, _ in server.asked) == ["A", "AAAA", "TLSA"]
    await resolver.close()


async def test_tlsa_that_a_server_cannot_answer(start: Start) -> None:
    """Secure addresses, and SERVFAIL for TLSA: unknown, and asked once or twice a minute for all letters."""

    def script(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        if query.question[0].rdtype == dns.rdatatype.TLSA:
            return [answer(query, rcode=dns.rcode.SERVFAIL).to_wire()]
        return vouching(query, by_tcp)

    server = await start(script)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    for _ in range(10):
        unknown = await resolver.tlsa("mx.example.net", 25)
        assert isinstance(unknown, MxUnknown)
        assert unknown.text.startswith("TLSA of _25._tcp.mx.example.net: ")
    assert [rdtype for _, rdtype, _ in server.asked].count("TLSA") == 1
    await resolver.close()
