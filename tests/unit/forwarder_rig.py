"""A forwarder over a real spool, with a postoffice that says what a test wants."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from hedwig import queueid
from hedwig.envelope import Envelope
from hedwig.mailman import Submission, forwarder
from hedwig.mailman.client import Parcel, Verdict
from hedwig.mailman.forwarder import Forwarder
from hedwig.mailman.link import Link
from hedwig.options import PLAIN, Options, Submitter
from hedwig.reply import Reply
from hedwig.settings import Mailman
from hedwig.spool.sqlite import SqliteSpool, open_spool

ACCEPTED = Verdict(Reply(250, "2.0.0", "queued"))


class Postoffice:
    """Stands for the HTTP client: `say` gives the verdicts of a batch, or raises."""

    def __init__(self) -> None:
        self.batches: list[list[Parcel]] = []
        self.say: Callable[[Sequence[Parcel]], list[Verdict]] = lambda parcels: [ACCEPTED] * len(parcels)
        self.gate = threading.Event()
        self.gate.set()

    def send(self, parcels: Sequence[Parcel]) -> list[Verdict]:
        self.batches.append(list(parcels))
        self.gate.wait(20)
        return self.say(parcels)

    def close(self) -> None:
        """Nothing is open."""

    def give_up(self) -> None:
        """Nobody waits for the request in flight."""

    def end(self) -> None:
        """The request in flight ends."""
        self.gate.set()


class Rig:
    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there = Postoffice()
        monkeypatch.setattr(forwarder, "PostofficeClient", lambda settings: self.there)
        self.spool: SqliteSpool = open_spool(str(tmp_path / "spool.db"))
        self.link = Link()
        settings = Mailman(fqdn="less.nankai.edu.cn", postoffice="http://127.0.0.1:1/", key="k", spool_limit=100_000)
        self.forwarder = Forwarder(settings, self.spool, self.link)

    async def submit(self, body: bytes = b"S: x\r\n\r\nhi\r\n", options: Options = PLAIN) -> tuple[str, Reply]:
        queue_id = queueid.new()
        envelope = Envelope("a@example.org", ("b@example.com",))
        content = b"Received: by x (hedwig) id " + queue_id.encode() + b"\r\n" + body
        reply = await self.forwarder.submit(
            Submission(queue_id, envelope, content, time.time(), False, Submitter("172.17.0.2"), options, "<1@b>")
        )
        return queue_id, reply

    def spooled(self) -> list[str]:
        return [recipient.queue_id for recipient in self.spool.queued()[0]]


@pytest.fixture(name="rig")
def forwarder_rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    made = Rig(tmp_path, monkeypatch)
    yield made
    made.there.gate.set()
    made.forwarder.stop()
    made.spool.close()
