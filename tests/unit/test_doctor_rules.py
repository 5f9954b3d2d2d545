"""The doctor's rules for what is seen from outside, by table. (What DNS serves: the journeys.)"""

from typing import Any

import pytest
from doctor_rig import same

from hedwig.doctor import (
    address_rules,
    dmarc_rules,
    domain_rules,
    reach_rules,
    spf_rules,
)
from hedwig.doctor.address_rules import Origin
from hedwig.doctor.domain_rules import Host, Mx, Policy
from hedwig.doctor.finding import Finding, Text, Unknown
from hedwig.doctor.reach_rules import Knock, Listing, Reach
from hedwig.doctor.spf_rules import Spf

A = "203.0.113.7"
DEAD = Unknown("nobody answers", gone=True)
LAME = Unknown("SERVFAIL")


def origin(**facts: Any) -> list[Finding]:
    known = {"ptr": ("robot.example",), "forward": {"robot.example": (A,)}} | facts
    return address_rules.judge(Origin(facts.pop("address", A), facts.pop("ehlo", "robot.example"), **_only(known)))


def _only(known: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in known.items() if name in ("ptr", "forward", "source")}


@pytest.mark.parametrize(
    ("facts", "grade", "words", "mend"),
    [
        ({}, "pass", A, ""),
        ({"ptr": ()}, "fail", "no PTR", "7.113.0.203.in-addr.arpa. IN PTR robot.example."),
        ({"ptr": DEAD}, "skipped", "", ""),
        ({"ptr": LAME}, "fail", "SERVFAIL", ""),
        ({"forward": {"robot.example": ("203.0.113.8",)}}, "fail", "lead back", f"robot.example. IN A {A}"),
        ({"forward": {"robot.example": LAME}}, "fail", "SERVFAIL", ""),
        ({"address": "2001:db8::7", "ptr": ()}, "fail", "worse than no IPv6", "ip6.arpa. IN PTR robot.example."),
        ({"address": "192.168.1.2"}, "warn", "inner address", "doctor: {addresses: [PUBLIC-ADDRESS]}"),
        (
            {"ptr": ("7-113-0-203.x.example",), "forward": {"7-113-0-203.x.example": (A,)}},
            *("warn", "pool name", "IN PTR robot.example."),
        ),
        ({"ptr": ("dynamic.x.example",), "forward": {"dynamic.x.example": (A,)}}, "warn", "pool name", ""),
    ],
)
def test_ptr(facts: dict[str, Any], grade: str, words: str, mend: str) -> None:
    same(origin(**facts)[0], grade, words, mend)


@pytest.mark.parametrize(
    ("facts", "grade", "words", "mend"),
    [
        ({}, "pass", "", ""),
        ({"ehlo": "[203.0.113.7]"}, "fail", "no full name", "ehlo: robot.example"),
        ({"ehlo": "localhost"}, "fail", "no full name", "ehlo: robot.example"),
        ({"ehlo": "other.example"}, "fail", "no address", f"other.example. IN A {A}"),
        (
            {"ehlo": "o.example", "forward": {"o.example": (A,), "robot.example": (A,)}},
            *("warn", "the PTR of", "ehlo: robot.example"),
        ),
        ({"ehlo": "o.example", "forward": {"o.example": DEAD}}, "skipped", "", ""),
    ],
)
def test_ehlo(facts: dict[str, Any], grade: str, words: str, mend: str) -> None:
    same(origin(**facts)[1], grade, words, mend)


def test_a_sources_ehlo_line_goes_below_it() -> None:
    found = origin(ehlo="x", source="main")[1]
    assert "sources: main:" in found.where.en


OURS = f"v=spf1 ip4:{A} -all"


