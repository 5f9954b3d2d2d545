"""Docker's own word on its containers: its HTTP interface on a unix socket (Docker Engine API; podman's is the same).

Two questions are asked, both by GET: `/containers/json` (who runs, with which addresses) and `/events` (a stream that
says when that has changed). A proxy that lets through these two is all the right that mailman needs; see
docs/containers.md. Everything here blocks, and raises OSError or HTTPException (both are Trouble).
"""

import contextlib
import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote

from hedwig.options import MAX_NAME, Submitter

Trouble = (OSError, HTTPException, ValueError)
ANSWER_WITHIN = 5.0  # seconds
MOST = 32 << 20  # octets of one answer: some 1.5 KB a container
_FILTERS = quote(json.dumps({"type": ["container", "network"]}))
_CHANGES = frozenset({"start", "die", "rename", "connect", "disconnect", "destroy"})


class _Connection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_WITHIN)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._path)
        except BaseException:
            self.sock.close()
            raise


class Engine:
    """The engine behind the socket at `path`. `close` ends a `changes` that waits in another thread."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._closed = False
        self._stream: socket.socket | None = None

    def containers(self) -> dict[str, Submitter]:
        """All that run, by each of their addresses."""
        connection = _Connection(self._path)
        try:
            connection.request("GET", "/containers/json")
            answer = connection.getresponse()
            content = answer.read(MOST)
            if answer.status != 200:
                raise HTTPException(f"it answered {answer.status} to /containers/json")
            return dict(_submitters(json.loads(content)))
        finally:
            connection.close()

    def changes(self) -> Iterator[None]:
        """Once when the stream is open, and then after each change. Ends when the engine does, or by `close`."""
        connection = _Connection(self._path)
        try:
            connection.connect()
            # Kept apart: http.client forgets the socket of an answer without a length.
            self._stream = connection.sock
            connection.request("GET", f"/events?filters={_FILTERS}")
            answer = connection.getresponse()
            if answer.status != 200:
                raise HTTPException(f"it answered {answer.status} to /events")
            self._stream.settimeout(None)
            yield
            while not self._closed and (line := answer.readline(1 << 20)):
                if str(json.loads(line).get("Action")) in _CHANGES:
                    yield
        finally:
            self._stream = None
            connection.close()

    def close(self) -> None:
        """From any thread."""
        self._closed = True
        stream = self._stream
        if stream is not None:
            with contextlib.suppress(OSError):  # it is closed already
                stream.shutdown(socket.SHUT_RDWR)


def _submitters(answer: Any) -> Iterator[tuple[str, Submitter]]:
    """From a list of containers. What has another shape than expected is left out: there is no name then."""
    for container in answer if isinstance(answer, list) else []:
        match container:
            case {"Names": [str(name), *_], "Image": str(image), "NetworkSettings": {"Networks": dict(networks)}}:
                labels = container.get("Labels")
                project = labels.get("com.docker.compose.project", "") if isinstance(labels, dict) else ""
                named = (_clean(name.lstrip("/")), _clean(image), _clean(str(project)))
                for network in networks.values():
                    for key in ("IPAddress", "GlobalIPv6Address"):
                        address = network.get(key) if isinstance(network, dict) else None
                        if isinstance(address, str) and address:
                            yield address, Submitter(address, *named)


def _clean(text: str) -> str:
    """Labels are free text of whoever made the container (I11)."""
    return "".join(char if char.isprintable() else "?" for char in text[:MAX_NAME])
