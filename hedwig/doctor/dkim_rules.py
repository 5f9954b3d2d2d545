"""DKIM of a sender domain: its private keys on this host, each against its record (dkim_record.py), and whether there
is one that every receiver knows: some know no Ed25519 (RFC 8463). Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hedwig.config.chinese import in_chinese
from hedwig.dkim.keys import ED25519, RSA, Key
from hedwig.doctor.dkim_record import Verdict, compare
from hedwig.doctor.finding import AS_ROOT, COMMANDS, Check, Finding, Text, Texts, Unknown


@dataclass(frozen=True, slots=True)
class Signing:
    """A file that is to sign for `domain`. `key`: what is in it, None where it gives none; `trouble`: why not, and
    `mend` what to do. `records`: TXT at its name; `doubled`: at that name with the domain behind it once more."""

    domain: str
    file: str
    key: Key | None = None
    trouble: str = ""
    mend: str = ""
    records: Texts = ()
    doubled: Texts = ()

    @property
    def verdict(self) -> Verdict | None:
        """What DNS has for it; None where that can't be told."""
        if self.key is None or isinstance(self.records, Unknown):
            return None
        return compare(self.key, self.records, () if isinstance(self.doubled, Unknown) else self.doubled)


def judge(domain: str, keys: Sequence[Signing]) -> list[Finding]:
    """Each key; and whether there is a fit one at all."""
    if not keys:
        seen = Text(f"letters of {domain} are not signed: there is no key", f"{domain} 的邮件没有签名：没有密钥")
        where = Text(f"{AS_ROOT.en}; it prints the DNS record", f"{AS_ROOT.zh}，它会打印 DNS 记录")
        return [Check("dkim", domain).warn(seen, f"hedwig dkim new {domain}", where)]
    found = [_judged(each) for each in keys]
    readable = [each.key for each in keys if each.key is not None]
    if readable and all(key.algorithm == ED25519 for key in readable):
        seen = Text(
            "Ed25519 keys alone: receivers that know only RSA see no signature",
            "只有 Ed25519 密钥：只认 RSA 的收件方看不到签名",
        )
        found.append(Check("dkim", domain).warn(seen, f"hedwig dkim new {domain} --rsa", AS_ROOT))
    return found


def sound(signing: Signing) -> bool:
    """Whether a receiver would find its signature good."""
    verdict = signing.verdict
    return verdict is not None and verdict.sound


def _judged(signing: Signing) -> Finding:
    key = signing.key
    if key is None:
        seen = Text(f"{signing.file}: {signing.trouble}", f"{signing.file}：{in_chinese(signing.trouble)}")
        check = Check("dkim", signing.domain)
        if signing.mend.startswith(COMMANDS):
            return check.fail(seen, signing.mend, AS_ROOT)
        return check.fail(seen, where=Text(signing.mend, in_chinese(signing.mend)))
    check = Check("dkim", key.name)
    if isinstance(signing.records, Unknown):
        return check.unknown(signing.records)
    verdict = signing.verdict
    if verdict is not None and verdict.wrong.en:
        return (check.warn if verdict.sound else check.fail)(verdict.wrong, verdict.mend, verdict.where)
    size = f", {key.bits} bits" if key.algorithm == RSA else ""
    size_zh = f"，{key.bits} 位" if key.algorithm == RSA else ""
    return check.passed(
        Text(
            f"DNS has the key of {signing.file} ({key.algorithm}{size})",
            f"DNS 与 {signing.file} 一致（{key.algorithm}{size_zh}）",
        )
    )
