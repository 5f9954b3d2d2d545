"""SPF of a sender domain, from one address, by evaluation (RFC 7208): would a receiver find that it may send? Pure.

A bounce has no sender: then the EHLO name is what is evaluated (§2.4), and a name without a record is only a pity.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hedwig.doctor.finding import Check, Finding, Text, Texts, Unknown, zone
from hedwig.doctor.spf_record import all_of, mended, txt, uses

MOST_LOOKUPS = 10  # RFC 7208 §4.6.4
MANY_LOOKUPS = 8
MOST_VOID = 2


@dataclass(frozen=True, slots=True)
class Spf:
    """What was found. `records`: of SPF. `result`: pass, fail, softfail, neutral, none, permerror or temperror, with
    the evaluator's `words` and the term that broke it (`broken`). `lookups`, `void`: for the whole record, as for an
    address that nothing in it fits; `anyone`: yet something does, though not as +all."""

    domain: str
    address: str
    records: Texts = ()
    result: str = "none"
    words: str = ""
    broken: str = ""
    lookups: int = 0
    void: int = 0
    anyone: bool = False


def judge(spf: Spf, addresses: Sequence[str], *, helo: bool = False) -> Finding:
    """`addresses`: all that mail leaves from, for the record that mends it. `helo`: it is the EHLO name's."""
    check = Check("spf-helo" if helo else "spf", f"{spf.domain} ({spf.address})")
    if isinstance(spf.records, Unknown):
        return check.unknown(spf.records)
    if not spf.records:
        return _none(check, spf, addresses, helo)
    record = spf.records[0]
    place = zone(spf.domain)
    if len(spf.records) > 1:
        seen = Text(
            f"{len(spf.records)} SPF records: receivers take that for an error (permerror)",
            f"有 {len(spf.records)} 条 SPF 记录，收件方会判为错误（permerror）",
        )
        return check.fail(seen, txt(spf.domain, mended(spf.records, addresses)), _instead(spf.domain))
    if all_of(record).lower() in ("all", "+all"):
        seen = Text(
            f"{record}: +all lets everybody send in its name, which receivers distrust",
            f"{record}：+all 等于允许任何人冒名发信，收件方不信任",
        )
        return check.fail(seen, txt(spf.domain, mended(spf.records, addresses)), _first(_instead(spf.domain)))
    if spf.anyone:
        seen = Text(
            f"{record}: a term of it, or of what it includes, lets everybody send in its name: receivers distrust it",
            f"{record}：其中（或它所引用的记录里）有一项允许任何人冒名发信，收件方不信任",
        )
        return check.fail(seen, where=Text("take out the term that does it", "请删去这一项"))
    if spf.lookups > MOST_LOOKUPS:
        return _too_many(check, spf, record, addresses)
    if spf.result == "temperror":
        seen = Text(f"a name in it can't be looked up: {spf.words}", f"其中有名字查不到：{spf.words}")
        return check.fail(seen, where=Text("mend the DNS of what it includes", "请修复它所引用的域名的 DNS"))
    if spf.result == "permerror" or (spf.void > MOST_VOID and spf.result != "pass"):
        return _broken(check, spf, record, addresses)
    if spf.result != "pass":
        seen = Text(
            f"{spf.address} may not send: {spf.result} by {record}",
            f"{spf.address} 未获授权：{spf.result}，记录为 {record}",
        )
        return check.fail(seen, txt(spf.domain, mended(spf.records, addresses)), _instead(spf.domain))
    if spf.lookups >= MANY_LOOKUPS:
        seen = Text(
            f"it passes, but takes {spf.lookups} DNS look-ups; past {MOST_LOOKUPS} it is an error",
            f"通过，但要 {spf.lookups} 次 DNS 查询；超过 {MOST_LOOKUPS} 次即为错误",
        )
        return check.warn(seen, txt(spf.domain, mended([record], addresses)), _fewer(spf.domain))
    if spf.void:
        seen = Text(
            f"it passes, but {spf.void} of its names do not exist; more than {MOST_VOID} are an error",
            f"通过，但其中 {spf.void} 个名字不存在；超过 {MOST_VOID} 个即为错误",
        )
        return check.warn(seen, where=Text(f"take them out of it: {record}", f"请从记录中删去：{record}"))
    if uses(record, "ptr"):
        seen = Text("it passes, but uses ptr, which RFC 7208 5.5 forbids", "通过，但用了 RFC 7208 5.5 不许的 ptr")
        without = [term for term in record.split() if term.lstrip("+?~-").lower().startswith("ptr")]
        return check.warn(seen, txt(spf.domain, mended([record], addresses, without)), place)
    return check.passed(Text(f"pass ({spf.lookups} look-ups)", f"通过（{spf.lookups} 次查询）"))


