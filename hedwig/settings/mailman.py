"""mailman.yml."""

from dataclasses import dataclass

from hedwig.settings.base import DAY, GIB, MIB, MINUTE, setting


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
