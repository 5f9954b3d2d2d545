"""What the doctor says: a finding for each check, in English and in Chinese."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Grade(enum.StrEnum):
    """How a check came out. SKIPPED: it does not apply here, or could not be made, which is told."""

    PASS = "pass"  # noqa: S105 (no password)
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


class Text(NamedTuple):
    """A sentence in both languages. What comes from outside stands in it as it came: who shows it, cleans it (I11)."""

    en: str
    zh: str


def same(text: str) -> Text:
    """Words that are the same in both: an answer, a name."""
    return Text(text, text)


NOTHING = same("")


@dataclass(frozen=True, slots=True)
class Finding:
    """`check`: its short name; `subject`: what was looked at. `mend`: the exact line that mends it, "" where there is
    none to be had (or nothing to mend); `where`: the place where that goes, or what is to be done instead."""

    check: str
    subject: str
    grade: Grade
    seen: Text
    mend: str = ""
    where: Text = NOTHING


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one subject; its methods make the findings."""

    name: str
    subject: str

    def passed(self, seen: Text) -> Finding:
        """All is well."""
        return Finding(self.name, self.subject, Grade.PASS, seen)

    def warn(self, seen: Text, mend: str = "", where: Text = NOTHING) -> Finding:
        """It works, but not everywhere, or not for long."""
        return Finding(self.name, self.subject, Grade.WARN, seen, mend, where)

    def fail(self, seen: Text, mend: str = "", where: Text = NOTHING) -> Finding:
        """Mail is refused, or lost to its readers, because of this."""
        return Finding(self.name, self.subject, Grade.FAIL, seen, mend, where)

    def skipped(self, why: Text) -> Finding:
        """Not looked at."""
        return Finding(self.name, self.subject, Grade.SKIPPED, why)

    def late(self, seconds: float) -> Finding:
        """The deadline came first."""
        return self.warn(Text(f"no answer within {seconds:g} s", f"{seconds:g} 秒内没有结果"))

    def unknown(self, answer: "Unknown") -> Finding:
        """DNS could not say. Where our own nameservers are gone that is their check's matter; a name that they can't
        look up receivers can't look up either."""
        if answer.gone:
            return self.skipped(Text(f"DNS can't be asked: {answer.text}", f"DNS 无法查询：{answer.text}"))
        return self.fail(
            Text(
                f"DNS gives no answer, to receivers as little as to us: {answer.text}",
                f"DNS 查不到结果，收件方也查不到：{answer.text}",
            ),
            where=Text("mend the zone's nameservers or its DNSSEC", "请修复该域的 DNS 服务器或 DNSSEC"),
        )


@dataclass(frozen=True, slots=True)
class Unknown:
    """A question that DNS could not answer. `gone`: no nameserver answers anything."""

    text: str
    gone: bool = False


Texts = tuple[str, ...] | Unknown
"""The records of a name as text, () where there are none."""


def zone(domain: str) -> Text:
    """Where a record goes."""
    return Text(f"into the DNS zone of {domain}", f"写入 {domain} 的 DNS 区")


def in_file(file: str) -> Text:
    """Where a line of configuration goes."""
    return Text(f"into {file}", f"写入 {file}")


COMMANDS = ("chmod ", "chown ")  # what is right after a fault of a file is a sentence, or one of these to run
AS_ROOT = Text("run as root on this host", "在本机以 root 运行")
PROVIDER = Text(
    "ask whoever gave you the address (provider, campus network) for this record",
    "请向分配该地址的运营商或校园网申请此记录",
)


def listed(names: Sequence[str], most: int = 4) -> str:
    """Some names, and how many more."""
    more = f" +{len(names) - most}" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def both_listed(texts: Sequence[Text]) -> Text:
    """The same of sentences."""
    return Text(listed([each.en for each in texts]), listed([each.zh for each in texts]))
