"""The host that delivers, for commands that look with the eyes of its workers: their settings, their spool, and what
their modules have to say meanwhile, which goes to the operator instead of the journal.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from hedwig import log
from hedwig.cli import desks
from hedwig.cli.terminal import clean
from hedwig.config import ConfigError, lines_of_worker, with_rules
from hedwig.mx.dns import DnsResolver
from hedwig.reply import one_line
from hedwig.settings import Worker
from hedwig.spool.desk import SqliteDesk
from hedwig.spool.sqlite import SqliteSpool, open_spool
from hedwig.spool.words import SpoolTrouble
from hedwig.worker import myself
from hedwig.worker.observer import Observer
from hedwig.worker.route import Myself
from hedwig.worker.sts import Sts
from hedwig.worker.sts_fetch import Fetcher, Terms
from hedwig.worker.sts_locks import Locks


@dataclass(slots=True)
class Place:
    """Where it is looked: the worker's settings with their lines, its spool, and what its modules say meanwhile."""

    settings: Worker
    lines: Mapping[str, int]
    desk: SqliteDesk
    spool: SqliteSpool
    notes: list[str] = field(default_factory=list)
    trace: Callable[[str], None] | None = None

    def hear(self, level: log.Level, message: str, fields: dict[str, str]) -> None:
        """What would go to the journal."""
        if level is log.Level.DEBUG:
            if self.trace is not None:
                self.trace(message)
        else:
            self.notes.append(one_line(message))


@contextmanager
def place_of(config_dir: Path) -> Iterator[Place]:
    """The worker's place on this host; every trouble becomes a ClickException."""
    file = config_dir / "worker.yml"
    try:
        settings, lines = lines_of_worker(file)
        settings = with_rules(file, settings)
        with desks.desk_at(settings.spool) as desk, closing(open_spool(settings.spool, create=False)) as spool:
            place = Place(settings, lines, desk, spool)
            with log.overheard(place.hear, debug=True):
                yield place
    except (ConfigError, SpoolTrouble) as error:
        raise click.ClickException(desks.clean_lines(str(error))) from None
    except OSError as error:
        where = clean(str(error.filename or "run_dir"))
        raise click.ClickException(
            f"{where}: {error.strerror or error}: run it as root, or as the user hedwig"
        ) from None


@asynccontextmanager
async def observing(place: Place, *, sts: bool = False) -> AsyncIterator[Observer]:
    """A worker's eyes, as long as they are needed. SpoolTrouble. `sts`: also for MTA-STS, where a policy that nobody
    has yet is fetched, as for a letter."""
    settings = place.settings
    me = await asyncio.to_thread(myself.find, settings)
    resolver = DnsResolver(settings.dns.nameservers, settings.dns.port)
    policies = _sts(place, resolver, me) if sts else None
    try:
        yield Observer(settings, place.spool, me, resolver, policies)
    finally:
        if policies is not None:
            await policies.close()
        await resolver.close()


def _sts(place: Place, resolver: DnsResolver, me: Myself) -> Sts | None:
    """As a worker has it; None where no worker has run since this host started."""
    settings = place.settings
    if not Path(settings.run_dir).is_dir():
        return None
    fetcher = Fetcher(resolver, lambda: Terms(settings.ca_file, me.refused))
    return Sts(place.spool, resolver, fetcher, Locks(settings.run_dir))
