"""The spool's contract: what is left when a process is killed at any moment, or the disk is full (I1, I8)."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spool_parts import NOW, Pieces, child, claim, done, letter, numbers, put, settle, waiting_ids

from hedwig.spool import Kind


def lines_until(process: Any, count: int) -> list[str]:
    """The words of the child's first `count` lines, then it is killed (SIGKILL); and what it had printed by then."""
    assert process.stdout is not None
    words = [word for _ in range(count) for word in process.stdout.readline().split()]
    process.kill()
    rest: str = process.stdout.read()
    process.wait(10)
    whole = rest[: rest.rfind("\n") + 1]
    return words + whole.split()


@pytest.mark.parametrize("count", [1, 40, 200])
def test_what_was_acknowledged_is_there_after_a_kill(opened: Callable[[], Any], tmp_path: Path, count: int) -> None:
    """Every acknowledged message with all its parts, and none half: recipients, body, history, octets (I1)."""
    acknowledged = lines_until(child("register_for_ever", tmp_path / "spool.db"), count)
    spool = opened()
    found = waiting_ids(spool)
    assert set(acknowledged) <= set(found)
    assert all(found.count(one) == 3 for one in set(found)), "a message is there with all its recipients or not at all"
    ids = sorted(set(found))
    deliveries = [w.delivery for name in ("one.example", "two.example") for w in spool.due(name, time.time(), 10**6)]
    assert len(deliveries) == 2 * len(ids)
    claims = claim(spool, deliveries, now=time.time())
    assert all(one.content is not None and len(one.content) == one.size for one in claims)
    assert spool.used() == sum(one.size for one in claims) / 2
    assert all([line.kind for line in spool.history(one)] == [Kind.ACCEPTED] for one in ids[:20])


def test_settlements_are_there_after_a_kill(opened: Callable[[], Any], tmp_path: Path) -> None:
    """An acknowledged outcome is never tried again (I4); each message has exactly one story, moved or not."""
    spool = opened()
    letters = [letter() for _ in range(2000)]
    deliveries = numbers(spool.register(letters).result(20))
    settled = lines_until(child("settle_for_ever", tmp_path / "spool.db", deliveries[0], deliveries[-1]), 300)
    gone = {letters[deliveries.index(int(number))].queue_id for number in settled}
    left = waiting_ids(spool)
    assert not gone & set(left)
    assert 300 <= len(gone) <= 2000 - len(left) <= len(gone) + 1, "at most one was written and not yet acknowledged"
    assert spool.used() == len(left) * letters[0].body.size
    for queue_id in sorted(gone)[:30]:
        assert [line.kind for line in spool.history(queue_id)] == [Kind.ACCEPTED, Kind.DELIVERED]


def test_a_dead_owners_claims_outlive_it(opened: Callable[[], Any], tmp_path: Path) -> None:
    """Nothing but `free` ends them: no clock, and no opening (I12)."""
    deliveries = put(opened(), letter(), letter())
    process = child("claim_all", tmp_path / "spool.db", "dead/1", *deliveries)
    process.communicate("go\n", timeout=20)
    spool = opened()
    assert claim(spool, deliveries, now=NOW + 1e7) == []
    assert spool.owners() == ["dead/1"]
    assert len(spool.free("dead/1", lambda *_: False, NOW, 300.0).result(10)) == 2
    assert len(claim(spool, deliveries)) == 2


def swept(spool: Any, octets: int) -> None:
    """Wait until the bodies' octets are down to that, or fail."""
    deadline = time.monotonic() + 30
    while spool.used() != octets:
        assert time.monotonic() < deadline, f"{spool.used()} octets, not {octets}"
        time.sleep(0.05)


def test_a_large_body_half_written_is_swept(opened: Callable[[], Any], tmp_path: Path) -> None:
    """Killed between two chunks: no message, and whoever opens next deletes what lies there."""
    process = child("large_half_way", tmp_path / "spool.db")
    assert process.stdout is not None and process.stdout.readline() == "stuck\n"
    spool = opened()
    one = letter()
    put(spool, one)
    assert spool.used() > 2 << 20, "it is being written by a living process: nobody sweeps it"
    process.kill()
    process.wait(10)
    again = opened()
    put(again, letter())
    swept(again, 2 * one.body.size)
    assert len(waiting_ids(again)) == 2


def test_a_living_process_is_not_swept_under(opened: Callable[[], Any]) -> None:
    """Another opens and writes while a large body goes in: the body is whole in the end."""
    first, body = opened(), Pieces(20 << 20)
    large = first.register([letter(body=body)])
    second = opened()
    while not large.done():
        put(second, letter())
    [got] = claim(second, numbers(large.result(30)))
    assert b"".join(second.body(got.message)) == b"".join(body.pieces())


def test_a_large_body_goes_when_it_is_delivered(spool: Any) -> None:
    """In steps, but soon."""
    one = letter(body=Pieces(5 << 20))
    [got] = claim(spool, put(spool, one))
    assert settle(spool, got, done()).held_token
    swept(spool, 0)


def test_a_full_disk(tmp_path: Path) -> None:
    """SpoolTrouble that says so, nothing half, and it goes on by itself when there is room (I8). A small tmpfs in a
    mount namespace of the child's own is the disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=6m tmpfs {disk} && exec "$@"'
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    process = child("full_disk", disk, before=("unshare", "--mount", *user, "sh", "-ec", mount, "sh"))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    result = json.loads(output)
    assert all(result["troubles"]), result["texts"]
    assert result["before"], "what was kept before is still all there, and nothing else"
    assert result["after"], "what came after is there"
    assert result["settled"]
    assert result["used"] == result["expected"]
