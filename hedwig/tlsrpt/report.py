"""The report of one day about one domain: JSON (RFC 8460 §4.4, §4.5), compressed (§5.2), and what it is called (§5.1).

The same day, domain and reporter give the same ID, so that who gets a report twice knows it (§5.3).
"""

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hedwig.reply import one_line
from hedwig.tlsrpt import DAY, Count, Day, Policy, PolicyType, Reporter, Result, Session


@dataclass(frozen=True, slots=True)
class Report:
    """`report_id`: local part and domain, as of a Message-ID. `content`: gzip's. `successes`, `failures`: sessions."""

    domain: str
    report_id: str
    filename: str
    content: bytes
    successes: int
    failures: int


def build(day: Day, reporter: Reporter) -> Report:
    """The report about `day`, by `reporter`."""
    start = day.number * DAY
    end = start + DAY - 1
    unique = hashlib.sha256(f"{day.number} {day.domain} {reporter.contact}".encode()).hexdigest()[:16]
    report_id = f"{_moment(start)[:10]}.{unique}@{reporter.domain}"
    policies: dict[Policy, list[Count]] = {}
    for count in day.counts:
        policies.setdefault(count.session.policy, []).append(count)
    told = {
        "organization-name": reporter.organization,
        "date-range": {"start-datetime": _moment(start), "end-datetime": _moment(end)},
        "contact-info": reporter.contact,
        "report-id": report_id,
        "policies": [_policy(policy, counts) for policy, counts in policies.items()],
    }
    return Report(
        domain=day.domain,
        report_id=report_id,
        filename=f"{reporter.domain}!{day.domain}!{start}!{end}!{unique}.json.gz",
        content=gzip.compress(json.dumps(told, indent=1).encode(), mtime=0),
        successes=_sum(day.counts, failed=False),
        failures=_sum(day.counts, failed=True),
    )


def _policy(policy: Policy, counts: list[Count]) -> dict[str, Any]:
    said: dict[str, Any] = {"policy-type": policy.kind.value}
    if policy.kind is not PolicyType.NONE:
        said["policy-string"] = list(policy.strings)
    said["policy-domain"] = policy.domain
    if policy.mx:
        said["mx-host"] = list(policy.mx)
    told: dict[str, Any] = {
        "policy": said,
        "summary": {
            "total-successful-session-count": _sum(counts, failed=False),
            "total-failure-session-count": _sum(counts, failed=True),
        },
    }
    failures = [_failure(each.session, each.sessions) for each in counts if each.session.result is not Result.SUCCESS]
    if failures:
        told["failure-details"] = failures
    return told


def _failure(session: Session, sessions: int) -> dict[str, Any]:
    told = {
        "result-type": session.result.value,
        "sending-mta-ip": session.sending_ip,
        "receiving-mx-hostname": session.receiving_mx,
        "receiving-ip": session.receiving_ip,
        "failure-reason-code": one_line(session.reason),
    }
    return {name: value for name, value in told.items() if value} | {"failed-session-count": sessions}


def _sum(counts: Sequence[Count], failed: bool) -> int:
    return sum(count.sessions for count in counts if (count.session.result is not Result.SUCCESS) == failed)


def _moment(seconds: int) -> str:
    """RFC 3339, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
