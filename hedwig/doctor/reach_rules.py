"""What the outside lets us do from one address: reach port 25 of receivers, and stand on no DNSBL. Pure.

Clouds and campus networks block port 25 outward, or lead it to a server of their own. A DNSBL answers inside of
127.0.0.0/8 (RFC 5782 §2.1); 127.0.0.2 is always on it and 127.0.0.1 never (§5), which shows whether it answers us at
all: big ones refuse public resolvers, and Spamhaus answers those with 127.255.255.x, which is an error and no listing.
"""

import enum
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hedwig.doctor.address_rules import hidden
from hedwig.doctor.finding import NOTHING, Check, Finding, Text, Texts, Unknown, both_listed, in_file, listed, same

_ERRORS = ipaddress.ip_network("127.255.255.0/24")
_ANSWERS = ipaddress.ip_network("127.0.0.0/8")
_NAME = re.compile(r"(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*\Z")
_WHY = {
    "127.255.255.252": ("its name is misspelt", "列表名写错了"),
    "127.255.255.254": ("it refuses public resolvers", "它不回答公共 DNS 服务器"),
    "127.255.255.255": ("it was asked too often from this resolver", "此 DNS 服务器查询过多"),
}


class Reach(enum.Enum):
    """How far a connection came."""

    ANSWERED = enum.auto()
    NO_HOST = enum.auto()  # the receiver has no MX that could be asked, or DNS is gone
    UNBOUND = enum.auto()  # the source address is not this host's
    SILENT = enum.auto()  # a time-out: packets are dropped
    CLOSED = enum.auto()  # refused, unreachable, or closed before a greeting


@dataclass(frozen=True, slots=True)
class Knock:
    """A connection from `address` to the MX `host` of `receiver`. `words`: the greeting and what EHLO got; `trouble`:
    what went wrong before that. `code`: of the last reply, 0 without one. `seen_as`: by which address the
    receiver says it saw us."""

    receiver: str
    address: str
    reach: Reach
    host: str = ""
    words: str = ""
    code: int = 0
    seen_as: str = ""
    trouble: Text = NOTHING

    @property
    def why(self) -> Text:
        """The receiver, and what came of it."""
        said = self.trouble if self.trouble.en else same(self.words)
        return Text(f"{self.receiver} ({said.en})", f"{self.receiver}（{said.zh}）")


@dataclass(frozen=True, slots=True)
class Listing:
    """What a DNSBL says of an address, and of the two test addresses. `reason`: its TXT records."""

    zone: str
    address: str
    answer: Texts = ()
    tests: tuple[Texts, Texts] = (("127.0.0.2",), ())
    reason: tuple[str, ...] = ()


def judge_port(address: str, knocks: Sequence[Knock], smtp_port: int = 25) -> Finding:
    """One finding for all receivers that were tried from this address."""
    check = Check(f"port-{smtp_port}", address or "-")
    tried = [knock for knock in knocks if knock.reach is not Reach.NO_HOST]
    if not tried:
        why = both_listed([knock.why for knock in knocks])
        return check.skipped(Text(f"no receiver could be looked up: {why.en}", f"查不到可以试连的收件方：{why.zh}"))
    if any(knock.reach is Reach.UNBOUND for knock in tried):
        seen = Text(f"{address} is not an address of this host", f"{address} 不是本机的地址")
        return check.fail(seen, where=Text("correct `sources` in worker.yml", "请改正 worker.yml 的 sources"))
    answered = [knock for knock in tried if knock.reach is Reach.ANSWERED]
    if not answered:
        return _closed(check, tried, smtp_port)
    for knock in answered:
        if _foreign(knock):
            seen = Text(
                f"somebody else answers for {knock.host}: {knock.words}; port {smtp_port} is led elsewhere on the way",
                f"{knock.host} 的应答来自别处：{knock.words}；{smtp_port} 端口在途中被转走",
            )
            return check.fail(seen, where=_ask(smtp_port))
    refused = [knock for knock in answered if not 200 <= knock.code < 300]
    if refused:
        turned = listed([f"{knock.receiver}: {knock.words}" for knock in refused])
        grade = check.fail if len(refused) == len(tried) and all(k.code >= 500 for k in refused) else check.warn
        seen = Text(f"it is turned away: {turned}", f"被拒绝：{turned}")
        return grade(
            seen, f"hedwig explain-reply '{refused[0].words}'", Text("it says what that means", "它会解释原因")
        )
    for knock in answered:
        if knock.seen_as and not _same(knock.seen_as, address):
            seen = Text(
                f"{knock.receiver} sees {knock.seen_as}, not {address} (NAT)",
                f"{knock.receiver} 看到的是 {knock.seen_as}，不是 {address}（NAT）",
            )
            return check.warn(seen, f'doctor: {{addresses: ["{knock.seen_as}"]}}', in_file("worker.yml"))
    lost = [knock for knock in tried if knock.reach is not Reach.ANSWERED]
    if lost:
        said = both_listed([knock.why for knock in lost])
        return check.warn(Text(f"{said.en} could not be reached, others could", f"{said.zh} 连不上，其余可以"))
    names = listed([knock.receiver for knock in answered])
    return check.passed(Text(f"{names} answer", f"{names} 有应答"))


