"""How a worker counts TLS sessions and sends their reports (RFC 8460), over a real spool."""

import email
import email.policy
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hedwig import log
from hedwig.mx import AddressAnswer, AddressesFound, AddressesNone, MxUnknown, TextAnswer
from hedwig.routing import parse_refuse
from hedwig.spool import Waiting
from hedwig.spool.sqlite import SqliteSpool, open_spool
from hedwig.spool.tls_results import WAITS
from hedwig.tlsrpt import DAY, Policy, PolicyType, Reporter, Result, Session
from hedwig.worker import tls_reports
from hedwig.worker.tls_reports import MEDIA_TYPE, SPREAD, Sender, TlsReports

NOW = 20_786 * DAY + 3600.0
DUE = 20_787 * DAY + SPREAD[1]
GOOD = Session("example.com", Policy(PolicyType.NONE, "example.com"))
BAD = Session("example.com", Policy(PolicyType.NONE, "example.com"), Result.STARTTLS_NOT_SUPPORTED, "mx.example.com")
MAIL = "v=TLSRPTv1; rua=mailto:tls@example.com"
BOTH = "v=TLSRPTv1; rua=mailto:tls@example.com,https://reports.example/v1"
HTTPS = "v=TLSRPTv1; rua=https://reports.example/v1"


class Names:
    """A resolver: TXT and addresses as the test has them."""

    def __init__(self) -> None:
        self.records: dict[str, TextAnswer] = {}
        self.hosts: dict[str, tuple[str, ...]] = {"reports.example": ("127.0.0.9", "192.0.2.9")}

    async def texts(self, name: str) -> TextAnswer:
        return self.records.get(name, ())

    async def addresses(self, host: str) -> AddressAnswer:
        return AddressesFound(self.hosts[host]) if host in self.hosts else AddressesNone("no such host")


class Play:
    """A worker's reports over `path`. `posted`: what was posted; `answers`: what the far side says, by turns."""

    def __init__(self, path: Path) -> None:
        self.spool: SqliteSpool = open_spool(str(path))
        self.names = Names()
        self.sender: Sender | None = Sender(
            Reporter("Nankai", "tls@robot.genee.cn"), "robot.genee.cn", parse_refuse(["127.0.0.0/8"], ())
        )
        self.hinted: list[Waiting] = []
        self.posted: list[tuple[str, str, bytes, str]] = []
        self.answers: list[str] = []
        self.reports = self.another()

    def another(self) -> TlsReports:
        return TlsReports(self.spool, self.names, lambda: self.sender, self.hinted.extend, self.post)

    async def post(self, url: str, address: str, content: bytes, content_type: str) -> str:
        self.posted.append((url, address, content, content_type))
        return self.answers.pop(0) if self.answers else ""

    def wants(self, *texts: str, domain: str = "example.com") -> None:
        self.names.records[f"_smtp._tls.{domain}"] = texts

    async def count(self, *sessions: Session) -> None:
        for session in sessions:
            self.reports.count(session)
        await self.reports.flush()

    def letters(self) -> list[tuple[str, str, str]]:
        return [(one.mailfrom, one.rcptto, one.queue_id) for one in self.spool.queued()[0]]

    def content(self) -> bytes:
        [claim] = self.spool.claim([one.delivery for one in self.hinted], "host/1", DUE).result(10)
        assert claim.content is not None
        return claim.content


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    monkeypatch.setattr(tls_reports.time, "time", lambda: NOW)
    made = Play(tmp_path / "spool.db")
    yield made
    made.spool.close()


@pytest.fixture
def said() -> Iterator[list[str]]:
    kept: list[str] = []
    log.capture(lambda level, text, fields: kept.append(text))
    yield kept
    log.capture(log._to_stderr)


async def test_the_report_of_yesterday_by_mail(play: Play) -> None:
    """Counted, due after the day, found wanted: a letter that waits for delivery, and is hinted."""
    play.wants(MAIL)
    await play.count(GOOD, GOOD, BAD)
    await play.count(GOOD)
    await play.reports.send(NOW)
    assert play.letters() == []
    await play.reports.send(DUE)
    [(mailfrom, rcptto, queue_id)] = play.letters()
    assert (mailfrom, rcptto) == ("tls@robot.genee.cn", "tls@example.com")
    assert [waiting.destination for waiting in play.hinted] == ["example.com"]
    parsed = email.message_from_bytes(play.content(), policy=email.policy.SMTP)
    assert parsed["Message-ID"] == f"<{queue_id}@robot.genee.cn>"
    _, attached = parsed.iter_parts()
    [told] = json.loads(gzip.decompress(attached.get_content()))["policies"]
    assert told["summary"] == {"total-successful-session-count": 3, "total-failure-session-count": 1}
    assert told["failure-details"] == [
        {
            "result-type": "starttls-not-supported",
            "receiving-mx-hostname": "mx.example.com",
            "failed-session-count": 1,
        }
    ]
    await play.another().send(DUE + DAY)
    assert len(play.letters()) == 1


