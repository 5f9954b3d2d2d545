"""DMARC of a sender domain (RFC 7489; RFC 9989 walks up the tree): its record, whether our letters are aligned with it,
and whether its reports reach anybody. Pure.

Aligned means that a check that passes was made for the domain that readers see in From: SPF for the sender's address,
or DKIM with a d= of it. Letters are taken to have a sender address of their From domain, as `from_mismatch` has it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hedwig.dkim.record import tags
from hedwig.doctor.finding import AS_ROOT, Check, Finding, Text, Texts, Unknown, zone
from hedwig.doctor.spf_record import txt

_VERSION = re.compile(r"v\s*=\s*DMARC1\s*(?:;|\Z)")
_MAILTO = re.compile(r"mailto:[^@\s,!]+@([A-Za-z0-9.-]+)(?:![0-9]+[kmgt]?)?\Z", re.IGNORECASE)
_POLICIES = ("none", "quarantine", "reject")
MOST_PARENTS = 8


@dataclass(frozen=True, slots=True)
class Dmarc:
    """What was found. `at`: the domain whose record it is, the sender's or one above it; `records`: the DMARC records
    there. `spf`, `dkim`: whether letters pass, aligned; `own_key`: DKIM does, by a key of the very domain. `consents`:
    of domains elsewhere to which reports go, whether they take them."""

    domain: str
    at: str = ""
    records: Texts = ()
    spf: bool = False
    dkim: bool = False
    consents: Mapping[str, Texts] = field(default_factory=dict)
    own_key: bool = False


def is_dmarc(text: str) -> bool:
    """Whether a TXT record is one of DMARC (§6.3: v is the first tag)."""
    return bool(_VERSION.match(text))


def parents(domain: str) -> list[str]:
    """The domain, and those above it that have a dot, nearest first."""
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(max(len(labels) - 1, 1))][:MOST_PARENTS]


def strangers(record: str, at: str) -> list[str]:
    """Domains outside of the record's own to which it sends reports (§7.1)."""
    said = tags(record)
    uris = [uri.strip() for name in ("rua", "ruf") for uri in said.get(name, "").split(",") if uri.strip()]
    hosts = [found[1].lower() for uri in uris if (found := _MAILTO.match(uri))]
    return [host for host in dict.fromkeys(hosts) if not _related(host, at)]


def _related(one: str, other: str) -> bool:
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def consent(at: str, stranger: str) -> str:
    """The name at which a domain elsewhere says that it takes reports about `at`."""
    return f"{at}._report._dmarc.{stranger}"


def judge(dmarc: Dmarc) -> list[Finding]:
    """The record; and the consents."""
    check = Check("dmarc", dmarc.domain)
    if isinstance(dmarc.records, Unknown):
        return [check.unknown(dmarc.records)]
    wanted = f"v=DMARC1; p=none; rua=mailto:postmaster@{dmarc.domain}"
    if not dmarc.records:
        seen = Text(
            "no DMARC record: Gmail, Outlook and Yahoo want one of whoever sends much",
            "没有 DMARC 记录：发信量大时 Gmail、Outlook、Yahoo 要求有",
        )
        return [check.warn(seen, txt(f"_dmarc.{dmarc.domain}", wanted), zone(dmarc.domain))]
    name = f"_dmarc.{dmarc.at}"
    if len(dmarc.records) > 1:
        seen = Text(
            f"{len(dmarc.records)} DMARC records: receivers take that for none",
            f"有 {len(dmarc.records)} 条 DMARC 记录：收件方当作没有",
        )
        return [check.fail(seen, txt(name, dmarc.records[0]), Text(*(f"{each}" for each in _only(dmarc.at))))]
    return [_judged(check, dmarc, dmarc.records[0], name), *_consents(dmarc, dmarc.records[0])]


def _only(domain: str) -> Text:
    place = zone(domain)
    return Text(f"{place.en}, and no other", f"{place.zh}，只留这一条")


def _judged(check: Check, dmarc: Dmarc, record: str, name: str) -> Finding:
    said = tags(record)
    policy = said.get("p", "").lower()
    if not said or policy not in _POLICIES:
        reports = f"; rua={said['rua']}" if said.get("rua") else ""
        wrong = "it is no list of tags" if not said else f"p={said.get('p', '')} is none of {', '.join(_POLICIES)}"
        wrong_zh = "不是标签列表" if not said else f"p={said.get('p', '')} 不是 {'、'.join(_POLICIES)} 之一"
        seen = Text(f"the record is in error: {wrong} ({record})", f"记录有错：{wrong_zh}（{record}）")
        return check.fail(seen, txt(name, f"v=DMARC1; p=none{reports}"), zone(dmarc.at))
    if dmarc.domain != dmarc.at:
        policy = said.get("sp", policy).lower()
    strict = said.get("adkim", "").lower() == "s"  # then only a key of the very domain counts (RFC 7489 §3.1.1)
    dkim = dmarc.own_key if strict else dmarc.dkim
    if strict and dmarc.dkim and not (dmarc.spf or dkim):
        seen = Text(
            f"adkim=s, and {dmarc.domain} is signed by a key of the domain above it: not aligned, p={policy}",
            f"adkim=s，而 {dmarc.domain} 由上级域名的密钥签名：不对齐，p={policy}",
        )
        return check.fail(seen, f"hedwig dkim new {dmarc.domain}", AS_ROOT)
    if not (dmarc.spf or dkim):
        seen = Text(
            f"neither SPF nor DKIM passes for {dmarc.domain}, and the record says p={policy} of such letters",
            f"{dmarc.domain} 的 SPF 与 DKIM 都不通过，而记录要求对这样的邮件 p={policy}",
        )
        return check.fail(seen, where=Text("mend SPF or DKIM, as told above", "请按上面的提示修复 SPF 或 DKIM"))
    by = " + ".join(what for what, passes in (("SPF", dmarc.spf), ("DKIM", dkim)) if passes)
    return check.passed(Text(f"p={policy}, aligned by {by}", f"p={policy}，由 {by} 对齐"))


def _consents(dmarc: Dmarc, record: str) -> list[Finding]:
    found = []
    for stranger in strangers(record, dmarc.at):
        answer = dmarc.consents.get(stranger, ())
        name = consent(dmarc.at, stranger)
        if isinstance(answer, Unknown) or any(is_dmarc(text) for text in answer):
            continue
        seen = Text(
            f"{stranger} does not say that it takes reports about {dmarc.at}: none are sent",
            f"{stranger} 没有声明接收 {dmarc.at} 的报告，因此收不到报告",
        )
        found.append(Check("dmarc", f"{dmarc.domain} (rua)").warn(seen, txt(name, "v=DMARC1"), zone(stranger)))
    return found
