"""The resolver and the clock, on which all else rests. Pure.

A resolver that answers what does not exist turns a misspelt domain into a server that takes mail, and a DNSBL into one
that lists everybody (RFC 8020; RFC 4924 §2.5.2). One that doesn't validate on this host lets DANE rest (RFC 7672 §2.1).
A clock that is wrong makes signatures, certificates and Date lines wrong.
"""

import ipaddress
from dataclasses import dataclass

from hedwig.doctor.finding import AS_ROOT, NOTHING, Check, Finding, Text, Texts, Unknown, in_file, listed

# Open to everybody: DNSBLs refuse what comes through them.
_PUBLIC = {
    *("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "149.112.112.112", "208.67.222.222", "208.67.220.220"),
    *("114.114.114.114", "114.114.115.115", "223.5.5.5", "223.6.6.6", "119.29.29.29", "180.76.76.76"),
    *("2001:4860:4860::8888", "2001:4860:4860::8844", "2606:4700:4700::1111", "2400:3200::1"),
}
_STUB = "127.0.0.53"  # systemd-resolved's: this host's, but it only passes questions on
SKEW = 60.0  # seconds
_OWN = "dns: {nameservers: [127.0.0.1]}"


@dataclass(frozen=True, slots=True)
class Nameservers:
    """What was found. `alive`: the answer for a name that exists; `secure`: it was said to be validated. `absent`: the
    answer for a name that does not exist; `bogus`: for one whose signatures are wrong. `dane`: it is wanted."""

    servers: tuple[str, ...]
    alive: Texts
    secure: bool = False
    absent: Texts = ()
    bogus: Texts = ()
    dane: bool = True


@dataclass(frozen=True, slots=True)
class Clock:
    """`synchronised`: the kernel's word, None where it can't be asked. `offset`: how many seconds this clock is behind
    `server`'s (ahead: less than 0); None where it gave no answer, and then `trouble`: why."""

    synchronised: bool | None = None
    offset: float | None = None
    server: str = ""
    trouble: Text = NOTHING


def judge_resolver(found: Nameservers) -> Finding:
    """One finding: the worst that is to be said."""
    check = Check("resolver", listed(found.servers))
    unbound = Text(
        f"{in_file('worker.yml').en}, with a resolver of its own (apt install unbound)",
        f"{in_file('worker.yml').zh}，并自建 DNS（apt install unbound）",
    )
    if isinstance(found.alive, Unknown):
        seen = Text(f"no answer: {found.alive.text}", f"没有应答：{found.alive.text}")
        if all(ipaddress.ip_address(server).is_loopback for server in found.servers):
            running = Text(
                f"{AS_ROOT.en} (or, where there is none: apt install unbound)",
                f"{AS_ROOT.zh}（若没有安装：apt install unbound）",
            )
            return check.fail(seen, "systemctl restart unbound && journalctl -u unbound -n 50", running)
        return check.fail(seen, _OWN, unbound)
    if isinstance(found.absent, tuple) and found.absent:
        seen = Text(
            f"it answers {found.absent[0]} for a name that does not exist: misspelt domains become servers",
            f"对不存在的名字回答 {found.absent[0]}：写错的域名会被当成真的",
        )
        return check.fail(seen, _OWN, unbound)
    public = [server for server in found.servers if server in _PUBLIC]
    if public:
        seen = Text(
            f"{listed(public)}: a public resolver. Mail flows; DNSBLs refuse it, and DANE rests",
            f"{listed(public)} 是公共 DNS：可以发信，但 DNSBL 不回答它，也没有 DANE",
        )
        return check.warn(seen, _OWN, unbound)
    if not all(ipaddress.ip_address(server).is_loopback for server in found.servers):
        seen = Text("it is not on this host: DANE rests", "不在本机上：没有 DANE")
        return check.warn(seen, _OWN, unbound) if found.dane else check.passed(seen)
    if isinstance(found.bogus, tuple) and found.bogus:
        seen = Text(
            "it takes answers whose signatures are wrong (it does not validate): DANE rests",
            "它接受签名错误的应答（未做 DNSSEC 验证）：没有 DANE",
        )
        return check.warn(seen, _OWN, unbound) if found.dane else check.passed(seen)
    if not found.secure and found.dane:
        seen = Text("it does not validate (DNSSEC): DANE rests", "未做 DNSSEC 验证：没有 DANE")
        if _STUB in found.servers:
            return check.warn(seen, _OWN, unbound)
        where = Text(
            "into /etc/unbound/unbound.conf.d/, then restart unbound",
            "写入 /etc/unbound/unbound.conf.d/，再重启 unbound",
        )
        return check.warn(seen, 'server: auto-trust-anchor-file: "/var/lib/unbound/root.key"', where)
    return check.passed(Text("on this host, validates, invents nothing", "在本机上，验证 DNSSEC，不虚构应答"))


def judge_clock(clock: Clock) -> Finding:
    """Whether the time is right, and stays so."""
    check = Check("clock", clock.server or "-")
    mend, where = (
        "timedatectl set-ntp true",
        Text(f"{AS_ROOT.en} (or: apt install chrony)", f"{AS_ROOT.zh}（或 apt install chrony）"),
    )
    if clock.offset is not None and abs(clock.offset) > SKEW:
        way, way_zh = ("behind", "慢") if clock.offset > 0 else ("ahead", "快")
        seen = Text(
            f"it is {abs(clock.offset):.0f} s {way}: signatures and Date lines are wrong",
            f"时钟{way_zh}了 {abs(clock.offset):.0f} 秒：签名和 Date 都会出错",
        )
        return check.fail(seen, mend, where)
    if clock.synchronised is False:
        right = "" if clock.offset is None else f" (now {clock.offset:+.1f} s)"
        seen = Text(f"it is not kept right by anything{right}", f"没有时间同步{right}")
        return check.warn(seen, mend, where)
    if clock.offset is not None:
        return check.passed(Text(f"right to {abs(clock.offset):.1f} s", f"误差 {abs(clock.offset):.1f} 秒"))
    if clock.synchronised:
        return check.passed(Text("kept right, says systemd", "systemd 报告已同步"))
    return check.skipped(Text(f"can't be told: {clock.trouble.en}", f"无法判断：{clock.trouble.zh}"))
