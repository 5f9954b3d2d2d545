"""TLS policy: how the mail for a domain must travel, and what that asks of each of its hosts.

- this file: the words: what holds for a domain (Policy), and what is asked of one host (Demand)
- `policy.py`: which Policy holds, and which Demand it makes
- `sts.py`: what a domain says of itself by MTA-STS (RFC 8461)
- `pkix.py`: whether a host's certificate comes from an authority that is trusted, and is for its name

The admin's word is the least; what the receiver publishes only adds to it. So for `may`, `encrypt` and `verify` DANE (a
host's TLSA records, RFC 7672) and MTA-STS (a domain's policy) are kept to where they are there, and DANE goes before
MTA-STS (RFC 8461 §2). `none` turns all of it off. Two words of a message change that: one that says `TLS-Required: No`
goes without the receiver's policies, and one that asks for REQUIRETLS goes to hosts alone that are proved (RFC 8689).
"""

from dataclasses import dataclass

from hedwig.dane import TlsaRecord
from hedwig.dane.path import Unproved
from hedwig.routing import MxFound
from hedwig.settings import Tls
from hedwig.tls.sts import Mode, StsPolicy
from hedwig.tlsrpt import Policy as Reported

__all__ = ["Barred", "Demand", "Mode", "Policy", "Reported", "StsPolicy", "Tls", "Tlsa", "Unproved"]

_NOWHERE = MxFound(())


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for the mail of one `domain` (A-labels, or a literal). `level`: the admin's word, and where it stands:
    `origin`. `dane`: whether TLSA records count. `sts`: the domain's MTA-STS policy, where one is in force that asks
    for anything; `sts_trouble`: why there is none though the domain says that it has one. `found`: its exchangers."""

    domain: str
    level: Tls = Tls.MAY
    origin: str = "`tls` in worker.yml"
    dane: bool = False
    sts: StsPolicy | None = None
    sts_trouble: str = ""
    found: MxFound = _NOWHERE


@dataclass(frozen=True, slots=True)
class Tlsa:
    """What DNS says of a host's TLSA records: those that are secure, and their base domain. `unknown`: why it can't
    say; then the host is not to be used (RFC 7672 §2.1.2)."""

    base: str = ""
    records: tuple[TlsaRecord, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of a connection to one host.

    `starttls`: TLS is tried. `required`: why nothing may go in the clear; "" where it may. `records`: the certificate
    must fit one of these, of the base domain `base`. `names`: others than `base` that a DANE-TA certificate may be for.
    `authority`: why the certificate must come from a trusted authority, for the host's name; "" where it need not.
    `testing`: what MTA-STS would ask, which is only told. `words`: what holds, for log and history. `reported`: the
    same for TLS-RPT.
    """

    words: str
    reported: Reported
    starttls: bool = True
    required: str = ""
    records: tuple[TlsaRecord, ...] = ()
    base: str = ""
    names: tuple[str, ...] = ()
    authority: str = ""
    testing: StsPolicy | None = None

    @property
    def dane(self) -> str:
        """Why its certificate must fit its records."""
        return f"its TLSA records ask for it (DANE, _tcp.{self.base})"

    @property
    def proved(self) -> bool:
        """Whether the host must prove which one it is."""
        return bool(self.records or self.authority)


@dataclass(frozen=True, slots=True)
class Barred:
    """The host is not to be used: why, in RFC 8460's word and in ours. `final`: no waiting mends that for this message
    (RFC 8689 §4.2.1); `status`: its enhanced status then. `reported` as in Demand."""

    unproved: Unproved
    reported: Reported
    final: bool = False
    status: str = "5.7.30"
