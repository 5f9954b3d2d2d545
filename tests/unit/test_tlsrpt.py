"""TLS reports (RFC 8460): who wants them, what they say, and the letter that carries them."""

import base64
import email
import email.policy
import gzip
import json
from typing import Any

import pytest

from hedwig.tlsrpt import Count, Day, Policy, PolicyType, Reporter, Result, Session, day_of, letter, record, unpacked
from hedwig.tlsrpt.record import Destinations
from hedwig.tlsrpt.report import Report, build

DAY = 20_786  # 2026-11-29
REPORTER = Reporter("Nankai", "tls@Robot.Genee.cn")
TLSA = Policy(PolicyType.TLSA, "mx.example.com", (f"3 1 1 {'5ae1' * 16}",))
STS = Policy(
    PolicyType.STS, "example.com", ("version: STSv1", "mode: enforce", "mx: *.example.com"), ("*.example.com",)
)
NONE = Policy(PolicyType.NONE, "example.com")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["v=TLSRPTv1; rua=mailto:a@example.com"], Destinations(("a@example.com",))),
        (["v=TLSRPTv1;rua=mailto:a@example.com;"], Destinations(("a@example.com",))),
        (["v=TLSRPTv1 ; rua=https://example.com/v1?x=1"], Destinations((), ("https://example.com/v1?x=1",))),
        (
            ["v=TLSRPTv1; rua=mailto:a@example.com , https://r.example:8443/"],
            Destinations(("a@example.com",), ("https://r.example:8443/",)),
        ),
        (["v=spf1 -all", "v=TLSRPTv1; rua=mailto:a@example.com", ""], Destinations(("a@example.com",))),
        (["v=TLSRPTv1; new=1; rua=MAILTO:a%2Bb@example.com?subject=x"], Destinations(("a+b@example.com",))),
        (["v=TLSRPTv1; rua=mailto:a@example.com,mailto:a@example.com"], Destinations(("a@example.com",))),
        (
            ["v=TLSRPTv1; rua=mailto:a@example.com; rua=mailto:b@example.com"],
            Destinations(("a@example.com", "b@example.com")),
        ),
    ],
)
def test_where_a_domain_wants_its_reports(texts: list[str], expected: Destinations) -> None:
    """One record that begins with the version; addresses and URLs as URIs have them."""
    assert record.read(texts) == expected
    assert expected


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["v=TLSRPTv1"],
        ["v=TLSRPTv1;"],
        ["v=tlsrptv1; rua=mailto:a@example.com"],
        ["v=TLSRPTv2; rua=mailto:a@example.com"],
        ["v=TLSRPTv11; rua=mailto:a@example.com"],
        [" v=TLSRPTv1; rua=mailto:a@example.com"],
        ["rua=mailto:a@example.com; v=TLSRPTv1"],
        ["v=TLSRPTv1; rua=mailto:a@example.com", "v=TLSRPTv1; rua=mailto:a@example.com"],  # two: none
        ["v=TLSRPTv1; ruf=mailto:a@example.com"],
        ["v=TLSRPTv1; rua=a@example.com"],
        ["v=TLSRPTv1; rua=mailto:"],
        ["v=TLSRPTv1; rua=mailto:nobody"],
        ["v=TLSRPTv1; rua=mailto:a@[192.0.2.1]"],
        ["v=TLSRPTv1; rua=mailto:a%0d%0aBcc:b@example.com"],
        ["v=TLSRPTv1; rua=mailto:a%ff@example.com"],
        ["v=TLSRPTv1; rua=mailto:\u00e4@example.com"],
        ["v=TLSRPTv1; rua=http://example.com/"],
        ["v=TLSRPTv1; rua=https:///v1"],
        ["v=TLSRPTv1; rua=https://user:password@example.com/"],
        ["v=TLSRPTv1; rua=https://example.com:0/"],
        ["v=TLSRPTv1; rua=https://example.com:99999/"],
        ["v=TLSRPTv1; rua=https://[::1/"],
        ["v=TLSRPTv1; rua=https://example.com/a b"],
        ["v=TLSRPTv1; rua=https://example.com/\r\nHost: other"],
        ["v=TLSRPTv1; rua=https://example.com/" + "x" * 2000],
    ],
)
def test_no_reports_are_wanted(texts: list[str]) -> None:
    """What makes no sense is nowhere to send to (I11)."""
    assert not record.read(texts)


def test_a_record_names_only_so_many() -> None:
    """Or a record of one domain would have us write to any number of other people."""
    uris = ",".join(f"mailto:a{number}@example.com" for number in range(50))
    assert len(record.read([f"v=TLSRPTv1; rua={uris}"]).mail) == record.MOST


def report(*counts: Count) -> Report:
    return build(Day(DAY, "example.com", counts), REPORTER)


def said(made: Report) -> Any:
    return json.loads(gzip.decompress(made.content))


