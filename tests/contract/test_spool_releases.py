"""A spool that an older release made is brought up to date by its daemon; what lies in it goes on. See schema.py."""

import sqlite3
import threading
from pathlib import Path

import pytest
from spool_parts import NOW, claim, deferred, done, letter, put, settle

from hedwig.options import Notify, OnDoubt, Options, Priority, Submitter
from hedwig.spool import SpoolTrouble
from hedwig.spool.schema import APPLICATION, SCHEMA
from hedwig.spool.sqlite import SqliteSpool, open_spool

# Schema 1 as it was: never changed again.
SCHEMA_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE numbers (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    message INTEGER NOT NULL, delivery INTEGER NOT NULL, happened INTEGER NOT NULL, octets INTEGER NOT NULL);
INSERT INTO numbers VALUES (1, 0, 0, 0, 0);
CREATE TABLE messages (
    message INTEGER PRIMARY KEY, queue_id TEXT NOT NULL, client TEXT NOT NULL, mailfrom TEXT NOT NULL,
    size INTEGER NOT NULL, accepted_at REAL NOT NULL, smtputf8 INTEGER NOT NULL, origin TEXT NOT NULL,
    first_delivery INTEGER NOT NULL, deliveries INTEGER NOT NULL, open INTEGER NOT NULL);
