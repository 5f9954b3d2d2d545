"""One message while it arrives: its octets, in memory while it is small and on disk once it is large (I9).

A letter over `LARGE` octets goes to a file without a name beside the spool, so that a slow or hostile sender holds
disk, bounded by `spool_limit` over all connections, and not memory. Once it is complete it waits for its share of
`MEMORY`, first come first served. A disk that is full, or the bound, is `no_room` (452 4.3.1, I8): the rest is read and
thrown away.
"""

from io import FileIO

from hedwig import log
from hedwig.mailman.intake import Intake
from hedwig.mailman.service import LARGE, Service


class Reception:
    """The octets of one message and what they hold of the service's disk and memory. `close` gives all of it back."""

    def __init__(self, intake: Intake, service: Service) -> None:
        self.intake = intake
        self.no_room = False
        self._service = service
        self._file: FileIO | None = None
        self._on_disk = 0
        self._in_memory = 0

    @property
    def large(self) -> bool:
        """Whether it went to disk."""
        return self._file is not None

    def take(self, chunk: bytes | bytearray) -> bytes | None:
        """Take a chunk. None: more is needed. Otherwise what follows the end of data."""
        rest = self.intake.feed(chunk)
        if rest is None and (self._file or self.intake.in_memory > LARGE):
            self._spill()
        return rest

    async def wait_for_memory(self) -> None:
        """Wait until a large letter may be read into memory; small ones don't wait."""
        if self.large and not self.no_room:
            await self._service.memory.take(self.intake.received)
            self._in_memory = self.intake.received

    def content(self) -> bytes:
        """The content, or b"" with `no_room` or the intake's `too_large` saying why."""
        try:
            return self.intake.content()
        except OSError as error:
            self._give_up(error)
            return b""

    def close(self) -> None:
        """Give everything back."""
        self.intake.close()
        self._service.on_disk -= self._on_disk
        self._on_disk = 0
        if self._in_memory:
            self._service.memory.give(self._in_memory)
            self._in_memory = 0

    def _spill(self) -> None:
        if self.no_room or self.intake.too_large:
            return
        octets = self.intake.in_memory
        limit = self._service.settings.spool_limit
        try:
            if self._service.on_disk + octets > limit:
                raise OSError(f"letters that are arriving hold {self._service.on_disk} octets, spool_limit is {limit}")
            if self._file is None:
                self._file = self._service.file_for_large()
            self.intake.spill(self._file)
        except OSError as error:
            self._give_up(error)
            return
        self._service.on_disk += octets
        self._on_disk += octets

    def _give_up(self, error: OSError) -> None:
        spool = self._service.settings.spool
        text = f"no room beside {spool} for a large letter that is arriving: {error}"
        log.event(log.Matter.SPOOL_TROUBLE, text, log.Level.ERROR, reason=str(error))
        self.no_room = True
        self.intake.discard()
