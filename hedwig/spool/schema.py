"""The spool's file: its tables, how it is opened, and which release may use it.

Promises: a spool is created by one process while the others wait at the turnstile, and is either whole or not there.
`meta` holds two numbers: `schema`, the release that shaped the tables, and `oldest`, the oldest release that may still
write them. Changes are additive, so `oldest` lags: code of the release before goes on working while hosts upgrade. An
older spool is brought up to date, step by step in one transaction, by the daemon that owns it; the others wait.

The pragmas, each with its reason:

- WAL with synchronous=FULL on every connection: an fsync at each commit, or I1 is a lie after a power cut.
- auto_vacuum=INCREMENTAL before the first table: a spool that was once full shrinks without VACUUM's standstill.
- secure_delete=OFF: Debian turns it on, and overwriting a 25 MiB body costs 85 ms inside the turn.
- wal_autocheckpoint far out: a thread apart does that while the writers go on (checkpoint.py).

Rows: a message has `open` deliveries left, numbered from `first_delivery` on. A delivery is active while `token` is not
NULL; `state` then still says what it was, so that handing back changes nothing else. `due` is the least of its waiting
recipients', and 0 for what was never tried: that is due whatever the clock says. A body's chunk has the number
message * 1024 + position, at most 1 MiB each. `numbers` has one row: the last numbers given out, never reused, and the
octets of all bodies. `happened` holds history that is not yet in the day's file (history.py). `leftovers`: bodies to
sweep, and large ones that are still being written (bodies.py). `names`: by which words a message shall be found, on
their way to the day's file like `happened`. `keyed`: the newest message of each key and recipient, and a recipient's
`successor` the queue ID of the message that supersedes it (supersede.py). `stops`: what the operator has paused;
`recalled`: what of claimed mail is to be held or dropped (recall.py). A delivery is `extended` that was held past its
expiry and then released: its `expires` alone counts (stops.py).
`reports`: how many reports a sender has had in an hour, and `digested` the first of those that went into a digest.
What workers know together of receivers: `backoffs`, `tokens` (rates), `paces` (connections), `broken_tls`,
`sts_policies`, `tls_results` and when a domain hears of these (`tls_reports`); and of recipients `suppressions`, and
since when one waits for a fault of ours. `usage`: what hosts and containers have sent lately (usage.py).
"""

import errno
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from hedwig.spool import SpoolTrouble
from hedwig.spool.numbers import unused_number
from hedwig.spool.trouble import SPOOL_ERRORS, Damaged, Newer, damaged, trouble
from hedwig.spool.turn import Turn

SCHEMA = 5
APPLICATION = 0x68647767  # "hdwg": tells a spool from any other SQLite file
BUSY_SECONDS = 10.0

