"""postoffice.yml."""

from dataclasses import dataclass

from hedwig.dkim.keys import NO_KEYS, Keys
from hedwig.settings.base import DAY, MIB, setting
from hedwig.settings.mailman import Listen


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
    # Not a key of the file: the DKIM keys that sign, from the folder `dkim` beside it.
    dkim: Keys = NO_KEYS
