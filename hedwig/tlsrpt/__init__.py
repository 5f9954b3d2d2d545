"""TLS reports (RFC 8460): once a day a domain that asks for it hears how TLS went with its hosts.

- this file: what is counted, and by which words
- `record.py`: where a domain wants its reports, by its TXT record
- `report.py`: the report: JSON, compressed
- `letter.py`: the mail that carries it

All pure. The counts lie in the spool (hedwig/spool/tls_results.py); a worker sends (hedwig/worker/tls_reports.py).
"""

import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass

DAY = 86_400


class PolicyType(enum.StrEnum):
    """What said how TLS was to be (RFC 8460 §4.4)."""

    TLSA = "tlsa"
    STS = "sts"
    NONE = "no-policy-found"


class Result(enum.StrEnum):
    """How a session failed (RFC 8460 §4.3). SUCCESS is ours: there is no word for it, only a count."""

    SUCCESS = ""
    STARTTLS_NOT_SUPPORTED = "starttls-not-supported"
    HOST_MISMATCH = "certificate-host-mismatch"
    EXPIRED = "certificate-expired"
    NOT_TRUSTED = "certificate-not-trusted"
    VALIDATION_FAILURE = "validation-failure"
    TLSA_INVALID = "tlsa-invalid"
    DNSSEC_INVALID = "dnssec-invalid"
    DANE_REQUIRED = "dane-required"
    STS_FETCH_ERROR = "sts-policy-fetch-error"
    STS_INVALID = "sts-policy-invalid"
    STS_WEBPKI_INVALID = "sts-webpki-invalid"


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy that a session was held to. `domain`: the recipients' domain, but for TLSA records their base domain
    (RFC 8460 §1.1). `strings`: the records as zone files have them, or the lines of the MTA-STS policy. `mx`: the
    patterns of the MTA-STS policy."""

    kind: PolicyType
    domain: str
    strings: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()

    def packed(self) -> str:
        """As one line of JSON; the same policy always gives the same."""
        return json.dumps([self.kind.value, self.domain, self.strings, self.mx], separators=(",", ":"))


def unpacked(text: str) -> Policy:
    """What `Policy.packed` gave."""
    kind, domain, strings, mx = json.loads(text)
    return Policy(PolicyType(kind), domain, tuple(strings), tuple(mx))


@dataclass(frozen=True, slots=True)
class Session:
    """One try to speak TLS with one host, for the mail of one `domain` (A-labels). What stands below `result` is told
    of failures only: the host's name and address, our address, and the error in a few words."""

    domain: str
    policy: Policy
    result: Result = Result.SUCCESS
    receiving_mx: str = ""
    receiving_ip: str = ""
    sending_ip: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """So many sessions that were alike."""

    session: Session
    sessions: int


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports. `contact`: the address that stands for it; its domain is the submitter's."""

    organization: str
    contact: str

    @property
    def domain(self) -> str:
        """The submitter (RFC 8460 §5.3)."""
        return self.contact.rpartition("@")[2].lower()


@dataclass(frozen=True, slots=True)
class Day:
    """What is known of one domain's sessions on one day. `number`: days since 1970, in UTC."""

    number: int
    domain: str
    counts: Sequence[Count]


def day_of(moment: float) -> int:
    """The day of a moment in Unix seconds."""
    return int(moment // DAY)
