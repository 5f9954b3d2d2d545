"""mailman: the daemon of a Docker host. This page joins its parts and holds its life: start, reload, stop.

Start: open the own spool and lock it (a second mailman on the same spool ends with an error), free what a dead
predecessor was sending, then listen. SIGHUP reads the settings again, all but `spool`. SIGTERM: no new mail, what is
complete gets its reply, whatever has no verdict by then is spooled, end (I10).

While no postoffice is configured all mail is spooled, and local.key is watched: `hedwig local-key`, run by whichever
package comes second, joins mailman and postoffice without another word.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from hedwig import log
from hedwig.config.localkey import path_beside, stamp
from hedwig.mailman.backlog import Backlog
from hedwig.mailman.forwarder import Forwarder
from hedwig.mailman.link import Link
from hedwig.mailman.listener import Listener
from hedwig.settings import Mailman
from hedwig.spool import SpoolTrouble, owner
from hedwig.spool.sqlite import SqliteSpool, open_spool

STOP_TIME = 20.0  # seconds for messages whose data is complete
ROUND = 5.0  # seconds between status lines
NUMBER = "0"


@dataclass(frozen=True, slots=True)
class Outside:
    """What the daemon's main passes in. `reload` gives new settings, or None where the file is broken; `notify` takes
    systemd's state lines."""

    config_file: Path
    reload: Callable[[], Mailman | None]
    notify: Callable[[str], object]


def run(
    settings: Mailman,
    config_file: Path,
    reload: Callable[[], Mailman | None],
    notify: Callable[[str], object],
) -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    lock = owner.Lock(Path(settings.spool + ".owner"))
    try:
        if not lock.take():
            log.say(log.Level.ERROR, f"another mailman uses {settings.spool}: it holds {lock.path}")
            return 1
        spool = open_spool(settings.spool)
    except (OSError, SpoolTrouble) as error:
        log.say(log.Level.ERROR, f"the spool {settings.spool} can't be used: {error}")
        return 1
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_Life(settings, spool, Outside(config_file, reload, notify)).live())
    finally:
        spool.close()
        lock.give_back()
    return 0


class _Life:
    """A running mailman."""

    def __init__(self, settings: Mailman, spool: SqliteSpool, outside: Outside) -> None:
        self._outside = outside
        self._link = Link()
        self._link.configured(settings)
        self._local_key = stamp(path_beside(outside.config_file))
        name = owner.owner_name(NUMBER)
        freed = spool.free(name, lambda delivery, token: False, time.time(), 0.0).result()
        if freed:
            log.say(log.Level.NOTICE, f"{len(freed)} messages that were on their way are offered again")
        self._forwarder = Forwarder(settings, spool, self._link)
        self._backlog = Backlog(settings, spool, self._link, name)
        self._listener = Listener(settings, self._forwarder.submit, config_path=str(outside.config_file))

    async def live(self) -> None:
        """Until SIGTERM or SIGINT, then the orderly end."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(ending, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        await self._listener.start()
        self._backlog.start()
        self._outside.notify("READY=1")
        log.say(log.Level.INFO, "mailman takes mail")
        while not stopping.is_set():
            self._look_for_local_key()
            self._report()
            try:
                await asyncio.wait_for(stopping.wait(), ROUND)
            except TimeoutError:
                continue
        self._outside.notify("STOPPING=1")
        await self._listener.stop(STOP_TIME)
        await loop.run_in_executor(None, self._forwarder.stop)
        await loop.run_in_executor(None, self._backlog.stop)
        log.say(log.Level.INFO, "mailman has ended")

    def _report(self) -> None:
        forwarder = self._forwarder
        state = "" if self._link.is_up else f"; {self._link.why}"
        self._outside.notify(
            f"STATUS={forwarder.forwarded} forwarded, {forwarder.spooled} spooled, {forwarder.refused} refused{state}"
        )
        self._outside.notify("WATCHDOG=1")

    def _look_for_local_key(self) -> None:
        """While no postoffice is configured: a local key that has come, or has changed, is taken as after SIGHUP."""
        now = stamp(path_beside(self._outside.config_file))
        if self._forwarder.settings.missing and now != self._local_key:
            self._local_key = now
            self._reload()

    def _reload(self) -> None:
        self._outside.notify("RELOADING=1")
        settings = self._outside.reload()
        if settings is not None:
            self._forwarder.settings = self._backlog.settings = settings
            self._link.reloaded(settings)
            self._listener.reload(settings)
        self._outside.notify("READY=1")
