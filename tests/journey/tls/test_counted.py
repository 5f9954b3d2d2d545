"""How TLS went with each receiver is counted for its report (TLS-RPT, RFC 8460), under the policy that held."""

import time

import pytest

from hedwig.spool.sqlite import open_spool
from hedwig.spool.tls_results import take
from hedwig.tlsrpt import Count, PolicyType, Result

from .realm import Has, Realm

WORKER = {"tls_report": {"contact": "tls@robot.genee.cn"}}
RECEIVERS = {
    "none": Has("own"),
    "none, clear": Has(""),
    "none, noise": Has("noise"),
    "tlsa": Has("own", "fits"),
    "tlsa, other": Has("own", "other"),
    "tlsa, bogus": Has("own", "bogus"),
    "sts": Has(sts="enforce", insecure=True),
    "sts, own": Has("own", sts="enforce", insecure=True),
    "sts, expired": Has("expired", sts="enforce", insecure=True),
    "sts, elsewhere": Has(sts="enforce", names="elsewhere.example", insecure=True),
    "sts, testing": Has("other", sts="testing", insecure=True),
    "sts, missing": Has("own", sts="missing", insecure=True),
    "switched off": Has("own", rule={"tls": "none"}),
}
OUTCOMES = {"tlsa, other", "tlsa, bogus", "sts, own", "sts, expired", "sts, elsewhere"}  # those that wait
NONE, TLSA, STS = PolicyType.NONE, PolicyType.TLSA, PolicyType.STS
COUNTED = {
    "none": {(NONE, Result.SUCCESS)},
    "none, clear": {(NONE, Result.STARTTLS_NOT_SUPPORTED)},
    "none, noise": {(NONE, Result.VALIDATION_FAILURE)},
    "tlsa": {(TLSA, Result.SUCCESS)},
    "tlsa, other": {(TLSA, Result.VALIDATION_FAILURE)},
    "tlsa, bogus": {(NONE, Result.DNSSEC_INVALID)},
    "sts": {(STS, Result.SUCCESS)},
    "sts, own": {(STS, Result.NOT_TRUSTED)},
    "sts, expired": {(STS, Result.EXPIRED)},
    "sts, elsewhere": {(STS, Result.VALIDATION_FAILURE)},
    "sts, testing": {(STS, Result.HOST_MISMATCH)},
    "sts, missing": {(STS, Result.STS_FETCH_ERROR), (NONE, Result.SUCCESS)},
    "switched off": set(),
}


@pytest.fixture(scope="module")
def counted(realm: Realm) -> dict[str, list[Count]]:
    """What was counted of each, once a worker has tried all and ended."""
    for name, case in realm.cases.items():
        case.met("deferred" if name in OUTCOMES else "delivered")
    realm.host["worker-1"].stop()
    spool = open_spool(str(realm.host.spool))
    found = {}
    while days := take(spool, time.time() + 2 * 86400.0).result(10).days:
        found.update({day.domain: list(day.counts) for day in days})
    spool.close()
    return found


@pytest.mark.parametrize("name", COUNTED)
def test_what_is_counted(realm: Realm, counted: dict[str, list[Count]], name: str) -> None:
    sessions = [each.session for each in counted.get(realm[name].domain, [])]
    assert {(each.policy.kind, each.result) for each in sessions} == COUNTED[name]


def test_a_failure_says_where_and_why(realm: Realm, counted: dict[str, list[Count]]) -> None:
    case = realm["sts, own"]
    [count] = counted[case.domain]
    session = count.session
    assert (session.receiving_mx, session.receiving_ip) == (f"mx1.{case.domain}", case.far.address)
    assert session.reason == "self-signed certificate (certificate 0 of the path)"
    assert session.policy.strings[:2] == ("version: STSv1", "mode: enforce")
    assert session.policy.mx == (f"mx1.{case.domain}",)
    [tlsa] = counted[realm["tlsa"].domain]
    assert tlsa.session.policy.domain == f"mx1.{realm['tlsa'].domain}"
    assert tlsa.session.policy.strings[0].startswith("3 1 1 ")
