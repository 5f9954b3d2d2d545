"""worker N: the daemon that delivers. This page joins its parts and holds its life: start, reload, stop.

Start: lock the name (a second worker N ends with an error), free what a dead predecessor held, with its dot marks (I5),
open the spool (waiting for the postoffice to make it), and take hints. SIGHUP reads the settings again
(in_force.py). SIGTERM: take nothing more, hand back what no dot has gone out for, wait up to `stop_time` for the
replies to the rest, settle, end (I10). Throughout, systemd's watchdog is petted from the event loop, while hints are
taken and the spool's writer moves.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import uvloop

from hedwig import limits, log
from hedwig.dkim.sign import Signer
from hedwig.https_post import client_context, post
from hedwig.in_force import InForce
from hedwig.mx.dns import DnsResolver
from hedwig.pulse import STUCK
from hedwig.queue.beanstalk import open_queue
from hedwig.settings import EightBit, Worker
from hedwig.spool import Kind, SpoolTrouble, owner, receivers
from hedwig.spool.examine import examined
from hedwig.spool.sqlite import SqliteSpool, open_spool
from hedwig.spool.trouble import Damaged, matter_of
from hedwig.supervisor import Supervisor
from hedwig.tlsrpt import Reporter
from hedwig.worker import myself
from hedwig.worker.allowance import Allowances
from hedwig.worker.bag import Bag
from hedwig.worker.broken_tls import BrokenAddresses
from hedwig.worker.claims import Claimer
from hedwig.worker.dispatch import MOST_CONNECTIONS, Dispatch
from hedwig.worker.dots import DotMarks, path_of
from hedwig.worker.heirs import free_predecessors
from hedwig.worker.hinter import Hinter
from hedwig.worker.policies import Policies
from hedwig.worker.resting import Resting
from hedwig.worker.route import Router
from hedwig.worker.settle import Settler
from hedwig.worker.slots import Slots
from hedwig.worker.sts import Sts
from hedwig.worker.sts_fetch import Fetcher, Terms
from hedwig.worker.sts_locks import Locks
from hedwig.worker.tls_reports import Sender, TlsReports
from hedwig.worker.tools import Tools, rules_of
from hedwig.worker.upkeep import Heirs, Upkeep
from hedwig.worker.ways import Ways

LOCK_PATIENCE = 5.0  # seconds: another worker may hold our lock for a moment, to free our dead predecessor's claims
OTHER_FILES = 100  # that a worker has open besides its connections, at the most
SPOOL_WAIT = 1.0
DAMAGED_WAIT = 10.0  # to look through a damaged spool takes a while
SETTLE_TIME = 30.0  # seconds for the outcomes, once the replies are here


@dataclass(frozen=True, slots=True)
class Outside:
    """What the daemon's main passes in. `reload` gives new settings, or None where the file is broken."""

    reload: Callable[[], Worker | None]
    supervisor: Supervisor


def run(
    settings: Worker,
    number: int,
    config_file: Path,
    reload: Callable[[], Worker | None],
    supervisor: Supervisor,
) -> int:
    """Run worker `number` until SIGTERM or SIGINT; returns the exit status."""
    del config_file
    lock = owner.worker_lock(settings.run_dir, str(number))
    deadline = time.monotonic() + LOCK_PATIENCE
    try:
        while not lock.take():
            if time.monotonic() > deadline:
                return _no_start(supervisor, f"another worker {number} runs on this host: it holds {lock.path}")
            time.sleep(0.1)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop, debug=False) as runner:
            return runner.run(_main(settings, str(number), Outside(reload, supervisor)))
    except OSError as error:
        return _no_start(supervisor, f"worker {number} can't use its folders (run_dir, state_dir): {error}")
    finally:
        lock.give_back()


def _no_start(supervisor: Supervisor, why: str) -> int:
    log.event(log.Matter.CANNOT_START, why, log.Level.ERROR, reason=why)
    supervisor.status(why)
    return 1


