"""MTA-STS policies as mail for a domain comes: found, kept, renewed, and what becomes of mail meanwhile (RFC 8461)."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from worker_rig import Names

from hedwig.mx import MxUnknown, TextAnswer
from hedwig.spool.sqlite import SqliteSpool, open_spool
from hedwig.spool.tls_memory import KeptPolicy, keep_policy, policy_of
from hedwig.tls import Mode
from hedwig.tlsrpt import Result, Session
from hedwig.worker import sts as sts_module
from hedwig.worker.sts import DAY, Found, Sts
from hedwig.worker.sts_fetch import FetchFailed
from hedwig.worker.sts_locks import Locks

ENFORCE = b"version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 864000\n"
NONE = b"version: STSv1\nmode: none\nmax_age: 864000\n"


class Dns(Names):
    """TXT records by name."""

    def __init__(self) -> None:
        super().__init__({"mx.example.com": "127.0.0.1"})
        self.records: dict[str, TextAnswer] = {}

    def announce(self, policy_id: str, domain: str = "example.com") -> None:
        self.records[f"_mta-sts.{domain}"] = (f"v=STSv1; id={policy_id};",)

    async def texts(self, name: str) -> TextAnswer:
        return self.records.get(name, ())


class Web:
    """Policies by host; those that are `held` come when the event is set."""

    def __init__(self) -> None:
        self.policies: dict[str, bytes | FetchFailed] = {}
        self.asked: list[str] = []
        self.held = asyncio.Event()
        self.held.set()

    async def get(self, host: str) -> bytes:
        self.asked.append(host)
        await self.held.wait()
        got = self.policies.get(host, FetchFailed(Result.STS_FETCH_ERROR, "its web server said 404"))
        if isinstance(got, FetchFailed):
            raise got
        return got

    def close(self) -> None:
        """Nothing is open."""


class Rig:
    """One host's DNS, web and spool; workers by `worker`."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.spool: SqliteSpool = open_spool(str(tmp_path / "spool.db"))
        self.dns = Dns()
        self.web = Web()
        self.counted: list[Session] = []
        self.workers: list[Sts] = []

    def worker(self) -> Sts:
        made = Sts(self.spool, self.dns, self.web, Locks(str(self.path)), self.counted.append)
        made.look()
        self.workers.append(made)
        return made

    def publish(self, policy_id: str, content: bytes) -> None:
        self.dns.announce(policy_id)
        self.web.policies["mta-sts.example.com"] = content

    def keep(self, policy_id: str, content: bytes, *, age: float = 60.0, left: float = DAY) -> None:
        now = time.time()
        kept = KeptPolicy("example.com", policy_id, content.decode(), now - age, now + left)
        keep_policy(self.spool, kept).result(10)

    async def close(self) -> None:
        for each in self.workers:
            await each.close()
        self.spool.close()


@pytest.fixture
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(sts_module, "GOOD", 0.0)  # each question is asked anew
    monkeypatch.setattr(sts_module, "SOON", 0.0)
    made = Rig(tmp_path)
    yield made
    await made.close()


def mode(found: Found) -> Mode | None:
    return found.policy.mode if found.policy else None


async def test_a_domain_without_a_record_has_none_and_no_web_server_is_asked(rig: Rig) -> None:
    rig.dns.records["_mta-sts.example.com"] = ("v=spf1 -all",)
    assert await rig.worker().of("example.com") == Found()
    assert rig.web.asked == []


async def test_the_first_mail_waits_for_the_policy_and_all_workers_have_it(rig: Rig) -> None:
    """And a restart changes nothing: it lies in the spool for its max_age."""
    rig.publish("1", ENFORCE)
    assert mode(await rig.worker().of("example.com")) is Mode.ENFORCE
    assert mode(await rig.worker().of("example.com")) is Mode.ENFORCE
    assert rig.web.asked == ["mta-sts.example.com"]
    kept = policy_of(rig.spool, "example.com", time.time())
    assert kept is not None
    assert kept.until == pytest.approx(kept.fetched_at + 864000)