def _closed(check: Check, tried: Sequence[Knock], smtp_port: int) -> Finding:
    said = both_listed([knock.why for knock in tried])
    if any(knock.reach is Reach.SILENT for knock in tried):
        seen = Text(
            f"port {smtp_port} outward is blocked: no answer from {said.en}",
            f"出站 {smtp_port} 端口不通：{said.zh} 没有应答",
        )
    else:
        seen = Text(f"no receiver can be reached: {said.en}", f"所有收件方都连不上：{said.zh}")
    return check.fail(
        seen, "smarthosts: {office: {host: smtp.example.com, user: NAME, password_file: FILE}}", _ask(smtp_port)
    )


def _ask(smtp_port: int) -> Text:
    into = in_file("worker.yml")
    return Text(
        f"ask the provider to open port {smtp_port} outward; until then a smarthost, {into.en}",
        f"请运营商放开出站 {smtp_port} 端口；在此之前可用中继（smarthost），{into.zh}",
    )


def _foreign(knock: Knock) -> bool:
    """Whether the greeting's host has nothing in common with the receiver that was dialled."""
    words = knock.words.split()
    name = words[1].lower().rstrip(".") if len(words) > 1 else ""
    if words[:1] != ["220"] or not _NAME.match(name):  # of a refusal the second word is no name
        return False
    return not any(_domain(name) == _domain(known) for known in (knock.host, knock.receiver))


def _domain(name: str) -> str:
    return ".".join(name.lower().rstrip(".").split(".")[-2:])


def _same(one: str, other: str) -> bool:
    return ipaddress.ip_address(one) == ipaddress.ip_address(other)


def question(address: str, blocklist: str) -> str:
    """The name by which a DNSBL is asked about an address (RFC 5782 §2.1, §2.4)."""
    reverse = ipaddress.ip_address(address).reverse_pointer
    return f"{reverse.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{blocklist}"


def judge_listing(listing: Listing) -> Finding:
    """Whether the address is on the list; only where the list answers as a list does."""
    check, zone = Check("dnsbl", f"{listing.address} at {listing.zone}"), listing.zone
    if hidden(listing.address):
        return check.skipped(Text("an inner address stands on no list", "内网地址不会被列入"))
    if isinstance(listing.answer, Unknown):
        return check.warn(Text(f"no answer: {listing.answer.text}", f"没有应答：{listing.answer.text}"))
    always, never = listing.tests
    for answer in (listing.answer, always, never):
        if not isinstance(answer, Unknown) and (trouble := _error(answer)):
            en, zh = trouble
            seen = Text(f"{zone} doesn't answer us: {en}; that is no listing", f"{zone} 不回答我们：{zh}；这不是被列入")
            return check.warn(seen, "dns: {nameservers: [127.0.0.1]}", _own_resolver())
    if isinstance(always, Unknown) or not always or isinstance(never, Unknown) or never:
        seen = Text(
            f"{zone} is no DNSBL, or doesn't answer this resolver: its test address 127.0.0.2 must be on it, and "
            "127.0.0.1 must not",
            f"{zone} 不是 DNSBL，或不回答此 DNS 服务器：测试地址 127.0.0.2 应被列入，127.0.0.1 不应",
        )
        return check.warn(seen, "dns: {nameservers: [127.0.0.1]}", _own_resolver())
    if not listing.answer:
        return check.passed(Text("not listed", "未被列入"))
    reason = listed(listing.reason) or "-"
    seen = Text(
        f"{listing.address} is listed ({listed(listing.answer)}): {reason}",
        f"{listing.address} 已被列入（{listed(listing.answer)}）：{reason}",
    )
    where = Text(
        f"find the cause, then have it removed at {zone}'s web page", f"先查明原因，再到 {zone} 的网页申请移除"
    )
    return check.fail(seen, where=where)


def _error(answer: tuple[str, ...]) -> tuple[str, str] | None:
    for each in answer:
        one = ipaddress.ip_address(each)
        if one in _ERRORS:
            return _WHY.get(each, (f"it answers {each}, an error", f"它回答 {each}，是错误码"))
        if one not in _ANSWERS:
            return f"{each} is no DNSBL's answer", f"{each} 不是 DNSBL 的应答"
    return None


def _own_resolver() -> Text:
    into = in_file("worker.yml")
    return Text(
        f"{into.en}, with a resolver of its own (apt install unbound)", f"{into.zh}，并自建 DNS（apt install unbound）"
    )
