"""waitress's reading of requests and writing of answers, with ours to what it refuses by itself.

Its errors (malformed HTTP, too large) are told as JSON like all others. A request for which there is no room in the
folder of temporary files is read to its end and thrown away, and then answered 503 (I8): whoever is cut off in the
middle of sending hears nothing, or takes it for an outage.
"""

import tempfile
from dataclasses import dataclass
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask, WSGITask

from hedwig import log
from hedwig.postoffice.refusal import Refusal

RETRY_AFTER = 30  # seconds


def channel(*arguments: Any, **named: Any) -> Any:
    """A connection, as waitress's server makes one."""
    made = HTTPChannel(*arguments, **named)
    made.parser_class = _Parser
    made.error_task_class = _json_error_task
    made.task_class = _Task
    return made


class _Task(WSGITask):
    """An answer of one piece leaves in one write, head and body: who waits for it wakes up once."""

    content_length: int | None
    content_bytes_written: int
    wrote_header: bool

    def write(self, data: bytes) -> None:
        """Send a piece of the answer."""
        if self.wrote_header or not data or self.content_length != len(data) or not self.has_body:
            super().write(data)
            return
        self.channel.write_soon(self.build_response_header() + data)
        self.wrote_header = True
        self.content_bytes_written = len(data)


class _Nowhere:
    """A buffer that keeps nothing."""

    def append(self, octets: bytes) -> None:
        """It is gone."""
        del octets

    def close(self) -> None:
        """Nothing is open."""

    def __len__(self) -> int:
        return 0


@dataclass
class _NoRoom:
    """An error as waitress's parser notes them."""

    code = 503
    reason = "Service Unavailable"
    body = ""


class _Parser(HTTPRequestParser):
    """One request on its way in."""

    completed: bool
    error: Any

    def received(self, data: bytes) -> int:
        """Take octets; how many of them belong to this request."""
        try:
            taken: int = super().received(data)
        except OSError as error:
            return self._throw_away(data, error)
        if self.completed and self.error is None and isinstance(getattr(self.body_rcv, "buf", None), _Nowhere):
            self.error = _NoRoom()
        return taken

    def _throw_away(self, data: bytes, error: OSError) -> int:
        receiver = self.body_rcv
        log.say(log.Level.ERROR, f"no room in {tempfile.gettempdir()} for a large request: {error}")
        try:
            receiver.buf.close()
        except OSError as again:  # what could not be written is tried once more at the end
            log.say(log.Level.DEBUG, f"{tempfile.gettempdir()}: {again}")
        receiver.buf = _Nowhere()
        if self.chunked:  # it stopped somewhere within a chunk: there is no way on
            self.error, self.completed = _NoRoom(), True
            return len(data)
        return self.received(data)


class _JsonError:
    """An error of waitress, as its ErrorTask wants it, in our words."""

    def __init__(self, error: Any) -> None:
        told = {
            413: "the request is larger than the largest message allows: see max_size in postoffice.yml",
            431: "the request's head is larger than 16 KiB",
            501: "this Transfer-Encoding is not supported: use none, or chunked",
            503: "there is no room for so large a request just now: try again later",
        }.get(error.code, f"the request is not correct HTTP: {error.body}")
        status = {413: "5.3.4", 431: "5.3.4", 503: "4.3.1"}.get(error.code, "5.5.2")
        self.refusal = Refusal(error.code, status, told, RETRY_AFTER if error.code == 503 else 0)
        self.reason = error.reason

    def to_response(self) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status line, headers, body."""
        return f"{self.refusal.code} {self.reason}", list(self.refusal.headers().items()), self.refusal.body()


def _json_error_task(channel: Any, request: Any) -> Any:
    request.error = _JsonError(request.error)
    return ErrorTask(channel, request)
