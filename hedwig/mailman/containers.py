"""Which container an address belongs to: "which container sent this?" has an answer where `docker_socket` is set.

A thread keeps the engine's table of running containers: it reads it when the engine says that something has changed. A
look-up is a dict's; only an address that is new waits, up to PATIENCE, for the table to be read once more, for the
event of a container that has just started may still be on its way. An address that the engine doesn't know either (the
host's own) is remembered as such until the next change, so that nobody asks for each of its messages.

How it fails: without an engine, or while it is away, messages are taken all the same, with the address alone; the log
says so once, and the engine is tried again every RETRY seconds. An address that passes from one container to another is
told wrongly for the moment that the event takes (milliseconds).
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial

from hedwig import log
from hedwig.mailman.engine import Engine, Trouble
from hedwig.options import Submitter

PATIENCE = 0.3  # seconds that a message from a new address waits for a name
RETRY = 5.0


class Containers:
    """For one event loop. `path` "": no engine is asked. `open_engine` is for tests."""

    def __init__(self, path: str, open_engine: Callable[[str], Engine] = Engine) -> None:
        self._path = path
        self._engine = open_engine(path) if path else None
        self._known: dict[str, Submitter] = {}
        self._unknown: set[str] = set()
        self._asked = 0  # look-ups that wait for the table to be read
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ask = threading.Event()
        self._stop = threading.Event()
        self.trouble = ""

    def start(self) -> None:
        """Begin to watch. Call in the event loop."""
        self._loop = asyncio.get_running_loop()
        if self._engine is not None:
            for run in (self._watch, self._read):
                threading.Thread(
                    target=run, args=(self._engine,), name=f"containers{run.__name__}", daemon=True
                ).start()

    def stop(self) -> None:
        """End the threads; does not wait for them, for the engine may hang."""
        self._stop.set()
        self._ask.set()
        if self._engine is not None:
            self._engine.close()

    async def of(self, peer: str) -> Submitter:
        """Who has this address now."""
        known = self._known.get(peer)
        if known is not None:
            return known
        if self._engine is None or self.trouble or peer in self._unknown:
            return Submitter(peer)
        self._asked += 1
        number = self._asked
        turn = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._ask.set()
        await asyncio.wait([turn], timeout=PATIENCE)
        if self._waiting.pop(number, None) is None and peer not in self._known:
            self._unknown.add(peer)
        return self._known.get(peer) or Submitter(peer)

    # the threads

    def _watch(self, engine: Engine) -> None:
        """Listen to the engine's events; each of them asks for the table."""
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                for _ in engine.changes():
                    self._ask.set()
                if time.monotonic() - began > RETRY:  # a proxy's time-out for idle streams: begin another
                    continue
                why = "its stream of events ends at once"
            except Trouble as error:
                why = str(error) or type(error).__name__
            self._tell(partial(self._troubled, why))
            self._stop.wait(RETRY)

    def _read(self, engine: Engine) -> None:
        """Read the table, once for all who have asked meanwhile."""
        while True:
            self._ask.wait()
            self._ask.clear()
            if self._stop.is_set():
                return
            asked = self._asked  # who asks from here on waits for the next reading: this one may miss their container
            try:
                table = engine.containers()
            except Trouble as error:
                why = str(error) or type(error).__name__
                self._tell(partial(self._troubled, why))
                self._stop.wait(RETRY)
                self._ask.set()
            else:
                self._tell(partial(self._learn, table, asked))

    def _tell(self, what: Callable[[], None]) -> None:
        """Run it in the event loop, unless that has ended."""
        if not self._stop.is_set() and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended just now
                self._loop.call_soon_threadsafe(what)

    # in the event loop

    def _learn(self, table: dict[str, Submitter], asked: int) -> None:
        if self.trouble:
            log.say(log.Level.NOTICE, f"containers have names again: {self._path} answers")
        self.trouble = ""
        self._known = table
        self._unknown.clear()
        self._let_go(asked)

    def _troubled(self, why: str) -> None:
        if not self.trouble:
            log.say(log.Level.WARNING, f"containers have no names in log and history: {self._path}: {why}")
        self.trouble = f"docker_socket {self._path} can't be asked: {why}"
        self._known = {}
        self._let_go(self._asked)

    def _let_go(self, asked: int) -> None:
        for number in [number for number in self._waiting if number <= asked]:
            turn = self._waiting.pop(number)
            if not turn.done():
                turn.set_result(None)
