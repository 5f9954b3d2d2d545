"""worker.yml."""

from dataclasses import dataclass, field

from hedwig.dkim.keys import NO_KEYS, Keys
from hedwig.settings.base import DAY, HOUR, MINUTE, named, section, setting
from hedwig.settings.receivers import SITES, ClientRule, DomainRule, EightBit, SiteRule, Smarthost, Source, Tls
from hedwig.settings.replies import ReplyRule


@dataclass(frozen=True, slots=True)
class Dns:
    """worker.yml, `dns`: which resolver is asked."""

    nameservers: tuple[str, ...] = setting(
        "Resolvers' addresses; empty: the system's. DANE needs ones on this host that validate (DNSSEC), no others.",
        default=(),
        kind="addresses",
    )
    port: int = setting("Their port.", default=53, kind="port")


@dataclass(frozen=True, slots=True)
class Retry:
    """worker.yml, `retry`: when a deferred recipient is tried again."""

    schedule: tuple[int, ...] = setting(
        "Waits after the first, second ... try; the last one repeats.",
        default=(6 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR),
        kind="durations",
    )
    jitter: float = setting(
        "Each wait is varied by up to this share, so that tries don't come in bursts.", default=0.2, kind="percent"
    )
    expire: int = setting("A message older than this is given up and bounced.", default=5 * DAY, kind="duration")
    warn_after: int = setting(
        "The sender is warned once when a message has waited so long; 0: never.",
        default=4 * HOUR,
        kind="duration or never",
    )
    hold: int = setting(
        "How long mail is kept that a receiver refuses for a fault of ours (DNS, authentication) or for the name that "
        "this host's address has, lest it fail before an operator can mend that.",
        default=DAY,
        kind="duration",
    )


@dataclass(frozen=True, slots=True)
class TlsReport:
    """worker.yml, `tls_report`: who reports to receivers how TLS went (RFC 8460)."""

    contact: str = setting(
        "The address that reports come from and name, such as tls@example.com; empty: there are none.",
        default="",
        kind="optional mailbox",
    )
    organization: str = setting(
        "Who reports, as people may read it; empty: the domain of `contact`.", default="", kind="text"
    )


@dataclass(frozen=True, slots=True)
class Doctor:
    """worker.yml, `doctor`: what `hedwig doctor` asks outside."""

    addresses: tuple[str, ...] = setting(
        "The addresses that receivers see this host's mail come from, where they are not its own (NAT); empty: they "
        "are.",
        default=(),
        kind="addresses",
    )
    receivers: tuple[str, ...] = setting(
        "Domains whose mail servers are connected to, to see whether port 25 is open outward.",
        default=("gmail.com", "qq.com", "163.com"),
        kind="hosts",
    )
    dnsbls: tuple[str, ...] = setting(
        "DNSBLs that are asked about this host's addresses, such as zen.spamhaus.org. They answer a resolver of your "
        "own alone, and each has its terms; empty: none is asked.",
        default=(),
        kind="hosts",
    )
    ntp: str = setting(
        "An NTP server to compare the clock with.", default="2.debian.pool.ntp.org", kind="host or address"
    )


