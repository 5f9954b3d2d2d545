"""Clients that speak HTTP themselves and repeat under the same queue IDs until they hear a 200 (I3).

A form carries one letter; a batch some, as a mailman sends them. However often it is repeated, hedwig has one letter of
each ID.
"""

import base64
import contextlib
import json
import random
import threading
from collections.abc import Callable
from http.client import HTTPException
from urllib.parse import urlencode

from hedwig import queueid

from ..submit import Http
from .letters import Numbered

INSISTENCE = 60.0  # seconds for which a request is repeated
_AGAIN = 0.2
_FORM = "application/x-www-form-urlencoded"
_BATCH = "application/vnd.hedwig.batch"
_MOST = 20  # letters of a batch


class Client:
    """`letter` gives the next one; `note(letter, queue_id, why)` keeps what became of it: no ID without a 200."""

    def __init__(self, http: Http, letter: Callable[[], Numbered], note: Callable[[Numbered, str, str], None]) -> None:
        self.faults: list[str] = []
        self._http = http
        self._letter = letter
        self._note = note

    def forms(self, over: threading.Event) -> None:
        """One letter after the other."""
        while not over.wait(_AGAIN):
            letter, queue_id = self._letter(), queueid.new()
            email = {"mailfrom": letter.sender, "rcpttos": letter.rcpttos, "data": letter.octets.decode()}
            fields = {"fqdn": self._http.fqdn, "key": self._http.key, "id": queue_id, "email": json.dumps(email)}
            self._insist({queue_id: letter}, "/", urlencode(fields).encode(), Content_Type=_FORM)

    def batches(self, over: threading.Event) -> None:
        """Up to twenty a second."""
        basic = base64.b64encode(f"{self._http.fqdn}:{self._http.key}".encode()).decode()
        while not over.wait(1.0):
            letters = {queueid.new(): self._letter() for _ in range(random.randint(1, _MOST))}
            content = b"".join(_frame(queue_id, letter) for queue_id, letter in letters.items())
            self._insist(letters, "/v1/batch", content, Authorization=f"Basic {basic}", Content_Type=_BATCH)

    def _insist(self, letters: dict[str, Numbered], path: str, content: bytes, **headers: str) -> None:
        taken = False
        for _ in range(int(INSISTENCE / _AGAIN)):
            status, answer = 0, b""
            with contextlib.suppress(OSError, HTTPException):
                status, answer = self._http.request("POST", path, content, **headers)
            taken = status == 200 and b'"conflict"' not in answer
            if taken and all(verdict["code"] == 250 for verdict in json.loads(answer).get("verdicts", ())):
                break
            if 400 <= status < 500 or b'"conflict"' in answer:
                self.faults.append(f"a request with {list(letters)} got {status}: {answer!r}")
                break
            taken = False
            threading.Event().wait(_AGAIN)
        for queue_id, letter in letters.items():
            self._note(letter, queue_id if taken else "", "no 200")


def _frame(queue_id: str, letter: Numbered) -> bytes:
    """As a mailman would hand it on: with the ID in its Received field."""
    body = f"Received: from there by here with ESMTP id {queue_id}; Mon, 23 Nov 2026 00:00:00 +0000\r\n".encode()
    body += letter.octets
    line = {"id": queue_id, "mailfrom": letter.sender, "rcpttos": letter.rcpttos, "size": len(body)}
    return json.dumps(line).encode() + b"\n" + body