@pytest.mark.parametrize(
    ("facts", "grade", "words", "mend"),
    [
        ({"records": (OURS,), "result": "pass"}, "pass", "pass", ""),
        ({}, "fail", "no SPF record", f'd.example. IN TXT "v=spf1 ip4:{A} ~all"'),
        ({"records": (OURS, "v=spf1 mx ~all")}, "fail", "2 SPF records", f'"v=spf1 ip4:{A} mx -all"'),
        ({"records": ("v=spf1 mx +all",), "result": "pass"}, "fail", "+all", f'"v=spf1 ip4:{A} mx ~all"'),
        ({"records": ("v=spf1 mx ~all",), "result": "softfail"}, "fail", "softfail", f'"v=spf1 ip4:{A} mx ~all"'),
        ({"records": ("v=spf1 mx",), "result": "neutral"}, "fail", "neutral", f'"v=spf1 ip4:{A} mx"'),
        (
            {"records": ("v=spf1 a redirect=x.example",), "result": "fail"},
            *("fail", "may not send", f'"v=spf1 ip4:{A} a redirect=x.example"'),
        ),
        ({"records": ("v=spf1 mx -all",), "result": "permerror", "lookups": 11}, "fail", "11 DNS", f"ip4:{A} mx"),
        ({"records": (OURS,), "result": "pass", "lookups": 11}, "warn", "11 DNS", ""),
        ({"records": (OURS,), "result": "pass", "lookups": 10}, "warn", "10 DNS", "ip4:"),
        ({"records": (OURS,), "result": "pass", "lookups": 8}, "warn", "8 DNS", "ip4:"),
        ({"records": (OURS,), "result": "pass", "lookups": 7}, "pass", "7 look-ups", ""),
        ({"records": (OURS,), "result": "pass", "void": 2}, "warn", "2 of its names", ""),
        ({"records": (OURS,), "result": "pass", "void": 11}, "warn", "11 of its names", ""),
        (
            {"records": ("v=spf1 a:x.example mx -all",), "result": "permerror", "void": 3},
            "fail",
            "permerror",
            f"ip4:{A} a:",
        ),
        ({"records": ("v=spf1 ip4:0.0.0.0/0 -all",), "result": "pass", "anyone": True}, "fail", "lets everybody", ""),
        (
            {"records": ("v=spf1 moo -all",), "result": "permerror", "broken": "moo"},
            *("fail", "permerror", f'"v=spf1 ip4:{A} -all"'),
        ),
        ({"records": ("v=spf1 mx -all",), "result": "temperror", "words": "x"}, "fail", "can't be looked up", ""),
        ({"records": ("v=spf1 ptr -all",), "result": "pass"}, "warn", "ptr", f'"v=spf1 ip4:{A} -all"'),
        ({"records": LAME}, "fail", "SERVFAIL", ""),
        ({"records": DEAD}, "skipped", "", ""),
    ],
)
def test_spf(facts: dict[str, Any], grade: str, words: str, mend: str) -> None:
    same(spf_rules.judge(Spf("d.example", A, **facts), [A]), grade, words, mend)


def test_a_first_spf_record_refuses_nobody() -> None:
    """What it says of -all is when."""
    for records in ((), ("v=spf1 +all",)):
        found = spf_rules.judge(Spf("d.example", A, records), [A])
        assert found.mend.endswith('~all"') and "-all instead of ~all when" in found.where.en
        assert "再把 ~all 改为 -all" in found.where.zh


def test_an_ehlo_name_without_spf_is_a_pity() -> None:
    same(spf_rules.judge(Spf("d.example", A), [A], helo=True), "warn", "bounces", 'd.example. IN TXT "v=spf1 a -all"')


STRICT: dict[str, Any] = {"at": "example", "records": ("v=DMARC1; p=reject; adkim=s",)}


@pytest.mark.parametrize(
    ("facts", "grade", "words", "mend"),
    [
        ({"at": "d.example", "records": ("v=DMARC1; p=none",), "spf": True}, "pass", "SPF", ""),
        ({"at": "example", "records": ("v=DMARC1; p=none; sp=reject",), "dkim": True}, "pass", "p=reject", ""),
        (STRICT | {"dkim": True}, "fail", "adkim=s", "hedwig dkim new d.example"),
        (STRICT | {"dkim": True, "own_key": True}, "pass", "DKIM", ""),
        (STRICT | {"dkim": True, "spf": True}, "pass", "SPF", ""),
        ({}, "warn", "no DMARC", '_dmarc.d.example. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@d.example"'),
        ({"at": "d.example", "records": ("v=DMARC1",)}, "fail", "in error", '"v=DMARC1; p=none"'),
        ({"at": "d.example", "records": ("v=DMARC1; p=none", "v=DMARC1; p=none")}, "fail", "2 DMARC", "p=none"),
        ({"at": "d.example", "records": ("v=DMARC1; p=reject",)}, "fail", "neither", ""),
        ({"records": DEAD}, "skipped", "", ""),
    ],
)
def test_dmarc(facts: dict[str, Any], grade: str, words: str, mend: str) -> None:
    same(dmarc_rules.judge(dmarc_rules.Dmarc("d.example", **facts))[0], grade, words, mend)


