"""Questions and answers as octets: dnspython, which reads whole messages, says what is right."""

import random
from collections.abc import Iterable

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from hedwig.mx.wire import MOST_CNAMES, PAYLOAD, Answer, query, read

NAME = dns.name.from_text("example.org")
MX = dns.rdatatype.MX
SOA = "example.org. 600 SOA ns.example.org. host.example.org. 1 2 3 4 300"
ANSWERED = ["example.org. 60 MX 10 mx1.example.org.", "example.org. 60 MX 20 mx2.example.net."]
CHAIN = [
    "example.org. 50 CNAME a.example.net.",
    "a.example.net. 40 CNAME b.example.com.",
    "b.example.com. 70 MX 5 mx.b.example.com.",
]


def sets(lines: Iterable[str]) -> list[dns.rrset.RRset]:
    """Records from lines of a zone file."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        owner, ttl, kind, data = line.split(" ", 3)
        found.setdefault((owner, kind), [ttl]).append(data)
    return [dns.rrset.from_text(owner, int(ttl), "IN", kind, *data) for (owner, kind), (ttl, *data) in found.items()]


def message(
    answer: Iterable[str] = (),
    authority: Iterable[str] = (),
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR,
    flags: int = 0,
) -> dns.message.QueryMessage:
    """An answer to the question for the MX of NAME."""
    made = dns.message.make_response(dns.message.make_query(NAME, MX, use_edns=0))
    assert isinstance(made, dns.message.QueryMessage)
    made.answer, made.authority = sets(answer), sets(authority)
    made.flags |= flags
    made.set_rcode(rcode)
    return made


def whole(wire: bytes) -> Answer:
    """The same by dnspython."""
    made = dns.message.from_wire(wire, ignore_trailing=True)
    assert isinstance(made, dns.message.QueryMessage)
    chain = made.resolve_chaining()
    name, soas = chain.canonical_name, [each.name for each in made.authority if each.rdtype == dns.rdatatype.SOA]
    return Answer(
        made.rcode(),
        name,
        tuple(chain.answer or ()),
        min(chain.minimum_ttl, 0x7FFFFFFF),  # with nothing there to go by
        bool(chain.cnames),
        chain.answer is None and any(name.is_subdomain(soa) for soa in soas),
        bool(made.flags & dns.flags.AD),
    )


@pytest.mark.parametrize("rdtype", [MX, dns.rdatatype.A, dns.rdatatype.TLSA])
@pytest.mark.parametrize(("edns", "ad"), [(True, True), (True, False), (False, False)])
def test_a_question_is_what_dnspython_reads(rdtype: dns.rdatatype.RdataType, *, edns: bool, ad: bool) -> None:
    made = dns.message.from_wire(query(NAME, rdtype, edns=edns, ad=ad))
    assert (made.question[0].name, made.question[0].rdtype, made.edns) == (NAME, rdtype, 0 if edns else -1)
    assert made.flags == dns.flags.RD | (dns.flags.AD if ad else 0)
    assert not edns or made.payload == PAYLOAD


@pytest.mark.parametrize(
    "made",
    [
        message(ANSWERED),
        message(ANSWERED, flags=dns.flags.AD),
        message(["EXAMPLE.org. 60 MX 10 MX1.example.org.", "other.example. 1 MX 1 mx.other.example."]),
        message(CHAIN),
        message(reversed(CHAIN)),
        message(CHAIN[:2]),
        message(CHAIN[:2], ["com. 900 SOA ns.com. host.com. 1 2 3 4 20"]),
        message(CHAIN[:2], [SOA]),
        message([], [SOA]),
        message([], [SOA], dns.rcode.NXDOMAIN, dns.flags.AD),
        message([], [". 10 SOA . . 1 2 3 4 5"]),
        message([], ["org. 3600 NS ns.org."], dns.rcode.NXDOMAIN),
        message(["example.org. 60 A 192.0.2.1"]),
        message(rcode=dns.rcode.SERVFAIL),
        message(rcode=dns.rcode.BADVERS),
    ],
    ids=range(15),
)
def test_an_answer_is_what_dnspython_reads(made: dns.message.QueryMessage) -> None:
    wire = made.to_wire()
    assert read(wire, NAME, MX) == whole(wire)
    assert read(wire + b"trailing", NAME, MX) == whole(wire)


def test_records_of_one_set_may_differ_in_their_times_and_be_there_twice() -> None:
    made = message(ANSWERED)
    made.answer += sets(["example.org. 5 MX 10 mx1.example.org."])
    found = read(made.to_wire(), NAME, MX)
    assert (found.ttl, len(found.records)) == (5, 2)


def test_a_time_with_the_first_bit_set_is_none() -> None:
    """RFC 2181 §8."""
    wire = message(ANSWERED[:1]).to_wire()
    assert wire.count(b"\0\0\0\x3c") == 1
    assert read(wire.replace(b"\0\0\0\x3c", b"\xff\0\0\x3c"), NAME, MX).ttl == 0


@pytest.mark.parametrize(
    "made",
    [
        message(ANSWERED, rcode=dns.rcode.NXDOMAIN),
        message([f"{one}.example.org. 9 CNAME {one + 1}.example.org." for one in range(MOST_CNAMES + 1)]),
        message(["example.org. 9 CNAME a.example.org.", "a.example.org. 9 CNAME example.org."]),
    ],
    ids=["records of what does not exist", "a long way", "a circle"],
)
def test_what_contradicts_itself_is_malformed(made: dns.message.QueryMessage) -> None:
    made.answer = (
        [*sets(["example.org. 9 CNAME 0.example.org."]), *made.answer] if len(made.answer) > 9 else made.answer
    )
    with pytest.raises(dns.exception.DNSException):
        read(made.to_wire(), NAME, MX)


@pytest.mark.parametrize("made", [message(ANSWERED), message(CHAIN), message(CHAIN[:2], [SOA])], ids=range(3))
def test_broken_octets_are_an_error_or_an_answer(made: dns.message.QueryMessage) -> None:
    """Whatever comes, nothing but DNSException is raised; and where dnspython can read it, so can we, and alike."""
    wire, dice = made.to_wire(), random.Random(4711)
    question = 12 + len(query(NAME, MX, edns=False)) - 12
    broken = [wire[:end] for end in range(question, len(wire))]
    for _ in range(5000):
        octets = bytearray(wire)
        for _ in range(dice.choice((1, 1, 2, 5))):
            octets[dice.randrange(question, len(octets))] = dice.choice(
                (0, 1, 0x3F, 0x40, 0xC0, 0xFF, dice.randrange(256))
            )
        broken.append(bytes(octets))
    for octets in broken:
        try:
            expected = whole(octets)
        except (dns.exception.DNSException, NotImplementedError, ValueError):
            expected = None
        try:
            found = read(octets, NAME, MX)
        except dns.exception.DNSException:
            assert expected is None, octets
            continue
        if expected is not None and expected.ttl <= 0x7FFFFFFF:
            assert (found.rcode, found.name) == (expected.rcode, expected.name)
            assert set(found.records) == set(expected.records)
