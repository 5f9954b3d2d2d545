"""The queue on beanstalkd, by greenstalk (beanstalkd's doc/protocol.txt; version 1.12 is Debian 12's).

Promises: every call comes back within its time-out plus 5 s, also when the server hangs, and says QueueDown when the
server is gone, hangs, or answers what can't be understood; the next call connects anew. Nothing is lost by that (I2).

How: greenstalk has no time-outs, so the socket is made here, with one, and given to it. greenstalk sends one command
and waits for its answer; the calls here that carry many hints write many commands at once and then read the answers
(the server works off a connection's commands in order), which is about ten times faster. A write holds at
most PIPELINE commands: more could fill both socket buffers, and then both sides would wait for each other.

beanstalkd's tubes are the lanes, with TUBE_PREFIX before their names, so that one server may have other users. Its
delays are not used: due times live in the spool. A body is the delivery's number and its lane: "4711 default"
(beanstalkd does not say from which tube a job came).
"""

import math
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

import greenstalk

from hedwig.queue import Hint, QueueDown

ANSWER_WITHIN = 4.0  # seconds for one call, beside the time that it may wait for hints
HINT_TTR = 120  # seconds; a reserved hint that is not done by then goes back to its tube
PIPELINE = 200
TUBE_PREFIX = "hedwig."
DEFAULT_PORT = 11300
_PAUSE = 0.1
_BROKEN = (OSError, greenstalk.Error, AssertionError, ValueError)  # greenstalk asserts and unpacks what it reads

Target = str | tuple[str, int]


def target_of(url: str) -> Target:
    """What `beanstalk:///path.sock` or `beanstalk://host:port` means: a path, or host and port. ValueError else."""
    parts = urlsplit(url)
    if parts.scheme != "beanstalk":
        raise ValueError(f"{url!r} is not a queue's URL: write beanstalk://host:port or beanstalk:///path/of.sock")
    if parts.hostname:
        return parts.hostname, parts.port or DEFAULT_PORT
    if len(parts.path) > 1:
        return parts.path
    raise ValueError(f"{url!r} names no server: write beanstalk://host:port or beanstalk:///path/of.sock")


