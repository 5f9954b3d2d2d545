"""A backlog over a real spool, with a postoffice that says what a test wants."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from hedwig import queueid
from hedwig.envelope import Envelope
from hedwig.mailman import backlog
from hedwig.mailman.backlog import Backlog
from hedwig.mailman.client import Parcel, Verdict
from hedwig.mailman.forwarder import UNTRIED, Tried, as_message
from hedwig.mailman.link import Link
from hedwig.options import Submitter
from hedwig.reply import Reply
from hedwig.settings import Mailman
from hedwig.spool import State
from hedwig.spool.sqlite import SqliteSpool, open_spool

ACCEPTED = Verdict(Reply(250, "2.0.0", "queued"))
REFUSED = Verdict(Reply(550, "5.7.1", "not allowed to send so"))
SETTINGS = Mailman(fqdn="less.nankai.edu.cn", postoffice="http://127.0.0.1:1/", key="k")


class Postoffice:
    """Stands for the HTTP client."""

    def __init__(self) -> None:
        self.sent: list[list[Parcel]] = []
        self.say: Callable[[Sequence[Parcel]], list[Verdict]] = lambda parcels: [ACCEPTED] * len(parcels)

    def send(self, parcels: Sequence[Parcel]) -> list[Verdict]:
        self.sent.append(list(parcels))
        return self.say(parcels)

    def close(self) -> None:
        """Nothing is open."""

    def end(self) -> None:
        """Nothing is in flight."""


class Rig:
    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there = Postoffice()
        monkeypatch.setattr(backlog, "PostofficeClient", lambda settings: self.there)
        monkeypatch.setattr(backlog, "POLL", 0.01)
        monkeypatch.setattr(backlog, "PROBES", (0.01,))
        self.spool: SqliteSpool = open_spool(str(tmp_path / "spool.db"))
        self.link = Link()
        self.backlog = Backlog(SETTINGS, self.spool, self.link, "host/0")

    def put(
        self,
        *,
        mailfrom: str = "a@example.org",
        age: float = 0.0,
        body: bytes = b"S: x\r\n\r\nhi\r\n",
        container: str = "",
        recipients: int = 1,
    ) -> str:
        rcpttos = ("b@example.com", *(f"b{number}@example.com" for number in range(1, recipients)))
        by = Submitter("172.17.0.2", container).packed() if container else ""
        parcel = Parcel(queueid.new(), Envelope(mailfrom, rcpttos), body, time.time() - age, False, submitter=by)
        return self.keep(parcel)

    def keep(self, parcel: Parcel, *, in_doubt: bool = False) -> str:
        self.spool.register([as_message(parcel, SETTINGS, Tried("no answer", True) if in_doubt else UNTRIED)]).result(
            10
        )
        return parcel.queue_id

    def waiting(self) -> dict[str, State]:
        return {recipient.queue_id: recipient.state for recipient in self.spool.queued()[0]}

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, (self.waiting(), self.there.sent)
            time.sleep(0.005)

    def ids_sent(self) -> list[str]:
        return [parcel.queue_id for batch in self.there.sent for parcel in batch]


@pytest.fixture(name="rig")
def backlog_rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    made = Rig(tmp_path, monkeypatch)
    yield made
    made.backlog.stop()
    made.spool.close()