def _none(check: Check, spf: Spf, addresses: Sequence[str], helo: bool) -> Finding:
    if helo:
        seen = Text(
            f"{spf.domain} has no SPF record: bounces, which have no sender, are judged by this name",
            f"{spf.domain} 没有 SPF 记录：退信没有发件人，收件方按此名字判断",
        )
        return check.warn(seen, txt(spf.domain, "v=spf1 a -all"), zone(spf.domain))
    seen = Text(f"{spf.domain} has no SPF record", f"{spf.domain} 没有 SPF 记录")
    return check.fail(seen, txt(spf.domain, mended([], addresses)), _first(zone(spf.domain)))


def _broken(check: Check, spf: Spf, record: str, addresses: Sequence[str]) -> Finding:
    words = spf.words.removeprefix("SPF Permanent Error: ")
    seen = Text(f"the record is in error (permerror): {words}", f"记录有错（permerror）：{words}")
    bad = [term for term in record.split()[1:] if spf.broken and term in (spf.broken, spf.broken.strip())]
    if not bad and spf.void > MOST_VOID:
        return check.fail(seen, txt(spf.domain, mended([record], addresses)), _existing(spf.domain))
    if not bad:
        return check.fail(seen, where=Text(f"correct it: {record}", f"请改正：{record}"))
    return check.fail(seen, txt(spf.domain, mended([record], addresses, bad)), _instead(spf.domain))


def _too_many(check: Check, spf: Spf, record: str, addresses: Sequence[str]) -> Finding:
    mend = txt(spf.domain, mended([record], addresses))
    if spf.result == "pass":
        seen = Text(
            f"it passes from here, but takes {spf.lookups} DNS look-ups in all, of which {MOST_LOOKUPS} are allowed",
            f"本机可以通过，但整条记录要 {spf.lookups} 次 DNS 查询，上限是 {MOST_LOOKUPS} 次",
        )
        return check.warn(seen, where=Text("take includes out of it that are not needed", "请删去不需要的 include"))
    seen = Text(
        f"{spf.lookups} DNS look-ups, of which {MOST_LOOKUPS} are allowed (RFC 7208 4.6.4): permerror",
        f"需要 {spf.lookups} 次 DNS 查询，上限是 {MOST_LOOKUPS} 次（RFC 7208 4.6.4），会判为 permerror",
    )
    return check.fail(seen, mend, _fewer(spf.domain))


def _first(place: Text) -> Text:
    return Text(
        f"{place.en}, with all others who send for it named too (office mail, Google ...); -all instead of ~all when "
        "DMARC reports have shown no other for some weeks: until then nobody is refused by it",
        f"{place.zh}，并把其他替它发信的（企业邮箱、Google 等）也写进去；几周的 DMARC 报告里不再出现别的来源后，"
        "再把 ~all 改为 -all：在此之前没有人会因此被拒",
    )


def _instead(domain: str) -> Text:
    place = zone(domain)
    return Text(f"{place.en}, in place of what is there", f"{place.zh}，替换原有记录")


def _existing(domain: str) -> Text:
    place = _instead(domain)
    return Text(
        f"{place.en}: with the addresses first it passes for this host; take out the names that do not exist",
        f"{place.zh}：地址写在最前面，本机即可通过；再删去不存在的名字",
    )


def _fewer(domain: str) -> Text:
    place = _instead(domain)
    return Text(
        f"{place.en}: with the addresses first it passes for this host; take out the includes that are not needed",
        f"{place.zh}：地址写在最前面，本机即可通过；再删去不需要的 include",
    )
