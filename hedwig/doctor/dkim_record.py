"""Does DNS have what fits a private key (RFC 6376 §3.6.1, RFC 8463 §4)? Read as a receiver would. Pure.

The one judge of it: for `hedwig doctor`, for `hedwig dkim check`, and for `hedwig dkim rotate`, which takes no key into
use that DNS does not show. A receiver that finds no record, or another key, takes the signature for a broken one, which
is worse than none.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hedwig.dkim.keys import RSA, Key
from hedwig.dkim.record import tags, value
from hedwig.doctor.finding import AS_ROOT, NOTHING, Text, zone
from hedwig.doctor.spf_record import txt

GOOD_BITS = 2048  # RFC 8301 §3.2 advises them; config/dkim.py takes none below 1024
_KEYED = re.compile(r'(?:\A"?|;)\s*p\s*=')
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Verdict:
    """`sound`: receivers can verify with it. `wrong`: what is amiss, or what is only worth a word where it is sound;
    NOTHING where all is well. `mend`, `where`: as in Finding."""

    sound: bool
    wrong: Text = NOTHING
    mend: str = ""
    where: Text = NOTHING


FINE = Verdict(True)


def compare(key: Key, texts: Sequence[str], doubled: Sequence[str] = ()) -> Verdict:
    """What DNS has at `key.name` (`texts`), against the key. `doubled`: what it has at that name with the domain behind
    it once more, where web panels put a record whose whole name was typed in."""
    if not texts:
        return _missing(key, doubled)
    if not any(map(_KEYED.search, texts)):
        said = _shown(texts[0])
        return _instead(key, f"there is a TXT record, but no key in it: {said}", f"有 TXT 记录，但其中没有密钥：{said}")
    if len(texts) > 1:
        wrong = Text(
            f"{len(texts)} records at one name, where one may be", f"同一个名字有 {len(texts)} 条记录，只能有一条"
        )
        place = zone(key.domain)
        only = Text(f"{place.en}, and no other at this name", f"{place.zh}，此名字只留这一条")
        return Verdict(False, wrong, _record(key), only)
    return _compared(key, texts[0])


def _missing(key: Key, doubled: Sequence[str]) -> Verdict:
    if any(map(_KEYED.search, doubled)):
        wrong = Text(
            f"the record stands at {key.name}.{key.domain}: the panel adds the domain by itself",
            f"记录写到了 {key.name}.{key.domain}：控制台会自动加上域名",
        )
        short = key.name.removesuffix("." + key.domain)
        return Verdict(False, wrong, where=Text(f"in the panel, name it {short}", f"在控制台里把名字写成 {short}"))
    wrong = Text(f"DNS has no record at {key.name}", f"DNS 里没有 {key.name} 的记录")
    return Verdict(False, wrong, _record(key), zone(key.domain))


def _compared(key: Key, text: str) -> Verdict:
    if '"' in text:
        said = _shown(text)
        return _instead(key, f"quotation marks are part of the value: {said}", f"引号成了值的一部分：{said}")
    found = tags(text)
    if not found:
        said = _shown(text)
        return _instead(key, f"the record can't be read: {said}", f"记录无法识别：{said}")
    if found.get("v", "DKIM1") != "DKIM1" or ("v" in found and next(iter(found)) != "v"):
        return _instead(key, "the record does not begin with v=DKIM1", "记录不是以 v=DKIM1 开头")
    public = re.sub(r"\s+", "", found.get("p", ""))
    if not public:
        return _instead(
            key, "the record says that this key is revoked (p= is empty)", "记录表明此密钥已作废（p= 为空）"
        )
    if (algorithm := found.get("k", RSA)) != key.algorithm:
        said = _shown(algorithm)
        return _instead(
            key, f"the record is for {said}, the key is {key.algorithm}", f"记录是 {said}，密钥是 {key.algorithm}"
        )
    wanted = base64.b64encode(key.public).decode("ascii")
    if public.rstrip("=") != wanted.rstrip("="):
        return _other_key(key, public, wanted)
    return _limited(key, found)


def _other_key(key: Key, public: str, wanted: str) -> Verdict:
    if wanted.startswith(public):
        return _instead(
            key,
            f"its p= ends after {len(public)} of {len(wanted)} characters: the value was cut",
            f"p= 只有 {len(wanted)} 个字符中的前 {len(public)} 个：值被截断了",
        )
    try:
        base64.b64decode(public, validate=True)
    except (binascii.Error, ValueError):
        return _instead(key, "its p= is damaged (no base64)", "p= 已损坏（不是 base64）")
    return _instead(
        key, "DNS has another key than the file: every signature is broken", "DNS 里的公钥与文件不符：签名全部无效"
    )


def _limited(key: Key, found: Mapping[str, str]) -> Verdict:
    if "h" in found and "sha256" not in _listed(found["h"]):
        said = _shown(found["h"])
        return _instead(key, f"the record allows no sha256 (h={said})", f"记录不许用 sha256（h={said}）")
    if "s" in found and not {"*", "email"} & _listed(found["s"]):
        said = _shown(found["s"])
        return _instead(key, f"the record is not for mail (s={said})", f"记录不用于邮件（s={said}）")
    if "y" in _listed(found.get("t", "")):
        wrong = Text(
            "the record says t=y (testing): receivers treat the letter as if it were not signed",
            "记录里有 t=y（测试）：收件方当作没有签名",
        )
        return Verdict(True, wrong, _record(key), zone(key.domain))
    if key.algorithm == RSA and key.bits < GOOD_BITS:
        wrong = Text(
            f"the key has {key.bits} bits; receivers advise {GOOD_BITS}", f"密钥只有 {key.bits} 位，建议 {GOOD_BITS} 位"
        )
        return Verdict(True, wrong, f"hedwig dkim rotate {key.domain}", AS_ROOT)
    return FINE


def _instead(key: Key, wrong: str, wrong_zh: str) -> Verdict:
    place = zone(key.domain)
    there = Text(f"{place.en}, in place of what is there", f"{place.zh}，替换原有记录")
    return Verdict(False, Text(wrong, wrong_zh), _record(key), there)


def _record(key: Key) -> str:
    """What fits, for a zone file."""
    return txt(key.name, value(key))


def _listed(text: str) -> set[str]:
    """The parts of a tag's value between colons."""
    return {part.strip() for part in text.split(":")}


def _shown(text: str) -> str:
    return ascii(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")