@pytest.mark.parametrize("answer", [(), MxUnknown("SERVFAIL"), ("v=STSv1; id=1;", "v=STSv1; id=2;")])
async def test_what_is_kept_holds_though_record_and_web_server_are_gone(rig: Rig, answer: TextAnswer) -> None:
    """RFC 8461 §3.3: whoever suppresses answers gains nothing."""
    rig.keep("1", ENFORCE)
    rig.dns.records["_mta-sts.example.com"] = answer
    assert mode(await rig.worker().of("example.com")) is Mode.ENFORCE


async def test_what_is_over_holds_no_more(rig: Rig) -> None:
    rig.keep("1", ENFORCE, left=-1)
    assert await rig.worker().of("example.com") == Found()


async def test_another_id_brings_another_policy(rig: Rig) -> None:
    rig.keep("1", ENFORCE)
    rig.publish("2", NONE)
    assert await rig.worker().of("example.com") == Found()
    kept = policy_of(rig.spool, "example.com", time.time())
    assert kept is not None
    assert kept.policy_id == "2"


async def test_a_policy_is_looked_for_anew_each_day_and_holds_meanwhile(rig: Rig) -> None:
    rig.keep("1", ENFORCE, age=DAY + 1)
    rig.publish("1", NONE)
    rig.web.held.clear()
    worker = rig.worker()
    assert mode(await worker.of("example.com")) is Mode.ENFORCE
    rig.web.held.set()
    await until(lambda: (kept := policy_of(rig.spool, "example.com", time.time())) and "none" in kept.content)
    assert mode(await worker.of("example.com")) is None


async def test_a_fetch_that_hangs_holds_mail_up_for_a_while_only(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it goes without, and the policy holds from when it comes."""
    monkeypatch.setattr(sts_module, "WAIT", 0.05)
    rig.publish("1", ENFORCE)
    rig.web.held.clear()
    worker = rig.worker()
    assert await worker.of("example.com") == Found(None, "the MTA-STS policy of example.com is being fetched")
    assert await worker.of("example.com") == Found(None, "the MTA-STS policy of example.com is being fetched")
    rig.web.held.set()
    await until(lambda: policy_of(rig.spool, "example.com", time.time()))
    assert mode(await worker.of("example.com")) is Mode.ENFORCE
    assert rig.web.asked == ["mta-sts.example.com"]


async def test_a_failure_is_told_and_not_tried_again_at_once(rig: Rig) -> None:
    """But for another ID it is."""
    rig.dns.announce("1")
    worker = rig.worker()
    for _ in range(3):
        found = await worker.of("example.com")
        assert found.policy is None
        assert found.trouble == "the MTA-STS policy of example.com can't be had: its web server said 404"
    assert len(rig.web.asked) == 1
    [session] = rig.counted
    assert (session.domain, session.result) == ("example.com", Result.STS_FETCH_ERROR)
    rig.publish("2", ENFORCE)
    assert mode(await worker.of("example.com")) is Mode.ENFORCE


async def test_a_policy_that_can_not_be_read_leaves_the_old_one(rig: Rig) -> None:
    rig.keep("1", ENFORCE)
    rig.publish("2", b"<html>")
    assert mode(await rig.worker().of("example.com")) is Mode.ENFORCE
    assert rig.counted[0].result is Result.STS_INVALID


async def test_one_fetch_at_a_time_for_many_who_ask(rig: Rig) -> None:
    rig.publish("1", ENFORCE)
    worker = rig.worker()
    found = await asyncio.gather(*(worker.of("example.com") for _ in range(20)))
    assert {mode(each) for each in found} == {Mode.ENFORCE}
    assert len(rig.web.asked) == 1


async def test_locks_are_between_processes(tmp_path: Path) -> None:
    """Who waits gets it when the other one is gone."""
    code = (
        "import asyncio, sys\nfrom hedwig.worker.sts_locks import Locks\n"
        f"locks = Locks({str(tmp_path)!r})\nasyncio.run(locks.take('example.com'))\nprint('taken', flush=True)\n"
        "sys.stdin.read()"
    )
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdin=pipe, stdout=pipe)
    assert other.stdout is not None
    assert await other.stdout.readline() == b"taken\n"
    locks = Locks(str(tmp_path))
    await asyncio.wait_for(locks.take("example.org"), 5)
    waiting = asyncio.create_task(locks.take("example.com"))
    done, _ = await asyncio.wait({waiting}, timeout=1.0)
    assert not done
    other.kill()
    await other.wait()
    await asyncio.wait_for(waiting, 5)
    locks.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
