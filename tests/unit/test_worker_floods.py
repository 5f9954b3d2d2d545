"""A flood of reports, from the worker's side: what the journal says, what a digest is, and what trouble does."""

import dataclasses
import email
import email.policy
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from worker_rig import Receiver, Rig

from hedwig import log
from hedwig.dsn.digest import HOUR
from hedwig.spool import Kind, SpoolTrouble, Waiting
from hedwig.spool.sqlite import open_spool
from hedwig.worker import settle
from hedwig.worker.floods import send_digests

Entry = tuple[log.Level, str, dict[str, str]]


@pytest.fixture
def entries() -> Iterator[list[Entry]]:
    kept: list[Entry] = []
    log.capture(lambda level, text, fields: kept.append((level, text, fields)))
    yield kept
    log.capture(log._to_stderr)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Its receiver knows nobody; a sender may have three reports an hour."""
    receiver = Receiver()
    receiver.refused = b"@"
    made = Rig(tmp_path, {"mx.example.com": "127.0.0.1"}, await receiver.start())
    made.tools.rules = dataclasses.replace(made.tools.rules, most_reports=3)
    yield made
    await made.close()
    await receiver.close()


async def fail(rig: Rig, count: int) -> None:
    await rig.register(count)
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.FAILED] == count)


async def test_a_flood_becomes_one_letter(rig: Rig, tmp_path: Path, entries: list[Entry]) -> None:
    """Three bounces and then a digest of the other seven, hinted and told; and what it says."""
    await fail(rig, 10)
    assert rig.settler.counts[Kind.BOUNCED] == 3
    told = [text for _, text, fields in entries if fields.get("HEDWIG_EVENT") == "bounced"]
    assert len([text for text in told if "(failed)" in text]) == 3
    assert len([text for text in told if "in a digest, at the end of the hour" in text]) == 7
    rig.hinted.clear()
    later = open_spool(str(tmp_path / "spool.db"))
    await send_digests(later, rig.tools.rules, rig.hinted.extend)
    assert rig.hinted == []
    clock = later._clock() + HOUR
    later.close()
    await send_at(rig, clock)
    (waiting,) = rig.hinted
    assert waiting.destination == "example.org"
    assert "digest of reports: to=<a@example.org>" in entries[-1][1]
    letter = read(rig, waiting)
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["To"].addresses[0].addr_spec == "a@example.org"
    assert letter.get_content().count("failed <b@example.com>") == 7
    assert "550 5.1.1 no such user" in letter.get_content()
    assert "7 封 letters, 7 个收件人 recipients" in letter.get_content()


async def send_at(rig: Rig, now: float) -> None:
    import time
    from unittest.mock import patch

    with patch.object(time, "time", lambda: now):
        await send_digests(rig.spool, rig.tools.rules, rig.hinted.extend)


def read(rig: Rig, waiting: Waiting) -> email.message.EmailMessage:
    [claim] = rig.spool.claim([waiting.delivery], "host/9", 1e11).result(10)
    assert claim.mailfrom == ""
    assert claim.content is not None
    parsed = email.message_from_bytes(claim.content, policy=email.policy.SMTP)
    assert isinstance(parsed, email.message.EmailMessage)
    return parsed


async def test_a_spool_in_trouble_keeps_them(rig: Rig) -> None:
    """The next round of upkeep tries again; the worker's upkeep does not end of it."""

    class Full:
        def put(self, job: object) -> "Future[Any]":
            failed: Future[Any] = Future()
            failed.set_exception(SpoolTrouble("disk full"))
            return failed

    await send_digests(Full(), rig.tools.rules, rig.hinted.extend)
    assert rig.hinted == []


async def test_a_sender_that_cannot_be_told_is_an_alert(
    rig: Rig, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no more than that."""
    from hedwig.worker import floods

    def broken(*_: object) -> None:
        raise ValueError("no such letter")

    await fail(rig, 5)
    monkeypatch.setattr(floods, "in_a_digest", broken)
    await send_at(rig, rig.spool._clock() + HOUR)
    assert [level for level, text, _ in entries if "can't be told in a digest" in text] == [log.Level.ALERT]


async def test_large_reports_go_in_several_transactions(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction stays under 1 MiB, whatever comes back whole; each conclusion still counts once."""
    sizes: list[int] = []
    real = rig.spool.settle

    def watched(settlements: list[Any]) -> Any:
        sizes.append(sum(bounce.body.size for each in settlements for bounce in each.bounces))
        return real(settlements)

    monkeypatch.setattr(rig.settler, "_spool", type("Spool", (), {"settle": staticmethod(watched)}))
    monkeypatch.setattr(settle, "MOST_OCTETS", 7000)  # a bounce has some 2,300
    rig.tools.rules = dataclasses.replace(rig.tools.rules, most_reports=0)
    await fail(rig, 12)
    assert rig.settler.counts[Kind.BOUNCED] == 12
    assert 2000 < max(sizes) <= 7000