async def test_by_https(play: Play) -> None:
    """To an address that is not refused; and no letter."""
    play.wants(HTTPS)
    await play.count(GOOD)
    await play.reports.send(DUE)
    [(url, address, content, content_type)] = play.posted
    assert (url, address, content_type) == ("https://reports.example/v1", "192.0.2.9", MEDIA_TYPE)
    assert json.loads(gzip.decompress(content))["organization-name"] == "Nankai"
    assert play.letters() == []
    await play.reports.send(DUE + DAY)
    assert len(play.posted) == 1


async def test_https_that_fails_is_tried_again(play: Play, said: list[str]) -> None:
    """The same report, under the same ID; given up after a day, and that is said."""
    play.wants(HTTPS)
    await play.count(GOOD)
    play.answers = ["503 Busy"]
    await play.reports.send(DUE)
    assert "TLS report to example.com: https://reports.example/v1 did not take it: 503 Busy" in said
    await play.reports.send(DUE + WAITS[0] - 1)
    assert len(play.posted) == 1
    await play.reports.send(DUE + WAITS[0])
    assert len({content for _, _, content, _ in play.posted}) == 1
    assert len(play.posted) == 2
    await play.count(GOOD)
    play.answers = ["503 Busy"] * 99
    now = DUE + DAY
    for wait in (*WAITS, WAITS[-1], 0.0):
        await play.reports.send(now)
        now += wait
    assert len(play.posted) == 2 + len(WAITS) + 1
    assert said[-1] == "the TLS report to example.com is given up: it could not be sent for a day"


async def test_one_of_both_is_enough(play: Play) -> None:
    """RFC 8460 §3: it counts as sent when one of the places has it."""
    play.wants(BOTH)
    await play.count(GOOD)
    play.answers = ["503 Busy"]
    await play.reports.send(DUE)
    await play.reports.send(DUE + DAY)
    assert (len(play.letters()), len(play.posted)) == (1, 1)


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://nobody.example/"])
async def test_nothing_is_posted_to_where_nothing_may_go(play: Play, url: str) -> None:
    """Somebody else chose the URL: it must not reach what only this host reaches."""
    play.wants(f"v=TLSRPTv1; rua={url}")
    play.names.hosts["localhost"] = ("127.0.0.1",)
    await play.count(GOOD)
    await play.reports.send(DUE)
    assert play.posted == []


async def test_who_wants_no_report_gets_none(play: Play) -> None:
    """The counts are gone at once."""
    await play.count(GOOD)
    await play.reports.send(DUE)
    play.wants(MAIL)
    await play.reports.send(DUE + DAY)
    assert play.letters() == []


async def test_dns_that_cannot_say(play: Play) -> None:
    """Then later."""
    await play.count(GOOD)
    play.names.records["_smtp._tls.example.com"] = MxUnknown("SERVFAIL")
    await play.reports.send(DUE)
    play.wants(MAIL)
    await play.reports.send(DUE + WAITS[0])
    assert len(play.letters()) == 1


async def test_without_a_reporter_nothing_is_counted(play: Play) -> None:
    """Nor is anything sent that was counted before."""
    play.wants(MAIL)
    await play.count(GOOD)
    play.sender = None
    await play.count(GOOD, BAD)
    await play.reports.send(DUE)
    assert play.letters() == []
    play.sender = Sender(Reporter("Nankai", "tls@robot.genee.cn"), "robot.genee.cn", ())
    await play.reports.send(DUE)
    _, attached = email.message_from_bytes(play.content(), policy=email.policy.SMTP).iter_parts()
    told = json.loads(gzip.decompress(attached.get_content()))["policies"]
    assert told[0]["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}


async def test_one_that_can_not_be_made_holds_up_no_other(
    play: Play, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours with one domain is told, and the next is served."""
    other = Session("a.example", Policy(PolicyType.NONE, "a.example"))
    play.wants(MAIL)
    play.wants("v=TLSRPTv1; rua=mailto:tls@a.example", domain="a.example")
    await play.count(GOOD, other)
    build = tls_reports.build

    def breaking(day: Any, reporter: Reporter) -> Any:
        if day.domain == "a.example":
            raise RuntimeError("broken")
        return build(day, reporter)

    monkeypatch.setattr(tls_reports, "build", breaking)
    await play.reports.send(DUE)
    assert [rcptto for _, rcptto, _ in play.letters()] == ["tls@example.com"]
    assert any("a.example can't be made: RuntimeError('broken')" in text for text in said)


async def test_very_many_kinds_do_not_fill_the_memory(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are written before the minute is over."""
    monkeypatch.setattr(tls_reports, "MOST", 10)
    for number in range(35):
        play.reports.count(Session(f"{number}.example", Policy(PolicyType.NONE, f"{number}.example")))
    assert len(play.reports._counted) == 5
    await play.reports.flush()
    for number in range(35):
        play.wants(f"v=TLSRPTv1; rua=mailto:tls@{number}.example", domain=f"{number}.example")
    await play.reports.send(DUE)
    assert len(play.letters()) == 35
