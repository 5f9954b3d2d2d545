"""The records of one type at the end of a name's CNAMEs, whether they are secure, and for how long they are good.

Secure means that the nameserver says so for each step (the AD bit, RFC 4035 §3.2.3) and is one that we believe it of
(nameserver.py). We validate nothing ourselves. What is bogus comes as SERVFAIL from a server that validates, and so as
Unanswered.

The times are in seconds. Answers are kept for their TTL within bounds, and absence for the SOA's minimum up to
MAX_ABSENT (RFC 2308).
"""

import re
from dataclasses import dataclass

import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype

from hedwig.mx import MxUnknown
from hedwig.mx.nameserver import Nameservers, Unanswered
from hedwig.reply import one_line

MIN_TTL = 1.0
MAX_TTL = 86_400.0
MAX_ABSENT = 300.0
UNBOUNDED_ABSENT = 30.0  # no SOA came with it: RFC 2308 §5 says not to keep it, 50,000 letters say to keep it briefly
FAILURE_TTL = 30.0
GONE_TTL = 1.0  # of a failure while the nameservers are gone
_MAX_HOPS = 8
_LABEL = re.compile(rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\Z")


@dataclass(frozen=True, slots=True)
class Records:
    """What is there for a name and type; empty where nothing is. `exists`: the name has records, if of other types.

    `name`: where it was found, another than was asked for if there were CNAMEs. `secure`: that, all CNAMEs, or that
    there is nothing, is vouched for by DNSSEC.
    """

    rdatas: tuple[dns.rdata.Rdata, ...]
    ttl: float
    name: dns.name.Name
    exists: bool = True
    secure: bool = False


async def look_up(nameservers: Nameservers, asked: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Records:
    """The records of that type at the end of the chain of CNAMEs. Raises Unanswered."""
    name, ttl, secure = asked, MAX_TTL, True
    for _ in range(_MAX_HOPS):
        answer = await nameservers.ask(name, rdtype)
        secure = secure and answer.secure
        name = answer.name
        ttl = min(ttl, answer.ttl)
        if answer.records:
            return Records(answer.records, max(ttl, MIN_TTL), name, secure=secure)
        exists = answer.rcode != dns.rcode.NXDOMAIN
        if answer.has_soa or not exists or not answer.aliased:
            absent = min(max(ttl, MIN_TTL), MAX_ABSENT) if answer.has_soa else UNBOUNDED_ABSENT
            return Records((), absent, name, exists, secure)
        # Else it is a server that doesn't follow CNAMEs itself.
    raise Unanswered(f"more than {_MAX_HOPS} CNAMEs in a row")


def name_of(text: str) -> dns.name.Name:
    """`text` as an absolute name, without any interpretation of escapes or IDNs (I11)."""
    return dns.name.Name([*text.encode("utf-8", "replace").split(b"."), b""])


def host_of(name: dns.name.Name) -> str | None:
    """The name as text if it can be a host's: letters, digits, hyphens and (seen in the wild) underscores; not an IP
    address written as a name. Else None."""
    labels = name.labels[:-1]
    if not labels or not all(_LABEL.match(label) for label in labels) or labels[-1].isdigit():
        return None
    return b".".join(labels).decode("ascii").lower()


def alias_of(asked: dns.name.Name, found: dns.name.Name) -> str:
    """The name at the end of CNAMEs; "" where there were none, or where it can't be a host's."""
    return "" if found == asked else host_of(found) or ""


def unknown(what: str, error: Unanswered) -> tuple[MxUnknown, float]:
    """The answer where DNS could not say, and for how long it is kept."""
    return MxUnknown(one_line(f"{what}: {error}"), error.gone), failure_ttl(error.gone)


def failure_ttl(gone: float) -> float:
    """How long a failure is kept; `gone` as in MxUnknown."""
    return GONE_TTL if gone else FAILURE_TTL
