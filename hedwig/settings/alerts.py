"""alerts.yml: whom hedwig calls without mail, and for what."""

from dataclasses import dataclass, field

from hedwig.settings.base import DAY, GIB, HOUR, section, setting


@dataclass(frozen=True, slots=True)
class WebhookRule:
    """alerts.yml, `webhook`: a URL that alerts are posted to."""

    url: str = setting("Where alerts are posted to; empty: nowhere.", default="", kind="optional hook url")
    secret: str = setting(
        "What requests are signed with: any text, or `whsec_` and base64 (Standard Webhooks); empty: they are not.",
        default="",
        kind="optional secret",
        secret=True,
    )
    secret_file: str = setting(
        "A file with that instead; of its first two lines each signs, so that a new one can replace an old one.",
        default="",
        kind="optional path",
    )
    ca_file: str = setting(
        "CA certificates (PEM) to trust for it, instead of the system's.", default="", kind="optional path"
    )
    timeout: int = setting("How long one try may take.", default=10, kind="duration")


@dataclass(frozen=True, slots=True)
class Alerts:
    """alerts.yml: whom hedwig calls without mail, and for what."""

    command: tuple[str, ...] = setting(
        "A program to run for each alert, with its arguments: [/usr/local/bin/page-me, ops]. No shell is used; the "
        "alert is JSON on its standard input. It runs in hedwig-hook@.service, as a user that exists for this alone "
        "and sees nothing of hedwig's. Empty: none.",
        default=(),
        kind="command",
    )
    command_timeout: int = setting("How long it may run; then it is ended.", default=30, kind="duration")
    webhook: WebhookRule = field(
        default_factory=WebhookRule, metadata=section(WebhookRule, "A URL that alerts are posted to.")
    )
    expire: int = setting(
        "What could not be told for so long is given up; `hedwig alert list` still shows it.",
        default=DAY,
        kind="duration",
    )
    repeat: int = setting(
        "The same of the same is not told again within that time; each further time takes twice as long, up to a day.",
        default=HOUR,
        kind="duration",
    )
    per_hour: int = setting(
        "The most alerts that are told in an hour; then one says so, and the list has the rest.",
        default=30,
        kind="count",
    )
    old_mail: int = setting(
        "Mail that waits for its turn for so long is an alert; 0: never. What is held or paused is not counted.",
        default=4 * HOUR,
        kind="duration or never",
    )
    disk_free: int = setting(
        "Less than this on a spool's disk is an alert; 0: never.", default=1 * GIB, kind="size or never"
    )
    folder: str = setting(
        "Where alerts lie until they are told, and 30 days more.",
        default="/var/lib/hedwig/alerts",
        kind="path",
        at_start=True,
    )
    debug: bool = setting("Write each try to the log.", default=False, kind="flag")
