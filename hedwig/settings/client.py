"""The files of clients.d: what one host that hands in mail may do.

Not keys of the file are `fqdn`, which is the file's name, and `lines`: in which line each key stands, so that a refusal
can say what decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hedwig.choices import FromMatch, FromMismatch, OnDoubt, Priority
from hedwig.settings.base import section, setting


@dataclass(frozen=True, slots=True)
class ClientKey:
    """One key of a host. `hash`: "sha256:" and 64 hexadecimal digits. `expires`: Unix seconds, 0 for never; `line`:
    where it stands in the file."""

    hash: str = setting("The key's hash, as `hedwig key add` wrote it.", default="", kind="hash")
    expires: float = setting(
        "Its last day, like 2027-01-31, by this host's clock; or a time with its zone. Then it is refused.",
        default=0.0,
        kind="expiry",
    )
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Quota:
    """What may be sent in an hour and in a day; 0: no bound. The hour and the day are those before now."""

    messages_per_hour: int = setting("Letters an hour; 0: no bound.", default=0, kind="count or none")
    messages_per_day: int = setting("Letters a day; 0: no bound.", default=0, kind="count or none")
    recipients_per_hour: int = setting("Recipients an hour; 0: no bound.", default=0, kind="count or none")
    recipients_per_day: int = setting("Recipients a day; 0: no bound.", default=0, kind="count or none")

    def __bool__(self) -> bool:
        return bool(
            self.messages_per_hour or self.messages_per_day or self.recipients_per_hour or self.recipients_per_day
        )


@dataclass(frozen=True, slots=True)
class Client:
    """clients.d/FQDN.yml: one host that may hand in mail. `key`: one or more; several while rotated."""

    fqdn: str
    key: tuple[ClientKey, ...] = setting(
        'Hashes of the keys that are valid for this host. One that ends: `{hash: "sha256:...", expires: 2027-01-31}`, '
        "that day being its last; `hedwig key` writes all of it.",
        default=(),
        kind="hashes",
        secret=True,
    )
    allow: tuple[str, ...] = setting(
        "Networks and addresses that this host's mailman may call from; empty: any.", default=(), kind="networks"
    )
    senders: tuple[str, ...] = setting(
        "Addresses that its letters may be from, in From, in the envelope, and where else readers see who it is from "
        "(Sender, Resent-From, the names beside these): `robot@example.com`, or `*@example.com` for all of a domain. "
        "Empty: any. Once it is set, `from_mismatch` says what becomes of other letters.",
        default=(),
        kind="senders",
    )
    from_mismatch: FromMismatch = setting(
        "What becomes of a letter whose From is not one address of `senders`, or which the envelope's sender does not "
        "match. `reject`: it is refused. `fix-envelope`: the envelope's sender becomes the From address where "
        "`senders` has that; else refused. `rewrite`: From becomes an address of `senders`, and Reply-To the old one. "
        "`warn`: it goes out, and the journal says so. Without `senders` nothing is looked at, unless this line is "
        "there.",
        default=FromMismatch.REJECT,
        kind="from mismatch",
    )
    from_match: FromMatch = setting(
        "How far the envelope's sender must match From: `address`, all of it, or the `domain` alone. For recipients at "
        "NetEase (163.com, 126.com, yeah.net ...) it is always the whole address: they refuse others.",
        default=FromMatch.DOMAIN,
        kind="from match",
    )
    max_size: int = setting(
        "The largest letter taken from it; 0: what postoffice.yml says.", default=0, kind="size or none"
    )
    deadline: int = setting(
        "A letter that says nothing itself (Hedwig-Expires) is not sent any more when so much time has passed; 0: it "
        "is tried until `expire` of postoffice.yml.",
        default=0,
        kind="duration or never",
    )
    most_deadline: int = setting(
        "The most time that a letter can ask for itself; more is lowered. 0: no bound.",
        default=0,
        kind="duration or never",
    )
    priority: Priority = setting(
        "Which of its letters go first: `urgent`, `normal` or `bulk`. A letter may say otherwise (Hedwig-Priority).",
        default=Priority.NORMAL,
        kind="priority",
    )
    most_priority: Priority = setting(
        "The most that a letter's own word can ask for: `normal` makes a letter that says `urgent` a normal one. What "
        "`priority` gives every letter is never lowered by it.",
        default=Priority.URGENT,
        kind="priority",
    )
    on_doubt: OnDoubt = setting(
        "What to do with a letter that was sent to its end without a reply, so that it may have arrived or not: "
        "`retry` sends it again, `retry-once` once at the most, `hold` keeps it for the operator to decide.",
        default=OnDoubt.RETRY,
        kind="on doubt",
    )
    list_unsubscribe: str = setting(
        "Where readers of its bulk letters unsubscribe with one click (RFC 8058): an https URL in which `{id}` stands "
        "for the letter's queue ID, `{recipient}` for the address. It is added to bulk letters to one recipient that "
        "have no List-Unsubscribe. Empty: none.",
        default="",
        kind="unsubscribe",
    )
    quota: Quota = field(
        default_factory=Quota,
        metadata=section(Quota, "The most that this host may send; more is refused for now, with the time to wait."),
    )
    container_quota: Quota = field(
        default_factory=Quota, metadata=section(Quota, "The same for each of its containers by itself.")
    )
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    def where(self, name: str) -> str:
        """Which line of which file says it: "clients.d/less.example.com.yml line 7"."""
        line = self.lines.get(name, 0)
        return f"clients.d/{self.fqdn}.yml line {line}" if line else f"clients.d/{self.fqdn}.yml"
