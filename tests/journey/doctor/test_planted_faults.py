"""Faults that were planted, each in a domain or at an address of its own: the doctor finds each, and names its mend."""

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml

from .clinic import NAME, SOURCE, Clinic, sender
from .test_planted_file_faults import FAULTS as FILE_FAULTS
from .test_planted_keys import FAULTS as KEY_FAULTS

CHINESE = re.compile("[\u4e00-\u9fff]")

_INCLUDES = " ".join(f"include:i{number}.c.example" for number in range(11))
_EIGHT = " ".join(f"include:i{number}.c.example" for number in range(8))
ZONES = "\n".join(
    [
        sender("nospf.example", spf=""),
        sender("twospf.example", spf=f'TXT "v=spf1 ip4:{SOURCE} -all"\nTXT "v=spf1 ip4:203.0.113.9 ~all"'),
        sender("plusall.example", spf='TXT "v=spf1 +all"'),
        sender("other.example", spf='TXT "v=spf1 ip4:203.0.113.9 ~all"'),
        sender("typo.example", spf=f'TXT "v=spf1 ipv4:{SOURCE} -all"'),
        sender("many.example", spf=f'TXT "v=spf1 {_INCLUDES} -all"'),
        sender("eight.example", spf=f'TXT "v=spf1 {_EIGHT} ip4:{SOURCE} -all"'),
        sender("void.example", spf='TXT "v=spf1 a:n1.void.example a:n2.void.example a:n3.void.example -all"'),
        *(f'i{number}.c.example. IN TXT "v=spf1 ip4:203.0.113.{number} -all"' for number in range(11)),
        sender("nodmarc.example", dmarc=""),
        sender("twodmarc.example", dmarc='TXT "v=DMARC1; p=none"\nTXT "v=DMARC1; p=reject"'),
        sender("baddmarc.example", dmarc='TXT "v=DMARC1; p=nothing"'),
        sender("rua.example", dmarc='TXT "v=DMARC1; p=none; rua=mailto:d@reports.example"'),
        sender("unaligned.example", spf='TXT "v=spf1 -all"', dmarc='TXT "v=DMARC1; p=reject"'),
        sender("nomx.example", mx=""),
        sender("nullmx.example", mx="MX 0 ."),
        sender("lostmx.example", mx="MX 10 gone.lostmx.example."),
        sender("innermx.example", mx="MX 10 mx.innermx.example."),
        "mx.innermx.example. IN A 10.0.0.25",
        sender("badsts.example"),
        '_mta-sts.badsts.example. IN TXT "v=STSv1; id="',
        sender("badrpt.example"),
        '_smtp._tls.badrpt.example. IN TXT "v=TLSRPTv1; rua=ftp://x"',
        # addresses
        "10.100.51.198.in-addr.arpa. IN PTR lost.example.",
        f"11.100.51.198.in-addr.arpa. IN PTR {NAME}.",
        "12.100.51.198.in-addr.arpa. IN PTR 198-51-100-12.pool.example.",
        "198-51-100-12.pool.example. IN A 198.51.100.12",
    ]
)
DOMAIN_FAULTS = [
    ("spf", "nospf.example", "fail", "no SPF record", f'nospf.example. IN TXT "v=spf1 ip4:{SOURCE} ~all"'),
    ("spf", "twospf.example", "fail", "2 SPF records", f"ip4:{SOURCE} ip4:203.0.113.9 "),
    ("spf", "plusall.example", "fail", "+all", f'"v=spf1 ip4:{SOURCE} ~all"'),
    ("spf", "other.example", "fail", "softfail", f'"v=spf1 ip4:{SOURCE} ip4:203.0.113.9 ~all"'),
    ("spf", "typo.example", "fail", "permerror", f'"v=spf1 ip4:{SOURCE} -all"'),
    ("spf", "many.example", "fail", "11 DNS look-ups", f'"v=spf1 ip4:{SOURCE} include:i0'),
    ("spf", "eight.example", "warn", "8 DNS look-ups", f'"v=spf1 ip4:{SOURCE} include:i0'),
    ("spf", "void.example", "fail", "permerror", ""),
    ("dkim", "nospf.example", "warn", "not signed", "hedwig dkim new nospf.example"),
    ("dmarc", "nodmarc.example", "warn", "no DMARC record", '_dmarc.nodmarc.example. IN TXT "v=DMARC1; p=none; rua='),
    ("dmarc", "twodmarc.example", "fail", "2 DMARC records", '_dmarc.twodmarc.example. IN TXT "v=DMARC1; p='),
    ("dmarc", "baddmarc.example", "fail", "p=nothing", '_dmarc.baddmarc.example. IN TXT "v=DMARC1; p=none"'),
    ("dmarc", "rua.example", "warn", "reports.example", "rua.example._report._dmarc.reports.example. IN TXT"),
    ("dmarc", "unaligned.example", "fail", "neither SPF nor DKIM", ""),
    ("mx", "nomx.example", "fail", "neither MX nor address", "nomx.example. IN MX 10 mail.nomx.example."),
    ("mx", "nullmx.example", "fail", "null MX", "nullmx.example. IN MX 10 mail.nullmx.example."),
    ("mx", "lostmx.example", "fail", "no address", "gone.lostmx.example. IN A ADDRESS"),
    ("mx", "innermx.example", "fail", "10.0.0.25", "mx.innermx.example. IN A ADDRESS"),
    ("mx", "missing.example", "fail", "does not exist", "missing.example. IN MX 10"),
    ("mta-sts", "badsts.example", "warn", "in error", '_mta-sts.badsts.example. IN TXT "v=STSv1; id=1"'),
    ("tls-rpt", "badrpt.example", "warn", "in error", '_smtp._tls.badrpt.example. IN TXT "v=TLSRPTv1; rua=mailto:'),
]
ADDRESS_FAULTS = [
    ("ptr", "198.51.100.9", "fail", "no PTR", f"9.100.51.198.in-addr.arpa. IN PTR {NAME}."),
    ("ptr", "2001:db8::99", "fail", "worse than no IPv6", f"ip6.arpa. IN PTR {NAME}."),
    ("ptr", "198.51.100.10", "fail", "does not lead back", "lost.example. IN A 198.51.100.10"),
    ("ptr", "198.51.100.11", "fail", "does not lead back", f"{NAME}. IN A 198.51.100.11"),
    ("ptr", "198.51.100.12", "warn", "pool name", f"12.100.51.198.in-addr.arpa. IN PTR {NAME}."),
    ("ptr", "10.1.2.3", "warn", "inner address", "doctor: {addresses: [PUBLIC-ADDRESS]}"),
    ("ehlo", "198.51.100.9", "fail", f"which is {SOURCE}", f"{NAME}. IN A 198.51.100.9"),
    ("ehlo", "198.51.100.12", "fail", f"which is {SOURCE}", "ehlo: 198-51-100-12.pool.example"),
]
NETWORK_FAULTS = [
    ("port-25", ("--receiver", "closed.example"), "fail", "no receiver can be reached", "smarthosts:"),
    ("dnsbl", ("--dnsbl", "lists.bl.example"), "fail", "a test listing", ""),
    ("dnsbl", ("--dnsbl", "public.bl.example"), "warn", "that is no listing", "nameservers: [127.0.0.1]"),
    ("dnsbl", ("--dnsbl", "wild.bl.example"), "warn", "is no DNSBL", "nameservers: [127.0.0.1]"),
    ("dnsbl", ("--dnsbl", "dead.bl.example"), "warn", "is no DNSBL", "nameservers: [127.0.0.1]"),
]


