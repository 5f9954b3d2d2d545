"""The disk is full or read-only already when a daemon starts: it serves all the same, says "not now" and why, and goes
on by itself (I8). What time won't mend still ends the start, in a sentence. Real daemons, as systemd runs them."""

import hashlib
import json
import os
import smtplib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
from dns_fixtures import free_port
from service_manager import ServiceManager, daemon, managed

from hedwig.spool.sqlite import open_spool

from ..waiting import until
from .disk import Disk

MIB = 1 << 20
KEY = "sesame"
FULL = "free some space, it goes on by itself"
READ_ONLY = "is read-only here: see whether its disk is mounted read-only"


class Site:
    """A daemon's folder with its spool on a small disk. `again` mends what `breaks` has broken."""

    def __init__(self, folder: Path, room: str) -> None:
        self.room = room
        self.port = free_port()
        self.state = folder / "state"
        self.state.mkdir()
        self.disk = Disk(self.state, 16 * MIB)
        self.spool = self.state / "spool.db"
        self.config = folder / f"{room}.yml"
        settings = {"listen": [f"127.0.0.1:{self.port}"], "spool": str(self.spool)}
        if room == "postoffice":
            settings["queue"] = f"beanstalk://{folder}/queue.sock"
            clients = folder / "clients.d"
            clients.mkdir()
            (clients / "a.example.yml").write_text(f"key: ['sha256:{hashlib.sha256(KEY.encode()).hexdigest()}']\n")
        self.config.write_text(json.dumps(settings))
        self.manager = ServiceManager(folder, daemon(room, self.config))

    def breaks(self, how: str) -> None:
        if how == "full":
            self.disk.fill()
        else:
            self.disk.read_only()

    def mends(self, how: str) -> None:
        if how == "full":
            self.disk.free()
        else:
            self.disk.read_only(False)

    def send(self) -> int:
        """Hand in a letter: the code of the answer."""
        if self.room == "mailman":
            with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
                try:
                    client.sendmail("a@b.example", ["c@d.example"], b"Subject: x\r\n\r\nx\r\n")
                except smtplib.SMTPDataError as error:
                    return error.smtp_code
                return 250
        email = {"mailfrom": "a@b.example", "rcpttos": ["c@d.example"], "data": "Subject: x\n\nx\n"}
        form = urlencode({"fqdn": "a.example", "key": KEY, "email": json.dumps(email)})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return requests.post(f"http://127.0.0.1:{self.port}/", form, headers=kind, timeout=30).status_code

    def waiting(self) -> list[str]:
        spool = open_spool(str(self.spool), create=False)
        try:
            return [recipient.queue_id for recipient in spool.queued()[0]]
        finally:
            spool.close()

    def close(self) -> None:
        self.manager.close()
        self.disk.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[[str], Site]]:
    made: list[Site] = []

    def make(room: str) -> Site:
        folder = tmp_path / f"{len(made)}-{room}"
        folder.mkdir()
        made.append(Site(folder, room))
        return made[-1]

    yield make
    for each in made:
        each.close()


BEFORE = {"nothing": 0, "a spool": 15, "a killed one": 9}  # and the signal that ended its daemon


@pytest.mark.parametrize("how", ["full", "read-only"])
@pytest.mark.parametrize("room", ["mailman", "postoffice"])
def test_it_serves_says_why_and_goes_on(site: Callable[[str], Site], room: str, how: str) -> None:
    """A new spool, an old one that was closed in order, and one whose daemon was killed: READY at once, clients hear
    "not now", status and log give the reason; once it is mended mail is taken, and what was there is there. (They wait
    for their disks together.)"""
    sites = {before: site(room) for before in BEFORE}
    since = {}
    for before, at in sites.items():
        if BEFORE[before]:
            at.manager.start()
            assert at.send() in (200, 250)
            at.manager.stop(BEFORE[before])
        at.breaks(how)
        since[before] = len(at.manager.words)
        at.manager.start()
    reason = FULL if how == "full" else READ_ONLY
    for before, at in sites.items():
        assert at.send() == {"mailman": 452 if how == "full" else 451, "postoffice": 503}[room], before
        assert str(at.spool) in at.manager.status(reason, since[before])
        until("the log", lambda at=at: reason in at.manager.log)
        since[before] = len(at.manager.words)
        at.mends(how)
    for before, at in sites.items():
        until(f"mail to be taken, after {before}", lambda at=at: at.send() in (200, 250))
        letters = 2 if BEFORE[before] else 1
        at.manager.status(f"{letters} {'queued' if room == 'postoffice' else 'wait here'}", since[before])
        assert at.manager.stop() == 0
        assert len(at.waiting()) == letters, before


@pytest.mark.parametrize("room", ["mailman", "postoffice"])
def test_a_start_on_a_bad_disk_can_be_stopped(site: Callable[[str], Site], room: str) -> None:
    """SIGTERM, in order, while it still waits for the disk."""
    at = site(room)
    at.disk.fill()
    at.manager.start()
    assert at.manager.stop() == 0


@pytest.mark.parametrize("room", ["mailman", "postoffice"])
def test_a_second_one_is_refused_also_where_the_disk_is_full(site: Callable[[str], Site], room: str) -> None:
    at = site(room)
    at.manager.start()
    at.disk.fill()
    (at.config.parent / "second").mkdir()
    with managed(at.config.parent / "second", daemon(room, at.config)) as second:
        second.start(ready=False)
        assert second.process is not None
        assert second.process.wait(30) == 1
        assert f"another {room} uses {at.spool}" in second.log


def _rubbish(at: Site) -> None:
    at.spool.write_bytes(b"no database at all" * 1000)


def _another(at: Site) -> None:
    db = sqlite3.connect(at.spool)
    db.execute("CREATE TABLE somebody_elses (x)")
    db.commit()
    db.close()


def _newer(at: Site) -> None:
    open_spool(str(at.spool)).close()
    db = sqlite3.connect(at.spool)
    db.execute("UPDATE meta SET value = 99 WHERE name = 'oldest'")
    db.commit()
    db.close()


@pytest.mark.parametrize("room", ["mailman", "postoffice"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_rubbish, "is damaged, or no spool at all"),
        (_another, "is an SQLite database, but not a spool"),
        (_newer, "was written by a newer hedwig"),
    ],
)
def test_what_time_wont_mend_ends_the_start(
    site: Callable[[str], Site], room: str, spoil: Callable[[Site], None], words: str
) -> None:
    """With the reason in the log and in the status, which `systemctl status` keeps showing."""
    at = site(room)
    spoil(at)
    before = at.spool.read_bytes()
    at.manager.start(ready=False)
    assert at.manager.process is not None
    assert at.manager.process.wait(30) == 1
    assert words in at.manager.log
    assert words in at.manager.status(words)
    assert at.spool.read_bytes() == before
    assert not [name for name in os.listdir(at.state) if name.endswith(".reserve")]