CREATE INDEX messages_by_queue_id ON messages (queue_id);
CREATE TABLE bodies (chunk INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE deliveries (
    delivery INTEGER PRIMARY KEY, message INTEGER NOT NULL, destination TEXT NOT NULL, state TEXT NOT NULL,
    priority INTEGER NOT NULL, due REAL NOT NULL, expires REAL NOT NULL, warned INTEGER NOT NULL DEFAULT 0,
    owner TEXT, token INTEGER, claimed_at REAL);
CREATE INDEX waiting ON deliveries (destination, priority, due) WHERE token IS NULL AND state <> 'held';
CREATE INDEX deferred ON deliveries (due, destination) WHERE token IS NULL AND state = 'deferred';
CREATE INDEX expiring ON deliveries (expires) WHERE state <> 'held';
CREATE INDEX active ON deliveries (owner) WHERE token IS NOT NULL;
CREATE TABLE recipients (
    delivery INTEGER NOT NULL, number INTEGER NOT NULL, address TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'ready',
    tries INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL, last_reply TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (delivery, number)) WITHOUT ROWID;
CREATE TABLE seen (
    message INTEGER PRIMARY KEY, client TEXT NOT NULL, queue_id TEXT NOT NULL, digest BLOB NOT NULL,
    accepted_at REAL NOT NULL);
CREATE UNIQUE INDEX seen_by_name ON seen (client, queue_id);
CREATE TABLE pauses (
    destination TEXT NOT NULL, owner TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (destination, owner)) WITHOUT ROWID;
CREATE TABLE happened (number INTEGER PRIMARY KEY, lines TEXT NOT NULL);
CREATE TABLE leftovers (message INTEGER PRIMARY KEY, live INTEGER NOT NULL);
INSERT INTO meta VALUES ('schema', 1), ('oldest', 1);
INSERT INTO messages VALUES (1, '01JDQ0000000000000000000AA', 'host.example', 'a@host.example', 5, 1795000000.0, 0, '', 1, 1, 1);
INSERT INTO bodies VALUES (1024, x'68656c6c6f');
INSERT INTO deliveries VALUES (1, 1, 'dest.example', 'deferred', 1, 1795000000.0, 1795400000.0, 0, NULL, NULL, NULL);
INSERT INTO recipients VALUES (1, 0, 'b@dest.example', 'deferred', 1, 1795000000.0, '450 later');
UPDATE numbers SET message = 1, delivery = 1, octets = 5;
"""  # noqa: E501


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A spool of schema 1, with one message that waits."""
    name = str(tmp_path / "spool.db")
    db = sqlite3.connect(name, isolation_level=None)
    db.execute("PRAGMA auto_vacuum=INCREMENTAL")
    db.execute("PRAGMA journal_mode=WAL")
    db.executescript(SCHEMA_1)
    db.execute(f"PRAGMA application_id={APPLICATION}")
    db.close()
    return name


def shape(path: str) -> list[tuple[str, str, list[str]]]:
    """Tables and indexes with their columns."""
    db = sqlite3.connect(path)
    try:
        names = db.execute("SELECT name, type FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name")
        return [
            (name, kind, [str(row[1:]) for row in db.execute(f"PRAGMA {kind}_info({name})")])
            for name, kind in names.fetchall()
        ]
    finally:
        db.close()


def test_it_becomes_like_a_new_one(path: str, tmp_path: Path) -> None:
    """Migrated and new spools have the same tables; the message that waited is delivered."""
    open_spool(path).close()
    open_spool(str(tmp_path / "new.db")).close()
    assert shape(path) == shape(str(tmp_path / "new.db"))
    spool = open_spool(path)
    [held] = claim(spool, [1])
    assert (held.content, held.options, held.recipients[0].doubts) == (b"hello", Options(), 0)
    assert settle(spool, held, done()).held_token
    spool.close()


def test_who_does_not_own_it_waits(path: str) -> None:
    """A worker changes nothing, and says what to do."""
    with pytest.raises(SpoolTrouble, match="of an older release: start its daemon once"):
        open_spool(path, create=False)
    assert sqlite3.connect(path).execute("SELECT value FROM meta WHERE name = 'schema'").fetchone() == (1,)
    open_spool(path).close()
    open_spool(path, create=False).close()


def test_several_at_once(path: str) -> None:
    """One brings it up to date, the others find it so."""
    spools: list[SqliteSpool] = []
    threads = [threading.Thread(target=lambda: spools.append(open_spool(path))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(spools) == 5
    for spool in spools:
        spool.close()


def test_the_release_before_goes_on(path: str) -> None:
    """A process of schema 1 may still write: its statements name their columns, and `oldest` lets it."""
    open_spool(path).close()
    db = sqlite3.connect(path, isolation_level=None)
    assert dict(db.execute("SELECT name, value FROM meta")) == {"schema": SCHEMA, "oldest": 1}
    db.execute(
        "INSERT INTO messages (message, queue_id, client, mailfrom, size, accepted_at, smtputf8, origin,"
        " first_delivery, deliveries, open)"
        " VALUES (2, '01JDQ0000000000000000000AB', 'c', 'a@b.example', 0, 1.0, 0, '', 2, 1, 1)"
    )
    db.execute(
        "INSERT INTO deliveries (delivery, message, destination, state, priority, due, expires)"
        " VALUES (2, 2, 'dest.example', 'ready', 1, 0.0, 9e9)"
    )
    db.execute("INSERT INTO recipients (delivery, number, address, due) VALUES (2, 0, 'b@dest.example', 0.0)")
    db.close()
    spool = open_spool(path)
    assert [held.options for held in claim(spool, [2])] == [Options()]
    spool.close()


def test_options_travel_with_the_message(path: str) -> None:
    """What a message asks for, and where it came from, comes out as it went in."""
    options = Options(
        deadline=NOW + 600,
        supersede="otp-42",
        priority=Priority.BULK,
        on_doubt=OnDoubt.HOLD,
        ret="HDRS",
        envid="QQ314159",
        notify=(Notify("b@dest.example", ("SUCCESS", "FAILURE"), "rfc822;b@dest.example"),),
    )
    submitter = Submitter("172.17.0.2", "web-1", "nginx:1.27", "shop").packed()
    spool = open_spool(path)
    [held] = claim(spool, put(spool, letter(options=options, priority=2, submitter=submitter)))
    assert (held.options, held.priority, held.submitter) == (options, 2, submitter)
    spool.close()


def test_doubts_are_counted(path: str) -> None:
    """By a settlement that says so; they stay with the recipient."""
    spool = open_spool(path)
    [held] = claim(spool, put(spool, letter()))
    settle(spool, held, deferred(in_doubt=True))
    [again] = claim(spool, [held.delivery], now=NOW + 400)
    assert (again.recipients[0].doubts, again.recipients[0].tries) == (1, 1)
    spool.close()