@dataclass(frozen=True, slots=True)
class Worker:
    """worker.yml: the daemons that deliver."""

    spool: str = setting("The spool's file.", default="/var/lib/hedwig/postoffice/spool.db", kind="path", at_start=True)
    queue: str = setting(
        "The MQ: beanstalk:///path of beanstalkd's unix socket, or beanstalk://host:port.",
        default="beanstalk:///run/hedwig-beanstalkd/queue.sock",
        kind="queue",
        at_start=True,
    )
    ehlo: str = setting(
        "The name this host gives itself in EHLO; empty: `hostname -f`, else the address's PTR.",
        default="",
        kind="ehlo",
    )
    dns: Dns = field(default_factory=Dns, metadata=section(Dns, "Which resolver is asked.", at_start=True))
    smtp_port: int = setting("The port of the receivers' SMTP servers.", default=25, kind="port", at_start=True)
    refuse: tuple[str, ...] = setting(
        "Addresses that no mail is sent to, whatever DNS says; `this-host` is every address of this machine.",
        default=("this-host", "127.0.0.0/8", "::1", "169.254.0.0/16"),
        kind="refuse",
    )
    retry: Retry = field(default_factory=Retry, metadata=section(Retry, "When a deferred recipient is tried again."))
    tls: Tls = setting(
        "What mail needs of its way, where neither its domain nor its site says otherwise; as in `domains`.",
        default=Tls.MAY,
        kind="tls",
    )
    eight_bit: EightBit = setting(
        "What becomes of 8-bit mail for a receiver that takes 7-bit mail alone. `convert`: text goes as "
        "quoted-printable, other content as base64; ours is signed (DKIM) again, another's signature does not survive "
        "that. `bounce`: it goes back.",
        default=EightBit.CONVERT,
        kind="eight bit",
    )
    dane: bool = setting(
        "Whether TLSA records of receivers are kept to (DANE). That needs a resolver on this host that validates.",
        default=True,
        kind="flag",
    )
    mta_sts: bool = setting(
        "Whether receivers' MTA-STS policies are fetched and kept to; `tls: mta-sts` needs it.",
        default=True,
        kind="flag",
    )
    ca_file: str = setting(
        "CA certificates (PEM) to trust for receivers' certificates and their MTA-STS policies, instead of the "
        "system's.",
        default="",
        kind="optional path",
    )
    warm_up: tuple[int, ...] = setting(
        "The most messages a day and receiver from a new source address on its first, second ... day; then no bound.",
        default=(50, 100, 200, 400, 800, 1500, 3000, 6000, 12_000, 25_000, 50_000, 100_000),
        kind="counts",
    )
    reports_per_hour: int = setting(
        "The most bounces, and warnings of delay, that a sender gets one by one in an hour; the rest is one digest.",
        default=20,
        kind="count",
    )
    tls_report: TlsReport = field(
        default_factory=TlsReport,
        metadata=section(TlsReport, "Daily reports to receivers that ask for them, on how TLS went (TLS-RPT)."),
    )
    doctor: Doctor = field(
        default_factory=Doctor, metadata=section(Doctor, "What `hedwig doctor` asks outside: hedwig(1).")
    )
    suppress: int = setting(
        "An address of which its receiver said that there is no such mailbox gets no mail for so long: what is sent to "
        "it fails at once. 0: never. `hedwig suppress` shows and changes the list.",
        default=30 * DAY,
        kind="duration or never",
    )
    replies: str = setting(
        "Rules of yours for what receivers' replies mean (replies.yml(5)), which go before the shipped ones; empty: "
        "replies.yml beside this file, where there is one.",
        default="",
        kind="optional path",
    )
    run_dir: str = setting(
        "Where workers' locks lie; gone after a reboot.", default="/run/hedwig", kind="path", at_start=True
    )
    state_dir: str = setting(
        "Where workers' dot marks lie.", default="/var/lib/hedwig/worker", kind="path", at_start=True
    )
    stop_time: int = setting(
        "How long a stopping worker waits for replies to messages that are fully sent.", default=60, kind="duration"
    )
    debug: bool = setting("Write whole SMTP conversations to the log.", default=False, kind="flag")
    sites: dict[str, SiteRule] = field(
        default_factory=lambda: dict(SITES),
        metadata=named(
            SiteRule,
            "Receivers. Domains whose mail servers belong together are one site, and share connections, limits and "
            "pauses. A site of yours is added, and may take the servers of a known one; a known one changes in the "
            "keys that you name; `default` is for all others, each by its set of mail servers.",
        ),
    )
    domains: dict[str, DomainRule] = field(
        default_factory=dict,
        metadata=named(
            DomainRule, "What holds for mail to one recipient domain, or to all below `.example.com`.", names="domain"
        ),
    )
    sources: dict[str, Source] = field(
        default_factory=dict,
        metadata=named(
            Source,
            "This host's addresses that mail leaves from, by turns: a retry leaves from another one, too. What a "
            "receiver refuses for the address that it came from goes from another one within seconds. Without any, the "
            "system chooses one.",
        ),
    )
    smarthosts: dict[str, Smarthost] = field(
        default_factory=dict, metadata=named(Smarthost, "Servers that take mail on, used by `domains` and `clients`.")
    )
    clients: dict[str, ClientRule] = field(
        default_factory=dict,
        metadata=named(
            ClientRule, "The way of what one sending host hands in, named as in `hedwig key add`.", names="host"
        ),
    )
    # Not a key of the file: the rules for replies, the shipped ones and the admin's, in the order in which they count.
    rules: dict[str, ReplyRule] = field(default_factory=dict)
    # Nor this: the DKIM keys that sign what is made or changed here, from the folder `dkim` beside the file.
    dkim: Keys = NO_KEYS
