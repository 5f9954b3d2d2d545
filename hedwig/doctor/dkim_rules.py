"""DKIM of a sender domain: does DNS have what fits the private keys on this host (RFC 6376 §3.6.1, RFC 8463)? Pure.

A receiver that finds no record, or another key, takes the signature for a broken one, which is worse than none. RSA
keys of 2048 bits are advised (RFC 8301 §3.2; config/dkim.py takes none below 1024). Some receivers know no Ed25519.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hedwig.dkim.keys import ED25519, RSA
from hedwig.doctor.finding import AS_ROOT, Check, Finding, Text, Texts, Unknown, zone
from hedwig.doctor.spf_record import txt

GOOD_BITS = 2048


@dataclass(frozen=True, slots=True)
class Key:
    """A private key on disk, and the TXT records at its name. `public`: base64, as `p=` has it. `trouble`: why the
    file gives no key, and `mend` what to do; then all else is empty."""

    domain: str
    selector: str
    file: str
    algorithm: str = RSA
    bits: int = 0
    public: str = ""
    records: Texts = ()
    trouble: str = ""
    mend: str = ""

    @property
    def name(self) -> str:
        """Where its record lies."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The record that fits, for a zone file."""
        return txt(self.name, f"v=DKIM1; k={self.algorithm}; p={self.public}")


def tags(record: str) -> Mapping[str, str]:
    """A tag list (§3.2) as a mapping, values without white space at their ends. A tag twice is an error: then {}."""
    found: dict[str, str] = {}
    for field in record.strip().rstrip(";").split(";"):
        name, equals, value = field.partition("=")
        if not equals or name.strip() in found:
            return {}
        found[name.strip()] = value.strip()
    return found


def judge(domain: str, keys: Sequence[Key]) -> list[Finding]:
    """Each key; and whether there is a fit one at all."""
    if not keys:
        seen = Text(f"letters of {domain} are not signed: there is no key", f"{domain} 的邮件没有签名：没有密钥")
        where = Text(f"{AS_ROOT.en}; it prints the DNS record", f"{AS_ROOT.zh}，它会打印 DNS 记录")
        return [Check("dkim", domain).warn(seen, f"hedwig dkim new {domain}", where)]
    found = [_judged(key) for key in keys]
    readable = [key for key in keys if not key.trouble]
    if readable and all(key.algorithm == ED25519 for key in readable):
        seen = Text(
            "Ed25519 keys alone: receivers that know only RSA see no signature",
            "只有 Ed25519 密钥：只认 RSA 的收件方看不到签名",
        )
        found.append(Check("dkim", domain).warn(seen, f"hedwig dkim new {domain} --rsa", AS_ROOT))
    return found


def sound(key: Key) -> bool:
    """Whether a receiver would find its signature good."""
    return not key.trouble and _trouble_of(key) is None


def _judged(key: Key) -> Finding:
    check = Check("dkim", key.name)
    if key.trouble:
        seen = Text(f"{key.file}: {key.trouble}", f"{key.file}：{key.trouble}")
        return check.fail(seen, key.mend, AS_ROOT)
    if isinstance(key.records, Unknown):
        return check.unknown(key.records)
    trouble = _trouble_of(key)
    if trouble is not None:
        return check.fail(trouble, key.record, zone(key.domain))
    said = tags(key.records[0])
    if "y" in said.get("t", "").split(":"):
        seen = Text(
            "the record says t=y (testing): receivers treat the letter as if it were not signed",
            "记录里有 t=y（测试）：收件方当作没有签名",
        )
        return check.warn(seen, key.record, zone(key.domain))
    if key.algorithm == RSA and key.bits < GOOD_BITS:
        seen = Text(
            f"the key has {key.bits} bits; receivers advise {GOOD_BITS}", f"密钥只有 {key.bits} 位，建议 {GOOD_BITS} 位"
        )
        return check.warn(seen, f"hedwig dkim rotate {key.domain}", AS_ROOT)
    size = f", {key.bits} bits" if key.algorithm == RSA else ""
    return check.passed(
        Text(
            f"DNS has the key of {key.file} ({key.algorithm}{size})", f"DNS 与 {key.file} 一致（{key.algorithm}{size}）"
        )
    )


def _trouble_of(key: Key) -> Text | None:
    """Why a signature by this key would not be good."""
    if isinstance(key.records, Unknown):
        return Text(key.records.text, key.records.text)
    if not key.records:
        return Text(f"DNS has no record at {key.name}", f"DNS 里没有 {key.name} 的记录")
    if len(key.records) > 1:
        return Text(f"{len(key.records)} records at one name", f"同一个名字有 {len(key.records)} 条记录")
    said = tags(key.records[0])
    if not said or "p" not in said or said.get("v", "DKIM1") != "DKIM1":
        return Text(f"the record can't be read: {key.records[0]}", f"记录无法识别：{key.records[0]}")
    if not said["p"]:
        return Text("the record says that this key is revoked (p= is empty)", "记录表明此密钥已作废（p= 为空）")
    if said.get("k", RSA) != key.algorithm:
        return Text(
            f"the record is for {said.get('k', RSA)}, the key is {key.algorithm}",
            f"记录是 {said.get('k', RSA)}，密钥是 {key.algorithm}",
        )
    if re.sub(r"\s", "", said["p"]).rstrip("=") != key.public.rstrip("="):
        return Text(
            f"DNS has another key than {key.file}: every signature is broken",
            f"DNS 里的公钥与 {key.file} 不符：签名全部无效",
        )
    if "h" in said and "sha256" not in [each.strip() for each in said["h"].split(":")]:
        return Text(f"the record allows no sha256 (h={said['h']})", f"记录不许用 sha256（h={said['h']}）")
    if "s" in said and not {"*", "email"} & {each.strip() for each in said["s"].split(":")}:
        return Text(f"the record is not for mail (s={said['s']})", f"记录不用于邮件（s={said['s']}）")
    return None