@pytest.mark.parametrize(
    ("mx", "grade", "words"),
    [
        (Mx("d.example", (Host("mx.example", (A,)),)), "pass", "mx.example"),
        (Mx("d.example", null=True), "fail", "null MX"),
        (Mx("d.example", exists=False), "fail", "does not exist"),
        (Mx("d.example"), "fail", "neither"),
        (Mx("d.example", (Host("d.example", (A,)),), implicit=True), "warn", "no MX record"),
        (Mx("d.example", (Host("mx.example", (A,)), Host("gone.example"))), "warn", "gone.example"),
        (Mx("d.example", (Host("mx.example", ("10.0.0.1",)),)), "fail", "inner"),
        (Mx("d.example", (Host("mx.example", (A,), alias=True),)), "warn", "alias"),
        (Mx("d.example", LAME), "fail", "SERVFAIL"),
    ],
)
def test_mx(mx: Mx, grade: str, words: str) -> None:
    same(domain_rules.judge_mx(mx), grade, words)


_ENFORCE = b"version: STSv1\r\nmode: enforce\r\nmx: a.example\r\nmax_age: 86400\r\n"


@pytest.mark.parametrize(
    ("facts", "grade", "words"),
    [
        ({}, "pass", "not published"),
        ({"records": ("v=STSv1; id=",)}, "warn", "in error"),
        ({"records": ("v=STSv1; id=1;",), "trouble": Text("404", "404")}, "warn", "404"),
        ({"records": ("v=STSv1; id=1;",), "content": b"x"}, "warn", "https://mta-sts.d.example"),
        ({"records": ("v=STSv1; id=1;",), "asked": False}, "skipped", "was not asked"),
        ({"records": ("v=STSv1; id=1;",), "content": _ENFORCE, "mx": ("a.example",)}, "pass", "enforce"),
        ({"records": ("v=STSv1; id=1;",), "content": _ENFORCE, "mx": ("b.example",)}, "fail", "b.example"),
    ],
)
def test_mta_sts(facts: dict[str, Any], grade: str, words: str) -> None:
    same(domain_rules.judge_policy(Policy("d.example", **facts))[0], grade, words)


def knock(
    reach: Reach = Reach.ANSWERED, words: str = "220 mx.far.example ESMTP", code: int = 250, **more: str
) -> Knock:
    return Knock("far.example", A, reach, "mx.far.example", words, code, **more)


@pytest.mark.parametrize(
    ("knocks", "grade", "words"),
    [
        ([knock()], "pass", "far.example"),
        ([knock(Reach.SILENT, "nothing within 4 s", 0)], "fail", "blocked"),
        ([knock(Reach.CLOSED, "refused", 0)], "fail", "no receiver can be reached"),
        ([knock(Reach.UNBOUND, "x", 0)], "fail", "not an address of this host"),
        ([knock(Reach.NO_HOST, "x", 0)], "skipped", ""),
        ([knock(), knock(Reach.SILENT, "x", 0)], "warn", "others could"),
        ([knock(words="220 gateway.isp.example ESMTP")], "fail", "somebody else"),
        ([knock(words="554 5.7.1 on our list", code=554)], "fail", "turned away"),
        ([knock(words="421 later", code=421)], "warn", "turned away"),
        ([knock(seen_as="198.51.100.1")], "warn", "NAT"),
        ([knock(seen_as=A)], "pass", ""),
    ],
)
def test_port_25(knocks: list[Knock], grade: str, words: str) -> None:
    same(reach_rules.judge_port(A, knocks), grade, words)


@pytest.mark.parametrize(
    ("facts", "grade", "words"),
    [
        ({}, "pass", "not listed"),
        ({"answer": ("127.0.0.2",), "reason": ("spam",)}, "fail", "spam"),
        ({"answer": ("127.255.255.254",)}, "warn", "public resolvers"),
        ({"answer": ("127.255.255.255",)}, "warn", "too often"),
        ({"answer": ("127.255.255.250",)}, "warn", "an error"),
        ({"answer": ("203.0.113.66",)}, "warn", "no DNSBL's answer"),
        ({"tests": ((), ())}, "warn", "must be on it"),
        ({"answer": ("127.0.0.2",), "tests": (("127.0.0.2",), ("127.0.0.2",))}, "warn", "must be on it"),
        ({"answer": DEAD}, "warn", "no answer"),
    ],
)
def test_dnsbl(facts: dict[str, Any], grade: str, words: str) -> None:
    same(reach_rules.judge_listing(Listing("bl.example", A, **facts)), grade, words)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (A, "7.113.0.203.bl.example"),
        ("2001:db8::1", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.bl.example"),
    ],
)
def test_how_a_dnsbl_is_asked(address: str, name: str) -> None:
    """RFC 5782 §2.1 and §2.4."""
    assert reach_rules.question(address, "bl.example") == name
