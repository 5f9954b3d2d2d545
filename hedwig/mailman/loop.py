"""mailman: the daemon of a Docker host. This page joins its parts and holds its life: start, reload, stop.

Start: lock and open the own spool (opening.py; a second mailman on it ends with an error, a disk that is full or
read-only ends nothing), then listen; the backlog frees what a dead predecessor was sending. SIGHUP reads the settings
again (in_force.py). SIGTERM: no new mail, what is complete gets its reply, whatever has no verdict by then is spooled,
end (I10). Throughout, systemd's watchdog is petted from the event loop, while the forwarding threads and the spool's
writer move.

While no postoffice is configured all mail is spooled, and local.key is watched: `hedwig local-key`, run by whichever
package comes second, joins mailman and postoffice without another word.
"""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from hedwig import log
from hedwig.config.localkey import path_beside, stamp
from hedwig.doors import Doors
from hedwig.in_force import InForce
from hedwig.mailman import Submission
from hedwig.mailman.backlog import Backlog
from hedwig.mailman.clear import Caution
from hedwig.mailman.forwarder import Forwarder
from hedwig.mailman.link import Link
from hedwig.mailman.listener import KIND, Listener
from hedwig.options import TlsWish
from hedwig.reply import Reply
from hedwig.settings import Mailman
from hedwig.spool import SpoolTrouble, owner
from hedwig.spool.opening import InUse, open_own
from hedwig.spool.sqlite import SqliteSpool
from hedwig.spool.trouble import matter_of
from hedwig.supervisor import Supervisor

STOP_TIME = 20.0  # seconds for messages whose data is complete
STOP_REST = 15.0  # and to end the threads, whose requests are cut, after that
ROUND = 5.0  # seconds between status lines
NUMBER = "0"
_BROKEN = "mailman.yml is broken, the old settings stay: see `hedwig config check`"


@dataclass(frozen=True, slots=True)
class Outside:
    """What the daemon's main passes in. `reload` gives new settings, or None where the file is broken."""

    config_file: Path
    reload: Callable[[], Mailman | None]
    supervisor: Supervisor


def run(
    settings: Mailman,
    config_file: Path,
    reload: Callable[[], Mailman | None],
    supervisor: Supervisor,
) -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    lock = owner.Lock(Path(settings.spool + ".owner"))
    try:
        spool = open_own(settings.spool, lock, "mailman")
    except InUse as error:
        return _no_start(supervisor, str(error))
    except SpoolTrouble as error:
        return _no_start(supervisor, f"the spool {settings.spool} can't be used: {error}", matter_of(error))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_Life(settings, spool, Outside(config_file, reload, supervisor)).live())
    finally:
        spool.close()
        lock.give_back()
    return 0


def _no_start(supervisor: Supervisor, why: str, matter: log.Matter = log.Matter.CANNOT_START) -> int:
    log.event(matter, why, log.Level.ERROR, reason=why)
    supervisor.status(why)
    return 1


class _Life:
    """A running mailman."""

    def __init__(self, settings: Mailman, spool: SqliteSpool, outside: Outside) -> None:
        self._outside = outside
        self._supervisor = outside.supervisor
        self._spool = spool
        self._in_force = InForce(settings)
        self._broken = False  # mailman.yml is, since the last reload
        self._link = Link()
        self._link.configured(settings)
        self._caution = Caution()
        self._local_key = stamp(path_beside(outside.config_file))
        self._forwarder = Forwarder(settings, spool, self._link)
        self._backlog = Backlog(settings, spool, self._link, owner.owner_name(NUMBER))
        self._listener = Listener(
            settings,
            self._submit,
            config_path=str(outside.config_file),
            doors=Doors(KIND, outside.supervisor),
        )

    async def _submit(self, submission: Submission) -> Reply:
        """To the forwarder; but what asks for TLS on its way (RFC 8689) begins that way with us."""
        if submission.options.tls is TlsWish.REQUIRED and self._caution.why:
            text = "the message asks for TLS on its way, and the way from here to the postoffice is in the clear"
            return Reply(450, "4.7.10", f"{text}: `hedwig open` on the postoffice host makes an https URL")
        return await self._forwarder.submit(submission)

    async def live(self) -> None:
        """Until SIGTERM or SIGINT, then the orderly end."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(ending, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        petting = asyncio.create_task(self._pet())
        self._caution.look(self._forwarder.settings)
        await self._listener.start()
        self._backlog.start()
        self._supervisor.ready(await self._status())
        log.say(log.Level.INFO, "mailman takes mail")
        while not stopping.is_set():
            try:
                await asyncio.wait_for(stopping.wait(), ROUND)
            except TimeoutError:
                self._look_for_local_key()
                self._supervisor.status(await self._status())
        self._supervisor.stopping("finishing the messages that are coming in", STOP_TIME + STOP_REST)
        backlog_ends = loop.run_in_executor(None, self._backlog.stop)
        await self._listener.stop(STOP_TIME)
        await loop.run_in_executor(None, self._forwarder.stop)
        await backlog_ends
        petting.cancel()
        log.say(log.Level.INFO, "mailman has ended")

    async def _pet(self) -> None:
        while True:
            self._supervisor.pet([*self._forwarder.pulses, self._backlog.pulse, *self._spool.pulses])
            await asyncio.sleep(1)

    async def _status(self) -> str:
        """What `systemctl status` shows: what was done, what waits here, what is wrong."""
        forwarder = self._forwarder
        done = (
            f"{forwarder.forwarded + forwarder.spooled} accepted ({forwarder.forwarded} forwarded at once, "
            f"{forwarder.spooled} spooled), {forwarder.refused} refused"
        )
        try:
            waiting = await asyncio.get_running_loop().run_in_executor(None, self._spool.depth)
            over_quota = self._backlog.over_quota
            wait = f"{waiting} wait here{f', {over_quota} of them for a quota' if over_quota else ''}"
        except SpoolTrouble as trouble:
            wait = f"the spool can't be read: {trouble}"
        link = "" if self._link.is_up else self._link.why
        broken = _BROKEN if self._broken else ""
        wrong = (forwarder.trouble, link, self._listener.trouble, self._caution.why, self._in_force.trouble)
        parts = (broken, done, wait, *wrong)
        return "; ".join(part for part in parts if part)

    def _look_for_local_key(self) -> None:
        """While no postoffice is configured: a local key that has come, or has changed, is taken as after SIGHUP."""
        now = stamp(path_beside(self._outside.config_file))
        if self._forwarder.settings.missing and now != self._local_key:
            self._local_key = now
            self._reload()

    def _reload(self) -> None:
        self._supervisor.reloading()
        settings = self._outside.reload()
        self._broken = settings is None
        if settings is not None:
            settings = self._in_force.take(settings)
            self._forwarder.settings = self._backlog.settings = settings
            self._link.reloaded(settings)
            self._caution.look(settings)
            self._listener.reload(settings)
        self._supervisor.ready(_BROKEN if self._broken else self._in_force.trouble or "takes mail")