_TABLES = """
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
"""
# What brings a spool of the schema before up to each one; a new spool takes all of these steps too.
_STEPS = {
    2: """
ALTER TABLE messages ADD COLUMN options TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN submitter TEXT NOT NULL DEFAULT '';
ALTER TABLE recipients ADD COLUMN doubts INTEGER NOT NULL DEFAULT 0;
CREATE TABLE names (number INTEGER PRIMARY KEY, names TEXT NOT NULL);
ALTER TABLE pauses ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
DROP INDEX deferred;
CREATE INDEX deferred ON deliveries (due, destination, priority) WHERE token IS NULL AND state = 'deferred';
ALTER TABLE recipients ADD COLUMN successor TEXT NOT NULL DEFAULT '';
CREATE TABLE keyed (
    client TEXT NOT NULL, key TEXT NOT NULL, address TEXT NOT NULL, accepted_at REAL NOT NULL, queue_id TEXT NOT NULL,
    delivery INTEGER NOT NULL, number INTEGER NOT NULL, forget_at REAL NOT NULL, PRIMARY KEY (client, key, address)
    ) WITHOUT ROWID;
CREATE INDEX keyed_to_forget ON keyed (forget_at);
CREATE TABLE stops (
    kind TEXT NOT NULL, name TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL, who TEXT NOT NULL,
    reason TEXT NOT NULL, swept INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE INDEX held ON deliveries (state) WHERE state = 'held';
CREATE INDEX held_sites ON deliveries (destination) WHERE state = 'held';
CREATE INDEX held_recipients ON recipients (delivery) WHERE state = 'held';
CREATE TABLE reports (
    hour INTEGER NOT NULL, client TEXT NOT NULL, sender TEXT NOT NULL, action TEXT NOT NULL, alone INTEGER NOT NULL,
    letters INTEGER NOT NULL, recipients INTEGER NOT NULL, PRIMARY KEY (hour, client, sender, action)) WITHOUT ROWID;
CREATE TABLE digested (
    hour INTEGER NOT NULL, client TEXT NOT NULL, sender TEXT NOT NULL, number INTEGER NOT NULL, action TEXT NOT NULL,
    queue_id TEXT NOT NULL, rcptto TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (hour, client, sender, number)
    ) WITHOUT ROWID;
""",
    3: """
CREATE TABLE recalled (
    delivery INTEGER NOT NULL, number INTEGER NOT NULL, token INTEGER, ordered TEXT NOT NULL,
    PRIMARY KEY (delivery, number)) WITHOUT ROWID;
ALTER TABLE deliveries ADD COLUMN extended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE recipients ADD COLUMN fault_since REAL NOT NULL DEFAULT 0;
CREATE TABLE backoffs (
    site TEXT NOT NULL, source TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL, connections INTEGER NOT NULL,
    times INTEGER NOT NULL, rule TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (site, source)) WITHOUT ROWID;
CREATE TABLE tokens (
    site TEXT NOT NULL, source TEXT NOT NULL, kind TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (site, source, kind)
    ) WITHOUT ROWID;
CREATE TABLE paces (
    site TEXT NOT NULL, source TEXT NOT NULL, window REAL NOT NULL, at REAL NOT NULL, PRIMARY KEY (site, source)
    ) WITHOUT ROWID;
CREATE TABLE suppressions (
    address TEXT PRIMARY KEY, since REAL NOT NULL, until REAL NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL
    ) WITHOUT ROWID;
CREATE INDEX suppressions_to_forget ON suppressions (until);
CREATE TABLE sts_policies (
    domain TEXT PRIMARY KEY, id TEXT NOT NULL, policy TEXT NOT NULL, fetched_at REAL NOT NULL, until REAL NOT NULL
    ) WITHOUT ROWID;
CREATE TABLE broken_tls (host TEXT PRIMARY KEY, until REAL NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tls_results (
    day INTEGER NOT NULL, domain TEXT NOT NULL, policy TEXT NOT NULL, result TEXT NOT NULL, details TEXT NOT NULL,
    sessions INTEGER NOT NULL, PRIMARY KEY (day, domain, policy, result, details)) WITHOUT ROWID;
CREATE TABLE tls_reports (
    day INTEGER NOT NULL, domain TEXT NOT NULL, due REAL NOT NULL, tries INTEGER NOT NULL, PRIMARY KEY (day, domain)
    ) WITHOUT ROWID;
CREATE INDEX tls_reports_due ON tls_reports (due);
""",
    4: """
CREATE TABLE usage (
    slot INTEGER NOT NULL, client TEXT NOT NULL, container TEXT NOT NULL, messages INTEGER NOT NULL,
    recipients INTEGER NOT NULL, PRIMARY KEY (slot, client, container)) WITHOUT ROWID;
""",
    5: "ALTER TABLE pauses ADD COLUMN lasts REAL NOT NULL DEFAULT 0;",
}
_OLDEST = 1  # the release that may still write a spool after all of these steps


def connect(path: str) -> sqlite3.Connection:
    """A connection in autocommit mode to a file that is there. Raises sqlite3.Error."""
    uri = f"file:{quote(str(Path(path).absolute()))}?mode=rw"
    db = sqlite3.connect(uri, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)
    try:
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA secure_delete=OFF")
        db.execute("PRAGMA temp_store=MEMORY")
    except sqlite3.Error:
        db.close()
        raise
    return db


def connect_writer(path: str) -> sqlite3.Connection:
    """The one connection of a process that writes."""
    db = connect(path)
    db.execute("PRAGMA cache_size=-16000")
    db.execute("PRAGMA wal_autocheckpoint=16000")
    db.execute(f"PRAGMA journal_size_limit={64 << 20}")
    return db


