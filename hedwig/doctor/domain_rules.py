"""What else a sender domain needs: a place where bounces arrive (MX), and, if it publishes one, a TLS policy for its
own incoming mail that fits (MTA-STS) and that is reported on (TLS-RPT). Pure.

Bounces and replies go to the sender's domain; receivers refuse senders that take no mail (RFC 7505 §4.2: 5.7.27).
"""

from dataclasses import dataclass, field

from hedwig.doctor.address_rules import hidden
from hedwig.doctor.finding import NOTHING, Check, Finding, Text, Texts, Unknown, listed, zone
from hedwig.doctor.spf_record import txt
from hedwig.tls import sts
from hedwig.tlsrpt import record as reports


@dataclass(frozen=True, slots=True)
class Host:
    """An exchanger's name, and what its addresses are. `alias`: the name is a CNAME."""

    name: str
    addresses: Texts = ()
    alias: bool = False


@dataclass(frozen=True, slots=True)
class Mx:
    """`exists`: the domain does. `null`: it says that it takes no mail. `implicit`: it has no MX record, but an
    address. `hosts`: best first."""

    domain: str
    hosts: tuple[Host, ...] | Unknown = ()
    exists: bool = True
    null: bool = False
    implicit: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """MTA-STS of a domain: the TXT records of its name, and what its web server gave (octets), or why nothing came;
    `asked`: whether it was."""

    domain: str
    records: Texts = ()
    content: bytes = b""
    trouble: Text = NOTHING
    reports: Texts = ()
    mx: tuple[str, ...] = field(default=())
    asked: bool = True


def judge_mx(mx: Mx) -> Finding:
    """Whether bounces can be delivered there."""
    check, place = Check("mx", mx.domain), zone(mx.domain)
    own = Text(
        f"{place.en}, with the host that takes its mail instead of mail.{mx.domain}",
        f"{place.zh}，把 mail.{mx.domain} 换成实际收信的主机",
    )
    record = f"{mx.domain}. IN MX 10 mail.{mx.domain}."
    if isinstance(mx.hosts, Unknown):
        return check.unknown(mx.hosts)
    if not mx.exists:
        seen = Text(
            f"the domain {mx.domain} does not exist: receivers refuse it", f"域名 {mx.domain} 不存在，收件方会拒收"
        )
        return check.fail(seen, record, own)
    if mx.null:
        seen = Text(
            "a null MX: it takes no mail, so bounces vanish and receivers refuse it as a sender",
            "空 MX：不接收邮件，退信会丢失，收件方也会拒收它发的信",
        )
        return check.fail(seen, record, own)
    if not mx.hosts:
        seen = Text(
            "neither MX nor address: bounces and replies vanish, and receivers refuse it as a sender",
            "没有 MX 也没有地址：退信和回信都会丢失，收件方也会拒收",
        )
        return check.fail(seen, record, own)
    good = [host for host in mx.hosts if _reachable(host)]
    if not good:
        return _none_good(check, mx.hosts)
    if mx.implicit:
        seen = Text(
            "no MX record: bounces go to the host of that name, if it takes mail", "没有 MX 记录：退信会投到同名主机"
        )
        return check.warn(seen, f"{mx.domain}. IN MX 10 {mx.domain}.", place)
    bad = [host for host in mx.hosts if not _reachable(host)]
    if bad:
        seen = Text(f"{bad[0].name} has no address of use", f"{bad[0].name} 没有可用的地址")
        where = Text(f"{zone(bad[0].name).en}, or take its MX away", f"{zone(bad[0].name).zh}，或删去该 MX")
        return check.warn(seen, f"{bad[0].name}. IN A ADDRESS", where)
    aliases = [host for host in mx.hosts if host.alias]
    if aliases:
        seen = Text(
            f"{aliases[0].name} is an alias (CNAME), which an MX must not be (RFC 5321 5.1)",
            f"{aliases[0].name} 是别名（CNAME），MX 不得如此（RFC 5321 5.1）",
        )
        return check.warn(seen, f"{aliases[0].name}. IN A {_first(aliases[0])}", zone(aliases[0].name))
    return check.passed(
        Text(f"bounces go to {listed([h.name for h in good])}", f"退信投到 {listed([h.name for h in good])}")
    )