def failed(result: Result, policy: Policy = STS, **more: str) -> Session:
    details = {"receiving_mx": "mx.example.com", "receiving_ip": "192.0.2.1", "sending_ip": "203.0.113.5", **more}
    return Session("example.com", policy, result, **details)


def test_what_a_report_says() -> None:
    """All fields by RFC 8460 §4.4, with the counts of each policy by itself."""
    made = report(
        Count(Session("example.com", STS), 5_000),
        Count(failed(Result.EXPIRED), 100),
        Count(failed(Result.STARTTLS_NOT_SUPPORTED, receiving_mx="mx2.example.com"), 200),
        Count(Session("example.com", TLSA), 7),
        Count(failed(Result.VALIDATION_FAILURE, TLSA, reason="fits none of its\r\nTLSA records"), 3),
        Count(Session("example.com", NONE), 1),
    )
    assert (made.successes, made.failures) == (5_008, 303)
    where = {"sending-mta-ip": "203.0.113.5", "receiving-mx-hostname": "mx.example.com", "receiving-ip": "192.0.2.1"}
    assert said(made) == {
        "organization-name": "Nankai",
        "date-range": {"start-datetime": "2026-11-29T00:00:00Z", "end-datetime": "2026-11-29T23:59:59Z"},
        "contact-info": "tls@Robot.Genee.cn",
        "report-id": made.report_id,
        "policies": [
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-string": list(STS.strings),
                    "policy-domain": "example.com",
                    "mx-host": ["*.example.com"],
                },
                "summary": {"total-successful-session-count": 5_000, "total-failure-session-count": 300},
                "failure-details": [
                    {"result-type": "certificate-expired", **where, "failed-session-count": 100},
                    {
                        **{"result-type": "starttls-not-supported", **where, "failed-session-count": 200},
                        "receiving-mx-hostname": "mx2.example.com",
                    },
                ],
            },
            {
                "policy": {
                    "policy-type": "tlsa",
                    "policy-string": list(TLSA.strings),
                    "policy-domain": "mx.example.com",
                },
                "summary": {"total-successful-session-count": 7, "total-failure-session-count": 3},
                "failure-details": [
                    {
                        "result-type": "validation-failure",
                        **where,
                        "failure-reason-code": "fits none of its TLSA records",
                        "failed-session-count": 3,
                    }
                ],
            },
            {
                "policy": {"policy-type": "no-policy-found", "policy-domain": "example.com"},
                "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0},
            },
        ],
    }


def test_what_a_report_is_called() -> None:
    """§5.1; and the same day has the same ID again, another day or domain another one (§5.3)."""
    made = report(Count(Session("example.com", NONE), 1))
    unique = made.report_id.partition(".")[2].partition("@")[0]
    assert made.report_id == f"2026-11-29.{unique}@robot.genee.cn"
    assert unique.isalnum()
    assert made.filename == f"robot.genee.cn!example.com!{DAY * 86400}!{DAY * 86400 + 86399}!{unique}.json.gz"
    assert report(Count(Session("example.com", NONE), 9)).report_id == made.report_id
    others = [Day(DAY + 1, "example.com", ()), Day(DAY, "example.net", ())]
    assert made.report_id not in {build(day, REPORTER).report_id for day in others}
    assert day_of(DAY * 86400.0) == day_of(DAY * 86400 + 86399.9) == DAY


def test_the_letter() -> None:
    """§5.3: its header, its two parts, and nothing that a receiver's policy could hold up."""
    made = report(Count(Session("example.com", NONE), 2), Count(failed(Result.NOT_TRUSTED), 1))
    octets = letter.build(made, REPORTER, "tlsrpt@example.com", "01K0QUEUEID", DAY * 86400.0)
    assert octets.isascii()
    lines = octets.split(b"\r\n")
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert max(map(len, lines)) <= 998
    parsed = email.message_from_bytes(octets, policy=email.policy.SMTP)
    assert parsed["From"] == "tls@Robot.Genee.cn"
    assert parsed["To"] == "tlsrpt@example.com"
    subject = f"Report Domain: example.com Submitter: robot.genee.cn Report-ID: <{made.report_id}>"
    assert " ".join(parsed["Subject"].split()) == subject
    assert parsed["TLS-Report-Domain"] == "example.com"
    assert parsed["TLS-Report-Submitter"] == "robot.genee.cn"
    assert parsed["TLS-Required"] == "No"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["Date"] == "Sun, 29 Nov 2026 00:00:00 +0000"
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "tlsrpt"
    text, attached = parsed.iter_parts()
    assert "2 sessions went well, 1 failed" in text.get_content()
    assert attached.get_content_type() == "application/tlsrpt+gzip"
    assert attached.get_filename() == made.filename
    assert base64.b64decode(attached.get_payload()) == made.content


@pytest.mark.parametrize("policy", [TLSA, STS, NONE])
def test_a_policy_survives_the_spool(policy: Policy) -> None:
    assert unpacked(policy.packed()) == policy