def connect_reader(path: str) -> sqlite3.Connection:
    """A connection that can't write, whatever it is asked."""
    db = connect(path)
    db.execute("PRAGMA query_only=ON")
    return db


def prepare(path: str, create: bool) -> None:
    """See that `path` is a spool that this release may write; make it first where `create` allows. Or SpoolTrouble."""
    if not Path(path).exists() and not create:
        raise SpoolTrouble(f"there is no spool at {path}: start its daemon once, or correct `spool:` in the config")
    if not Path(path).parent.is_dir():
        folder = Path(path).parent
        raise SpoolTrouble(f"the folder {folder} does not exist: create it, or correct `spool:` in the config")
    try:
        if not _is_ready(path):
            if not create:
                raise SpoolTrouble(
                    f"the spool {path} is unfinished or of an older release: start its daemon once, which mends that"
                )
            with Turn(path):
                _create(path)
            _is_ready(path)
    except SPOOL_ERRORS as error:
        raise trouble(error, path) from error


def _is_ready(path: str) -> bool:
    """False where there are no tables yet, or those of an older release. SpoolTrouble: no spool, or too new a one."""
    if not Path(path).exists() or not Path(path).stat().st_size:
        return False
    if not os.access(path, os.R_OK | os.W_OK):
        read_only = os.statvfs(path).f_flag & os.ST_RDONLY
        raise OSError(errno.EROFS if read_only else errno.EACCES, "it can't be written", path)
    db = connect(path)
    try:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if not tables:
            return False
        (application,) = db.execute("PRAGMA application_id").fetchone()
        if application != APPLICATION or "meta" not in tables:
            raise Damaged(f"{path} is an SQLite database, but not a spool: correct `spool:` in the config")
        meta = dict(db.execute("SELECT name, value FROM meta"))
    finally:
        db.close()
    if not {"schema", "oldest"} <= meta.keys():
        raise damaged(path)
    _see_release(meta, f"the spool {path}")
    return bool(meta["schema"] >= SCHEMA)


def see_release(db: sqlite3.Connection) -> None:
    """SpoolTrouble once a newer release, in another process, has reshaped the spool under our feet: this one must not
    start anything more with it. One row of a table without index, some 3 µs."""
    _see_release(dict(db.execute("SELECT name, value FROM meta")), "the spool")


def _see_release(meta: dict[str, int], spool: str) -> None:
    if meta["oldest"] > SCHEMA:
        raise Newer(
            f"{spool} was written by a newer hedwig (schema {meta['schema']}; this release knows {SCHEMA}): "
            "upgrade hedwig on this host; nothing was changed"
        )


def _create(path: str) -> None:
    """Make the tables, or bring them up to date; the caller has the turn. A process that waited for it finds them."""
    # Letters are nobody else's to read, whatever the umask. SQLite gives the files beside it the same mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))
    db = connect(path)
    try:
        schema = 0
        if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            ((schema,),) = db.execute("SELECT value FROM meta WHERE name = 'schema'").fetchall()
        else:
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            db.execute("PRAGMA journal_mode=WAL")
        db.execute("BEGIN IMMEDIATE")
        if schema == 0:
            _run(db, _TABLES)
            if Path(f"{path}.history").is_dir():  # of a spool that was here before: its events' numbers are taken
                db.execute("UPDATE numbers SET happened = ?", (unused_number(),))
            db.execute(f"PRAGMA application_id={APPLICATION}")
        for step in range(max(schema, 1) + 1, SCHEMA + 1):
            _run(db, _STEPS[step])
        if schema < SCHEMA:
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", [("schema", SCHEMA), ("oldest", _OLDEST)])
        db.execute("COMMIT")
    finally:
        db.close()
    sync_folder(path)


def _run(db: sqlite3.Connection, statements: str) -> None:
    # One by one: executescript would commit the transaction that they belong to.
    for statement in filter(str.strip, statements.split(";")):
        db.execute(statement)


def sync_folder(path: str) -> None:
    """The file's own name must survive a power cut too."""
    folder = os.open(Path(path).absolute().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