@pytest.mark.parametrize(("check", "domain", "grade", "seen", "mend"), DOMAIN_FAULTS)
def test_a_domains_fault_is_found(clinic: Clinic, check: str, domain: str, grade: str, seen: str, mend: str) -> None:
    found = clinic.finding(check, domain, "--no-connect")
    assert found["grade"] == grade, found
    assert seen in found["seen"], found
    assert mend in found["mend"], found
    assert found["where"]


@pytest.mark.parametrize(("check", "address", "grade", "seen", "mend"), ADDRESS_FAULTS)
def test_an_addresss_fault_is_found(clinic: Clinic, check: str, address: str, grade: str, seen: str, mend: str) -> None:
    found = clinic.finding(check, NAME, "--no-connect", "--address", address)
    assert found["grade"] == grade, found
    assert seen in found["seen"], found
    assert mend in found["mend"], found


@pytest.mark.parametrize(("check", "arguments", "grade", "seen", "mend"), NETWORK_FAULTS)
def test_a_networks_fault_is_found(
    clinic: Clinic, check: str, arguments: tuple[str, ...], grade: str, seen: str, mend: str
) -> None:
    found = clinic.finding(check, NAME, *arguments)
    assert found["grade"] == grade, found
    assert seen in found["seen"], found
    assert mend in found["mend"], found


