"""Every setting of the daemons: its name, type, default and meaning, said once.

config reads YAML into these; the comments in etc/*.yml and the man pages come from the texts here. All are frozen: a
reload makes a new object. `base` says how a key is said; the other modules have a file's keys each; `receivers` has
what worker.yml says of receivers and of the ways to them, and `replies` what replies.yml says of their replies.
"""

from hedwig.settings.alerts import Alerts, WebhookRule
from hedwig.settings.base import DAY, GIB, HOUR, KIB, MIB, MINUTE, key_of, named, needs_restart, section, setting
from hedwig.settings.client import Client, ClientKey, Quota
from hedwig.settings.mailman import Listen, Mailman
from hedwig.settings.postoffice import Postoffice
from hedwig.settings.receivers import SITES, ClientRule, DomainRule, EightBit, Family, SiteRule, Smarthost, Source, Tls
from hedwig.settings.replies import Replies, ReplyRule
from hedwig.settings.worker import Dns, Doctor, Retry, TlsReport, Worker

__all__ = [
    "DAY",
    "GIB",
    "HOUR",
    "KIB",
    "MIB",
    "MINUTE",
    "SITES",
    "Alerts",
    "Client",
    "ClientKey",
    "ClientRule",
    "Dns",
    "Doctor",
    "DomainRule",
    "EightBit",
    "Family",
    "Listen",
    "Mailman",
    "Postoffice",
    "Quota",
    "Replies",
    "ReplyRule",
    "Retry",
    "SiteRule",
    "Smarthost",
    "Source",
    "Tls",
    "TlsReport",
    "WebhookRule",
    "Worker",
    "key_of",
    "named",
    "needs_restart",
    "section",
    "setting",
]