def open_queue(
    url: str, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> "Beanstalk":
    """A Queue on the server that `url` names; it connects at the first call. ValueError for a URL that is none."""
    return Beanstalk(target_of(url), clock, sleep)


class Beanstalk:
    """One connection to beanstalkd: a Queue. For one thread."""

    def __init__(self, target: Target, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._target = target
        self._clock = clock
        self._sleep = sleep
        self._client: Any = None
        self._watched: set[str] = set()
        self._more = 1  # hints that are asked for behind the first one: as many as came last time
        self._held: set[int] = set()  # jobs reserved on this connection: a restarted server counts from 1 again

    def put(self, hints: Sequence[Hint], priority: int = 1) -> None:
        """Add hints, in the order given within a lane."""
        deadline = self._clock() + ANSWER_WITHIN
        for lane, group in groupby(sorted(hints, key=lambda hint: hint.lane), key=lambda hint: hint.lane):
            commands = [b"use %b\r\n" % _tube(lane)]
            expected = [b"USING"]
            for hint in group:
                body = f"{hint.delivery} {lane}".encode("ascii")
                commands.append(b"put %d 0 %d %d\r\n%b\r\n" % (priority, HINT_TTR, len(body), body))
                expected.append(b"INSERTED")
            for answer in self._pipeline(commands, expected, deadline):
                if isinstance(answer, greenstalk.Error):
                    raise self._down(answer)

    def reserve(self, lanes: Iterable[str], limit: int, timeout: float) -> list[Hint]:
        """Take hints. beanstalkd counts whole seconds: `timeout` is rounded up to one.

        Those behind the first are asked for in the same write, and more while all came. Each one in vain costs the
        server as much as a hint does, and the only hint there is would wait for it: so few are, where few came.
        """
        until = self._clock() + timeout
        self._watch(set(lanes))
        while True:
            wait = math.ceil(max(0.0, until - self._clock()))
            asked = [wait, *[0] * min(self._more, limit - 1)]
            answers = list(self._reserving(asked, self._clock() + wait + ANSWER_WITHIN))
            if _is_hint(*answers) or not isinstance(answers[0], greenstalk.DeadlineSoonError) or self._clock() >= until:
                break
            self._sleep(_PAUSE)  # a hint of ours is about to go back; until then the server makes nobody wait
        deadline = self._clock() + ANSWER_WITHIN
        lot = len(answers)
        while _is_hint(answers[-1]) and len(answers) < limit:
            answers += self._reserving([0] * min(lot, limit - len(answers)), deadline)
            lot = min(PIPELINE, 2 * lot)
        hints = [hint for answer in answers if (hint := self._hint(answer)) is not None]
        self._more = min(max(1, len(hints) - 1), PIPELINE - 1)
        return hints

    def done(self, hints: Iterable[Hint]) -> None:
        """Delete reserved hints."""
        jobs = [hint.job for hint in hints if hint.job in self._held]
        self._held.difference_update(jobs)
        commands = [b"delete %d\r\n" % job for job in jobs]
        for answer in self._pipeline(commands, [b"DELETED"] * len(commands), self._clock() + ANSWER_WITHIN):
            if isinstance(answer, greenstalk.Error) and not isinstance(answer, greenstalk.NotFoundError):
                raise self._down(answer)

    def counts(self) -> dict[str, int]:
        """Hints that lie ready, by lane."""
        deadline = self._clock() + ANSWER_WITHIN
        found = {}
        for tube in self._ask(deadline, "tubes"):
            if tube.startswith(TUBE_PREFIX):
                try:
                    ready = int(self._ask(deadline, "stats_tube", tube)["current-jobs-ready"])
                except greenstalk.NotFoundError:
                    continue  # it vanished between the two questions: it was empty
                except (KeyError, TypeError, ValueError) as error:
                    raise self._down(error) from error
                found[tube.removeprefix(TUBE_PREFIX)] = ready
        return found

    def instance(self) -> str:
        """The random id that beanstalkd gives itself when it starts."""
        stats = self._ask(self._clock() + ANSWER_WITHIN, "stats")
        try:
            return str(stats["id"])
        except (KeyError, TypeError) as error:
            raise self._down(error) from error

    def close(self) -> None:
        """Hang up: hints that are still reserved go back."""
        client, self._client = self._client, None
        self._watched = set()
        self._held = set()
        if client is not None:
            client.close()

    def _reserving(self, seconds: Sequence[int], deadline: float) -> Iterator[Any]:
        commands = [b"reserve-with-timeout %d\r\n" % count for count in seconds]
        return self._pipeline(commands, [b"RESERVED"] * len(commands), deadline)

    def _hint(self, answer: Any) -> Hint | None:
        if isinstance(answer, greenstalk.TimedOutError | greenstalk.DeadlineSoonError):
            return None
        if isinstance(answer, greenstalk.Error):
            raise self._down(answer)
        number, _, lane = bytes(answer.body).decode("ascii", "replace").partition(" ")
        if number.isdecimal() and lane:
            self._held.add(int(answer.id))
            return Hint(int(number), lane, int(answer.id))
        self._ask(self._clock() + ANSWER_WITHIN, "bury", answer)  # not one of ours: out of the way, for someone to see
        return None

    def _watch(self, lanes: set[str]) -> None:
        if lanes == self._watched and self._client is not None:
            return
        if not lanes:
            raise ValueError("reserve needs a lane")
        deadline = self._clock() + ANSWER_WITHIN
        self._connected(deadline)
        joining, leaving = sorted(lanes - self._watched), sorted(self._watched - lanes)
        commands = [b"watch %b\r\n" % _tube(lane) for lane in joining]
        commands += [b"ignore %b\r\n" % _tube(lane) for lane in leaving]
        if not self._watched:
            commands.append(b"ignore default\r\n")  # a new connection watches beanstalkd's own default tube
        for answer in self._pipeline(commands, [b"WATCHING"] * len(commands), deadline):
            if isinstance(answer, greenstalk.Error):
                raise self._down(answer)
        self._watched = lanes

    def _pipeline(self, commands: Sequence[bytes], expected: Sequence[bytes], deadline: float) -> Iterator[Any]:
        """Send `commands`; an answer for each: its values, a Job for RESERVED, or the greenstalk.Error it was."""
        for start in range(0, len(commands), PIPELINE):
            client = self._connected(deadline)
            try:
                self._bound(client, deadline)
                client._sock.sendall(b"".join(commands[start : start + PIPELINE]))
                answers = [self._answer(client, word, deadline) for word in expected[start : start + PIPELINE]]
            except _BROKEN as error:
                raise self._down(error) from error
            yield from answers

    def _answer(self, client: Any, expected: bytes, deadline: float) -> Any:
        self._bound(client, deadline)
        line = client._reader.readline()
        try:
            values = greenstalk._parse_response(line, expected)
        except greenstalk.UnknownResponseError:
            raise
        except greenstalk.Error as error:
            return error
        if expected != b"RESERVED":
            return values
        job, size = (int(value) for value in values)
        return greenstalk.Job(job, client._read_chunk(size))

    def _ask(self, deadline: float, command: str, *arguments: Any) -> Any:
        client = self._connected(deadline)
        try:
            self._bound(client, deadline)
            return getattr(client, command)(*arguments)
        except greenstalk.NotFoundError:
            raise
        except _BROKEN as error:
            raise self._down(error) from error

    def _bound(self, client: Any, deadline: float) -> None:
        left = deadline - self._clock()
        if left <= 0:
            raise TimeoutError("no answer in time")
        client._sock.settimeout(left)

    def _connected(self, deadline: float) -> Any:
        if self._client is None:
            try:
                self._client = _client(_dial(self._target, max(0.1, deadline - self._clock())))
            except OSError as error:
                raise QueueDown(
                    f"{self._where()}: {error.strerror or error} (does it run, and is `queue:` right?)"
                ) from error
        return self._client

    def _down(self, error: Exception) -> QueueDown:
        """Drop the connection (what is still unread on it would answer the wrong question)."""
        self.close()
        return QueueDown(f"{self._where()}: {error or type(error).__name__}")

    def _where(self) -> str:
        target = self._target if isinstance(self._target, str) else f"{self._target[0]}:{self._target[1]}"
        return f"beanstalkd at {target}"


def _is_hint(*answers: Any) -> bool:
    return any(isinstance(answer, greenstalk.Job) for answer in answers)


def _tube(lane: str) -> bytes:
    return (TUBE_PREFIX + lane).encode("ascii")


def _dial(target: Target, timeout: float) -> socket.socket:
    if isinstance(target, tuple):
        connection = socket.create_connection(target, timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(target)
    except OSError:
        connection.close()
        raise
    return connection


def _client(connection: socket.socket) -> Any:
    """A greenstalk client on a socket of ours: its own constructor would connect without a time-out."""
    client = greenstalk.Client.__new__(greenstalk.Client)
    client._sock = connection
    client._reader = connection.makefile("rb")
    client._address = "hedwig"
    client.encoding = None
    return client
