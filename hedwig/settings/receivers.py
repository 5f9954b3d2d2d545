"""What worker.yml says of receivers and of the ways to them: sites, domains, sources, smarthosts, clients.

The figures of the known receivers have their sources in docs/receivers.md. A receiver that isn't named has no figures:
its connections follow how it takes mail (hedwig/pace.py).
"""

import enum
from dataclasses import dataclass

from hedwig.settings.base import setting


class Tls(enum.StrEnum):
    """What a domain's mail needs of its way; hedwig/tls has what each means."""

    NONE = "none"
    MAY = "may"
    ENCRYPT = "encrypt"
    VERIFY = "verify"
    DANE = "dane"
    MTA_STS = "mta-sts"


class EightBit(enum.StrEnum):
    """What becomes of 8-bit content for a receiver that does not announce 8BITMIME."""

    CONVERT = "convert"
    BOUNCE = "bounce"


class Family(enum.StrEnum):
    """Which addresses of a receiver are tried."""

    IPV4_FIRST = "ipv4-first"
    IPV6_FIRST = "ipv6-first"
    IPV4 = "ipv4"
    IPV6 = "ipv6"


@dataclass(frozen=True, slots=True)
class SiteRule:
    """worker.yml, `sites.NAME`: one receiver, all workers of this host together, for each source address."""

    mx: tuple[str, ...] = setting(
        "Its mail servers: names, or `.example.com` for all below it. Domains whose MX all fit are this site.",
        default=(),
        kind="mx names",
    )
    domains: tuple[str, ...] = setting(
        "Recipient domains that are this site, wherever their MX point.", default=(), kind="domains"
    )
    connections: int = setting(
        "The most connections at a time. How many are used below that follows how the receiver takes mail.",
        default=20,
        kind="count",
    )
    messages_per_connection: int = setting("The most messages of one connection.", default=100, kind="count")
    recipients: int = setting("The most recipients of one transaction; up to 1000.", default=50, kind="recipients")
    one_domain: bool = setting(
        "Whether a transaction may have recipients of one domain only, as Gmail wants it.", default=False, kind="flag"
    )
    per_minute: int = setting("The most messages a minute; 0: no bound.", default=0, kind="count or none")
    per_hour: int = setting("The most messages an hour; 0: no bound.", default=0, kind="count or none")
    per_day: int = setting("The most messages a day; 0: no bound.", default=0, kind="count or none")
    connections_per_minute: int = setting(
        "The most new connections a minute; 0: no bound.", default=0, kind="count or none"
    )
    tls: Tls | None = setting("As in `domains`; empty: `tls` of this file.", default=None, kind="tls or none")
    family: Family = setting(
        "Which of its addresses are tried: `ipv4-first`, `ipv6-first`, `ipv4` or `ipv6` alone.",
        default=Family.IPV4_FIRST,
        kind="family",
    )
    sources: tuple[str, ...] = setting(
        "Which of `sources` mail for it leaves from; empty: all of them.", default=(), kind="words"
    )


SITES: dict[str, SiteRule] = {
    "default": SiteRule(),
    "google": SiteRule(
        mx=(".google.com", ".googlemail.com"),
        connections=5,
        messages_per_connection=50,
        one_domain=True,
        tls=Tls.ENCRYPT,
    ),
    "outlook": SiteRule(mx=(".olc.protection.outlook.com",), connections=5, messages_per_connection=50),
    "microsoft": SiteRule(
        mx=(".mail.protection.outlook.com", ".mx.microsoft"), connections=5, messages_per_connection=50
    ),
    "yahoo": SiteRule(mx=(".yahoodns.net",), messages_per_connection=20),
    "yahoo-japan": SiteRule(mx=(".yahoo.co.jp",), connections=2, messages_per_connection=20, per_minute=600),
    "qq": SiteRule(mx=(".qq.com",), connections=4, messages_per_connection=8, tls=Tls.ENCRYPT),
    "netease": SiteRule(
        mx=(".netease.com",),
        connections=4,
        messages_per_connection=7,
        per_hour=3000,
        per_day=100_000,
        tls=Tls.ENCRYPT,
    ),
    "aliyun": SiteRule(mx=(".mxhichina.com", ".aliyun.com")),
    "icloud": SiteRule(mx=(".mail.icloud.com",)),
    "mail-ru": SiteRule(mx=(".mail.ru",)),
    "sina": SiteRule(mx=(".sina.com.cn", ".sina.com", ".sina.net")),
    "sohu": SiteRule(mx=(".sohu.com",)),
    "china-mobile": SiteRule(mx=(".139.com", ".chinamobile.com")),
    "yandex": SiteRule(mx=(".yandex.net", ".yandex.ru")),
    "zoho": SiteRule(mx=(".zoho.com", ".zoho.eu", ".zoho.com.cn")),
}


@dataclass(frozen=True, slots=True)
class DomainRule:
    """worker.yml, `domains.DOMAIN`: mail for one recipient domain; `.example.com` for all domains below it."""

    tls: Tls | None = setting(
        "`none`: in the clear; `may`: encrypted where the receiver can; `encrypt`: not otherwise; `verify`: with a "
        "certificate for its MX's name, too; `dane` and `mta-sts`: only as these say; empty: as its site has it.",
        default=None,
        kind="tls or none",
    )
    smarthost: str = setting(
        "The name, in `smarthosts`, of the server that takes this mail on.", default="", kind="word"
    )


@dataclass(frozen=True, slots=True)
class Source:
    """worker.yml, `sources.NAME`: one of this host's addresses that mail leaves from."""

    ipv4: str = setting("Its IPv4 address; empty: it has none.", default="", kind="optional ipv4")
    ipv6: str = setting("Its IPv6 address; empty: it has none.", default="", kind="optional ipv6")
    ehlo: str = setting("The name given in EHLO from there; empty: `ehlo` of this file.", default="", kind="ehlo")
    warm_up: str = setting(
        "The first day of a new address, as 2026-11-30: from then on its messages a day and receiver grow as in "
        "`warm_up`; empty: it is known.",
        default="",
        kind="optional day",
    )


@dataclass(frozen=True, slots=True)
class Smarthost:
    """worker.yml, `smarthosts.NAME`: a server that takes mail on, for those who may not send directly."""

    host: str = setting("Its name or address.", default="", kind="host or address")
    port: int = setting("Its port; 465 is TLS from the start.", default=587, kind="port")
    user: str = setting("Whom to log in as; empty: nobody.", default="", kind="text")
    password: str = setting("The password.", default="", kind="optional secret", secret=True)
    password_file: str = setting("Or a file that has it on its first line.", default="", kind="optional path")
    tls: Tls = setting(
        "As in `domains`. A password is sent over TLS alone, unless this is `none`.", default=Tls.VERIFY, kind="tls"
    )
    connections: int = setting("The most connections at a time.", default=5, kind="count")


@dataclass(frozen=True, slots=True)
class ClientRule:
    """worker.yml, `clients.FQDN`: the way of what one sending host hands in."""

    sources: tuple[str, ...] = setting(
        "Which of `sources` its mail leaves from; empty: what its receiver's site says.", default=(), kind="words"
    )
    smarthost: str = setting(
        "The name, in `smarthosts`, of the server that takes its mail on.", default="", kind="word"
    )