async def _main(settings: Worker, number: str, outside: Outside) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, stopping.set)
    spool = await _spool(settings, stopping, outside.supervisor)
    if spool is None:
        return 0
    try:
        worker = await loop.run_in_executor(None, _Life, settings, number, spool, outside)
        loop.add_signal_handler(signal.SIGHUP, worker.reload)
        await worker.live(stopping)
    finally:
        spool.close()
    return 0


async def _spool(settings: Worker, stopping: asyncio.Event, supervisor: Supervisor) -> SqliteSpool | None:
    """The spool, as soon as the postoffice has made it; None if the worker is stopped before.

    A worker that waits counts as started: whoever installs it before the postoffice shall not wait with it.
    """
    said = ""
    while not stopping.is_set():
        wait = SPOOL_WAIT
        try:
            await asyncio.to_thread(examined, settings.spool, create=False)
            return open_spool(settings.spool, create=False)
        except SpoolTrouble as trouble:
            wait = DAMAGED_WAIT if isinstance(trouble, Damaged) else SPOOL_WAIT
            if str(trouble) != said:
                said = str(trouble)
                log.event(matter_of(trouble), f"waiting for the spool: {said}", log.Level.WARNING, reason=said)
                supervisor.ready(f"waiting for the spool: {said}")
        supervisor.pet()
        try:
            await asyncio.wait_for(stopping.wait(), wait)
        except TimeoutError:
            continue
    return None