@pytest.mark.parametrize("language", ["C.UTF-8", "zh_CN.UTF-8"])
def test_all_domains_of_a_host_at_once(clinic: Clinic, tmp_path: Path, language: str) -> None:
    """As the weekly run has it, and as an operator reads it: each fault with its mend, in the operator's language."""
    shutil.copy(clinic.host.config / "worker.yml", tmp_path)
    shutil.copy(clinic.host.config / "postoffice.yml", tmp_path)
    (tmp_path / "clients.d").mkdir()
    senders = [f"*@{domain}" for domain in dict.fromkeys(fault[1] for fault in DOMAIN_FAULTS)]
    client = {"key": [f"sha256:{'0' * 64}"], "senders": senders}
    (tmp_path / "clients.d" / "less.example.com.yml").write_text(yaml.safe_dump(client))
    lines = clinic.run("--no-connect", language=language, config=tmp_path).stdout.splitlines()
    grades = {"fail": "失败", "warn": "注意"} if language.startswith("zh") else {"fail": "FAIL", "warn": "WARN"}
    for check, domain, grade, seen, mend in DOMAIN_FAULTS:
        starts = [
            number
            for number, line in enumerate(lines)
            if line.split()[:2] == [grades[grade], check] and line.split()[2] == domain
        ]
        assert starts, (check, domain, lines)
        told = lines[starts[0] + 1]
        assert CHINESE.search(told) if language.startswith("zh") else seen in told, told
        assert any(line.startswith(f"       {mend}") or mend in line for line in lines[starts[0] : starts[0] + 4])
        assert lines[starts[0] + 2].startswith("    -> ")
    if language.startswith("zh"):
        for line in lines:
            if line.startswith("    ") and not line.startswith("       "):
                assert CHINESE.search(line), line


def test_the_page_counts_them() -> None:
    """docs/doctor.md says how many of each kind are planted here; it is no fewer than twenty in all."""
    planted = Counter(fault[0] for fault in (*DOMAIN_FAULTS, *ADDRESS_FAULTS, *NETWORK_FAULTS))
    planted["dkim"] += len(KEY_FAULTS) + 4  # two short keys, one kind alone, a damaged file
    planted += Counter(fault.check for fault in FILE_FAULTS)
    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text(encoding="utf-8")
    told = {check: int(count) for check, count in re.findall(r"^\| ([a-z0-9-]+) \| (\d+) \| ", page, re.MULTILINE)}
    assert {check: told.get(check) for check in planted} == dict(planted)
    assert sum(planted.values()) >= 20


def test_what_is_well_passes(clinic: Clinic) -> None:
    """The resolver validates, the clock is right, the receiver answers; only the key is missing."""
    told = clinic.examine(NAME, "--dnsbl", "good.bl.example")
    grades = {each["check"]: each["grade"] for each in told["findings"]}
    wrong = {check: grade for check, grade in grades.items() if grade != "pass"}
    assert wrong == {"dkim": "warn"}, told
    assert told["status"] == 0


@pytest.mark.parametrize(
    ("check", "domain"),
    [
        *(("spf", f"{name}.example") for name in ("nospf", "twospf", "plusall", "other", "typo")),
        ("dmarc", "nodmarc.example"),
        ("dmarc", "baddmarc.example"),
        ("dmarc", "rua.example"),
        ("tls-rpt", "badrpt.example"),
    ],
)
def test_the_mend_mends_it(clinic: Clinic, check: str, domain: str) -> None:
    """The very line, put where it belongs, makes the check pass."""
    clinic.apply(clinic.finding(check, domain, "--no-connect")["mend"])
    clinic.passes(check, domain, "--no-connect")


def test_an_address_is_mended(clinic: Clinic) -> None:
    clinic.apply(clinic.finding("ptr", NAME, "--no-connect", "--address", "198.51.100.10")["mend"])
    clinic.passes("ptr", NAME, "--no-connect", "--address", "198.51.100.10")


def test_the_address_that_receivers_see_is_a_setting(clinic: Clinic, tmp_path: Path) -> None:
    """Behind NAT: the line that is printed, put into worker.yml, has that address judged, as the weekly run needs."""
    worker = yaml.safe_load((clinic.host.config / "worker.yml").read_text())
    worker["sources"]["main"]["ipv4"] = "10.1.2.3"
    worker["doctor"]["addresses"] = ["198.51.100.11"]
    (tmp_path / "worker.yml").write_text(yaml.safe_dump(worker))
    told = clinic.finding("ptr", NAME, "--no-connect", config=tmp_path)
    assert told["subject"] == "198.51.100.11", told
