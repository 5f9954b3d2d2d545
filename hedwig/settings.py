"""Every setting of the three daemons: its name, type, default and meaning, said once.

config reads YAML into these; the comments in etc/*.yml and the man pages come from the texts here. All are frozen: a
reload makes a new object. Sizes are octets, durations seconds (in the files: `25 MiB`, `30m`).
"""

from dataclasses import dataclass, field, fields
from typing import Any, TypedDict, Unpack

from hedwig.choices import OnDoubt, Priority

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class _More(TypedDict, total=False):
    """What else may be said of a key."""

    pasted: bool
    secret: bool
    at_start: bool


def setting(text: str, *, default: Any = None, kind: str, **more: Unpack[_More]) -> Any:
    """One key. `kind` names the parser in config/kinds.py (there is one for each: size, duration, listen ...).

    `pasted`: no default works; it is one of the lines that `hedwig key add` prints. `secret`: it appears in no repr and
    no error. `at_start`: a restart takes it, a reload does not.
    """
    metadata = {"text": text, "kind": kind, "pasted": False, "secret": False, "at_start": False, **more}
    return field(default=default, repr=not metadata["secret"], metadata=metadata)


def section(of: type, text: str, *, at_start: bool = False) -> dict[str, Any]:
    """The metadata of a key that holds a mapping of further keys, those of the dataclass `of`."""
    return {"text": text, "section": of, "at_start": at_start}


def needs_restart(old: Any, new: Any) -> list[str]:
    """The names of the settings in which two objects of one kind differ, and which a running daemon does not take."""
    at_start = [each.name for each in fields(old) if each.metadata.get("at_start")]
    return [name for name in at_start if getattr(old, name) != getattr(new, name)]


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a daemon listens: `host` is an IP address, an interface's name, or a unix socket's path (port 0)."""

    host: str
    port: int

    def __str__(self) -> str:
        if not self.port:
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Mailman:
    """mailman.yml: the SMTP service for this host's containers."""

    fqdn: str = setting(
        "This host's name, as in `hedwig key add FQDN` on the postoffice host.",
        default="",
        kind="host",
        pasted=True,
    )
    postoffice: str = setting("The postoffice's URL.", default="", kind="url", pasted=True)
    key: str = setting(
        "The key that `hedwig key add FQDN` printed.", default="", kind="secret", pasted=True, secret=True
    )
    ca_file: str = setting(
        "CA certificates (PEM) to trust for the postoffice, instead of the system's.", default="", kind="optional path"
    )
    listen: tuple[Listen, ...] = setting(
        "Where containers send to: address:port, or interface:port, whose address is then followed.",
        default=(Listen("172.17.0.1", 25),),
        kind="listen inet",
    )
    allow: tuple[str, ...] = setting(
        "Who may send: networks; `loopback`: this host itself; `docker`: the networks of docker0, br-* and podman*.",
        default=("loopback", "docker"),
        kind="allow",
    )
    max_size: int = setting("The largest message taken.", default=30 * MIB, kind="size")
    max_recipients: int = setting("The most recipients of one message.", default=1000, kind="count")
    connections: int = setting("The most connections at a time.", default=1000, kind="count")
    connections_per_peer: int = setting("The most connections at a time from one address.", default=200, kind="count")
    idle_timeout: int = setting(
        "A connection that says nothing for so long is closed.", default=5 * MINUTE, kind="duration"
    )
    spool: str = setting(
        "Where messages wait while the postoffice can't be reached.",
        default="/var/lib/hedwig/mailman/spool.db",
        kind="path",
        at_start=True,
    )
    spool_limit: int = setting(
        "The most that may wait there; past it containers get 452.", default=2 * GIB, kind="size"
    )
    expire: int = setting("A waiting message older than this is bounced.", default=5 * DAY, kind="duration")
    docker_socket: str = setting(
        "A socket of Docker's interface, which names the container behind an address in log and history; none by "
        "default. Docker's own makes whoever may use it root: see /usr/share/doc/hedwig-mailman/containers.md.",
        default="",
        kind="optional path",
        at_start=True,
    )
    debug: bool = setting("Write whole SMTP conversations to the log.", default=False, kind="flag")
    # Not a key of the file: which of fqdn, postoffice and key neither it nor local.key has. Then all mail is spooled.
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Postoffice:
    """postoffice.yml: the HTTP service that takes messages into the spool."""

    listen: tuple[Listen, ...] = setting(
        "Where mailmen send to: address:port, interface:port, or unix:/path for nginx in front.",
        default=(Listen("127.0.0.1", 8025), Listen("172.17.0.1", 8025)),
        kind="listen",
    )
    spool: str = setting("The spool's file.", default="/var/lib/hedwig/postoffice/spool.db", kind="path", at_start=True)
    queue: str = setting(
        "The MQ: beanstalk:///path of beanstalkd's unix socket, or beanstalk://host:port.",
        default="beanstalk:///run/hedwig-beanstalkd/queue.sock",
        kind="queue",
        at_start=True,
    )
    max_size: int = setting("The largest message taken.", default=30 * MIB, kind="size")
    max_recipients: int = setting("The most recipients of one message.", default=100_000, kind="count")
    expire: int = setting("A message older than this is given up and bounced.", default=5 * DAY, kind="duration")
    connections: int = setting("The most HTTP connections at a time.", default=2000, kind="count")
    threads: int = setting("Threads that answer requests.", default=32, kind="count", at_start=True)
    idle_timeout: int = setting("A connection that says nothing for so long is closed.", default=30, kind="duration")
    debug: bool = setting("Say more in the log.", default=False, kind="flag")


@dataclass(frozen=True, slots=True)
class Dns:
    """worker.yml, `dns`: which resolver is asked."""

    nameservers: tuple[str, ...] = setting("Resolvers' addresses; empty: the system's.", default=(), kind="addresses")
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
    reports_per_hour: int = setting(
        "The most bounces, and warnings of delay, that a sender gets one by one in an hour; the rest is one digest.",
        default=20,
        kind="count",
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


@dataclass(frozen=True, slots=True)
class Client:
    """clients.d/FQDN.yml: one host that may hand in mail. `key`: "sha256:HEX" of each; several while rotated."""

    fqdn: str
    key: tuple[str, ...] = setting(
        "Hashes of the keys that are valid for this host.", default=(), kind="hashes", secret=True
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