class _Life:
    """A running worker."""

    def __init__(self, settings: Worker, number: str, spool: SqliteSpool, outside: Outside) -> None:
        self._in_force = InForce(settings)
        self._supervisor = outside.supervisor
        self._broken = False  # worker.yml is, since the last reload
        self._number = number
        self._outside = outside
        self._spool = spool
        self._owner = owner.owner_name(number)
        own_dots = path_of(settings.state_dir, number)
        me = myself.find(settings)
        self._hinter = Hinter(open_queue(settings.queue))
        self._hinter.hint(free_predecessors(spool, self._owner, own_dots, settings.retry))
        resting = Resting(spool)
        resting.use(settings.sources)
        resting.take(resting.look())
        slots = Slots(settings.run_dir, number)
        slots.count_workers()
        resolver = DnsResolver(settings.dns.nameservers, settings.dns.port)
        self._tls_reports = TlsReports(spool, resolver, self._reporting, self._hinter.hint, self._post)
        fetcher = Fetcher(resolver, lambda: Terms(self._in_force.settings.ca_file, self._router.myself.refused))
        sts = Sts(spool, resolver, fetcher, Locks(settings.run_dir), self._tls_reports.count)
        policies = Policies(resolver, settings, sts)
        policies.look()
        self._router = Router(resolver, me, settings.smtp_port, None, policies)
        self._settler = Settler(spool, self._hinter.hint, time.time)
        self._tools = Tools(
            spool=spool,
            router=self._router,
            bag=Bag(receivers.paces(spool, time.time()), resting.apply, slots.share),
            dots=DotMarks(own_dots),
            settler=self._settler,
            rules=rules_of(settings, me.ehlo),
            resting=resting,
            allowances=Allowances(spool),
            slots=slots,
            broken=BrokenAddresses(spool),
            debug=settings.debug,
            convert=settings.eight_bit is EightBit.CONVERT,
            signer=Signer(settings.dkim),
            count_tls=self._tls_reports.count,
        )
        self._tools.broken.look()
        self._router.ways = Ways(settings, self._tools.closed_for)
        self._dispatch = Dispatch(self._tools, min(MOST_CONNECTIONS, limits.raise_open_files() - OTHER_FILES))
        queue = open_queue(settings.queue)
        self._claimer = Claimer(self._tools, queue, self._dispatch, self._owner)
        self._upkeep = Upkeep(
            self._tools,
            self._dispatch,
            Heirs(self._owner, lambda: self._in_force.settings),
            self._hinter,
            self._claimer.open_again,
        )

    async def live(self, stopping: asyncio.Event) -> None:
        """Until `stopping`, then the orderly end."""
        log.say(log.Level.INFO, f"worker {self._number} delivers as {self._router.myself.ehlo}")
        settler = asyncio.create_task(self._settler.run())
        claimer = asyncio.create_task(self._claimer.run(lambda: not self._settler.trouble))
        upkeep = asyncio.create_task(self._upkeep.run(lambda: self._supervisor.status(self._status())))
        heeding = asyncio.create_task(self._upkeep.heed())
        reporting = asyncio.create_task(self._tls_reports.run())
        petting = asyncio.create_task(self._pet())
        self._supervisor.ready(self._status())
        parts = {settler, claimer, upkeep, heeding}
        ended = asyncio.create_task(stopping.wait())
        await asyncio.wait({ended, *parts}, return_when=asyncio.FIRST_COMPLETED)
        broken = [part for part in parts if part.done()]
        self._supervisor.stopping(
            "waiting for the replies to what is sent", self._in_force.settings.stop_time + SETTLE_TIME
        )
        self._claimer.stop()
        self._dispatch.wind_down()
        for part in (upkeep, heeding, reporting):
            part.cancel()
        await asyncio.gather(claimer, upkeep, heeding, reporting, return_exceptions=True)
        await self._dispatch.stop(self._in_force.settings.stop_time)
        await self._router.policies.close()
        with suppress(SpoolTrouble):
            await self._tools.allowances.give_back(everything=True)
        await self._tls_reports.flush()
        self._settler.stop()
        await asyncio.gather(settler, return_exceptions=bool(broken))
        petting.cancel()
        self._hinter.close()
        self._tools.dots.close()
        log.say(log.Level.INFO, f"worker {self._number} has ended")
        for part in broken:
            part.result()

    def _reporting(self) -> Sender | None:
        """Who sends TLS reports, as the settings in force have it."""
        who, me = self._in_force.settings.tls_report, self._router.myself
        domain = who.contact.rpartition("@")[2]
        reporter = Reporter(who.organization or domain, who.contact)
        return Sender(reporter, me.ehlo, me.refused, self._tools.signer) if who.contact else None

    async def _post(self, url: str, address: str, content: bytes, content_type: str) -> str:
        return await post(url, address, content, content_type, client_context(self._in_force.settings.ca_file))

    def _status(self) -> str:
        """What `systemctl status` shows: what was done, what is under way, what is wrong."""
        counts = self._settler.counts
        done = ", ".join(f"{counts[kind]} {kind}" for kind in (Kind.DELIVERED, Kind.DEFERRED, Kind.FAILED))
        broken = "worker.yml is broken, the old settings stay: see `hedwig config check`" if self._broken else ""
        words = (
            broken,
            f"{done}, {self._dispatch.connections} connections",
            f"EHLO {self._router.myself.ehlo}",
            f"no new deliveries are taken: {self._claimer.trouble}" if self._claimer.trouble else "",
            f"outcomes can't be written: {self._settler.trouble}" if self._settler.trouble else "",
            self._in_force.trouble,
        )
        return "; ".join(word for word in words if word)

    async def _pet(self) -> None:
        """The claimer's loop stands still once it is stopped, rightly; before that its beat is its pulse."""
        while True:
            if self._claimer.stopped or time.monotonic() - self._claimer.beat < STUCK:
                self._supervisor.pet(self._spool.pulses)
            await asyncio.sleep(1)

    def reload(self) -> None:
        """SIGHUP."""
        self._reloading = asyncio.create_task(self._reload())

    async def _reload(self) -> None:
        self._supervisor.reloading()
        settings = self._outside.reload()
        self._broken = settings is None
        if settings is not None:
            await self._take(settings)
        self._supervisor.ready(self._status())

    async def _take(self, settings: Worker) -> None:
        """New settings; finding our own name may ask DNS, so not in the event loop."""
        settings = self._in_force.take(settings)
        me = await asyncio.get_running_loop().run_in_executor(None, myself.find, settings)
        self._router.myself = me
        self._router.policies.take(settings)
        self._router.ways = Ways(settings, self._tools.closed_for)
        self._tools.resting.use(settings.sources)
        self._tools.rules = rules_of(settings, me.ehlo)
        self._tools.debug = settings.debug
        self._tools.convert = settings.eight_bit is EightBit.CONVERT
        self._tools.signer = Signer(settings.dkim)