def _first(host: Host) -> str:
    return "ADDRESS" if isinstance(host.addresses, Unknown) or not host.addresses else host.addresses[0]


def _reachable(host: Host) -> bool:
    return not isinstance(host.addresses, Unknown) and any(not hidden(each) for each in host.addresses)


def _none_good(check: Check, hosts: tuple[Host, ...]) -> Finding:
    host = hosts[0]
    if isinstance(host.addresses, Unknown):
        return check.unknown(host.addresses)
    what = f"is {listed(host.addresses)}, inner addresses" if host.addresses else "has no address"
    what_zh = f"解析为内网地址 {listed(host.addresses)}" if host.addresses else "没有地址"
    seen = Text(f"{host.name} {what}: bounces vanish", f"{host.name} {what_zh}：退信会丢失")
    return check.fail(seen, f"{host.name}. IN A ADDRESS", zone(host.name))


def judge_policy(policy: Policy) -> list[Finding]:
    """MTA-STS, then TLS-RPT. Neither is needed; what is there must be right."""
    return [_sts(policy), _reports(policy)]


def _sts(policy: Policy) -> Finding:
    check, name = Check("mta-sts", policy.domain), f"{sts.RECORD}{policy.domain}"
    if isinstance(policy.records, Unknown):
        return check.unknown(policy.records)
    if not [text for text in policy.records if text.startswith("v=STSv1")]:
        return check.passed(Text("not published, which is allowed", "没有发布（可以不发布）"))
    if not sts.record_id(policy.records):
        seen = Text(f"the record is in error: {policy.records[0]}", f"记录有错：{policy.records[0]}")
        return check.warn(seen, txt(name, "v=STSv1; id=1"), zone(policy.domain))
    url = f"https://{sts.HOST}{policy.domain}{sts.PATH}"
    if not policy.asked:
        return check.skipped(Text(f"{url} was not asked", f"没有访问 {url}"))
    if policy.trouble.en:
        seen = Text(f"{url} can't be had: {policy.trouble.en}", f"{url} 取不到：{policy.trouble.zh}")
        where = Text("serve the policy there, or take the record away", "请在该网址提供策略，或删去记录")
        return check.warn(seen, where=where)
    try:
        said = sts.read(policy.content)
    except sts.BadPolicy as error:
        return check.warn(Text(f"{url}: {error}", f"{url}：{error}"), where=Text("correct it there", "请在该处改正"))
    outside = [host for host in policy.mx if not said.matches(host)]
    if outside and said.mode is not sts.Mode.NONE:
        seen = Text(
            f"the policy ({said.mode}) does not name {outside[0]}, an MX of {policy.domain}",
            f"策略（{said.mode}）没有列出 {policy.domain} 的 MX {outside[0]}",
        )
        found = check.fail if said.mode is sts.Mode.ENFORCE else check.warn
        return found(seen, f"mx: {outside[0]}", Text(f"into {url}", f"写入 {url}"))
    return check.passed(Text(f"mode {said.mode}, and names every MX", f"{said.mode} 模式，列出了全部 MX"))


def _reports(policy: Policy) -> Finding:
    check, name = Check("tls-rpt", policy.domain), f"{reports.NAME}{policy.domain}"
    if isinstance(policy.reports, Unknown):
        return check.unknown(policy.reports)
    ours = [text for text in policy.reports if text.startswith("v=TLSRPTv1")]
    wanted = txt(name, f"v=TLSRPTv1; rua=mailto:postmaster@{policy.domain}")
    if ours and not reports.read(policy.reports):
        seen = Text(f"the record is in error: {listed(ours)}", f"记录有错：{listed(ours)}")
        return check.warn(seen, wanted, zone(policy.domain))
    if not ours:
        if not isinstance(policy.records, Unknown) and sts.record_id(policy.records):
            seen = Text(
                "no record: nobody tells when the MTA-STS policy keeps mail away",
                "没有记录：MTA-STS 挡住邮件时无人告知",
            )
            return check.warn(seen, wanted, zone(policy.domain))
        return check.passed(Text("not published, which is allowed", "没有发布（可以不发布）"))
    return check.passed(Text("reports are taken", "接收报告"))
