"""What happens to a daemon itself is told under the kind by which `journalctl -x` explains it."""

import errno
import sqlite3
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from hedwig import log
from hedwig.bind import Address
from hedwig.cli.daemon import Start, main_for
from hedwig.config import load_mailman
from hedwig.door_trouble import Troubles, absent, unbindable
from hedwig.interfaces import InterfaceAddress
from hedwig.log import Matter
from hedwig.mailman.client import NoPostoffice, NoVerdict
from hedwig.mailman.link import Link
from hedwig.postoffice.complaints import Complaints
from hedwig.queue import QueueDown
from hedwig.settings import Listen, Mailman
from hedwig.spool import SpoolTrouble
from hedwig.spool.sqlite import open_spool
from hedwig.spool.trouble import matter_of


@pytest.fixture
def told() -> Iterator[list[dict[str, str]]]:
    """The fields of each entry."""
    entries: list[dict[str, str]] = []
    log.start("test")
    log.capture(lambda _level, _message, fields: entries.append(fields))
    yield entries
    log.start("test")


def kinds(entries: list[dict[str, str]]) -> list[str]:
    return [entry.get("HEDWIG_EVENT", "") for entry in entries]


@pytest.mark.parametrize(
    ("trouble", "matter"),
    [
        (NoVerdict("the postoffice answered 401: no", 401), Matter.KEY_REFUSED),
        (NoVerdict("the postoffice answered 403: not from here", 403), Matter.KEY_REFUSED),
        (NoVerdict("connection refused"), Matter.POSTOFFICE_DOWN),
        (NoVerdict("the postoffice answered 503: later", 503), Matter.POSTOFFICE_DOWN),
        (NoPostoffice(["key"]), Matter.KEY_MISSING),
    ],
)
def test_why_the_link_is_down_and_that_it_is_back(
    told: list[dict[str, str]], trouble: NoVerdict, matter: Matter
) -> None:
    link = Link()
    link.no_verdict(trouble)
    link.no_verdict(trouble)
    link.up()
    assert kinds(told) == [matter, Matter.POSTOFFICE_BACK]
    assert told[0]["MESSAGE_ID"] == log.message_id(matter)
    assert told[0]["HEDWIG_REASON"] == str(trouble)


def test_the_queue_goes_and_comes_back(told: list[dict[str, str]]) -> None:
    wrong = Complaints()
    wrong.queue_is_down(QueueDown("refused"))
    wrong.queue_is_down(QueueDown("refused"))
    wrong.queue_is_back()
    wrong.spool_is_unread(SpoolTrouble("the disk is full"))
    wrong.all_is_well()
    assert kinds(told) == [Matter.QUEUE_DOWN, Matter.QUEUE_BACK, Matter.SPOOL_TROUBLE, Matter.SPOOL_BACK]


@pytest.mark.parametrize(
    ("interfaces", "matter"),
    [
        ([InterfaceAddress("docker0", "172.18.0.1", ip_network("172.18.0.0/16"))], Matter.DOCKER0_MOVED),
        ([InterfaceAddress("eth0", "192.0.2.1", ip_network("192.0.2.0/24"))], Matter.ADDRESS_ABSENT),
    ],
)
def test_an_address_that_is_gone(interfaces: list[InterfaceAddress], matter: Matter) -> None:
    troubles: Troubles = {}
    listen = Listen("172.17.0.1", 25)
    absent(listen, [listen], interfaces, troubles)
    assert [trouble.matter for trouble in troubles.values()] == [matter]


@pytest.mark.parametrize(
    ("number", "address", "matter"),
    [
        (errno.EADDRINUSE, ("127.0.0.1", 25), Matter.PORT_TAKEN),
        (errno.EACCES, ("127.0.0.1", 25), Matter.CANNOT_LISTEN),
        (errno.EADDRINUSE, ("/run/hedwig/http.sock", 0), Matter.CANNOT_LISTEN),
    ],
)
def test_a_place_that_cant_be_had(number: int, address: Address, matter: Matter) -> None:
    trouble = unbindable(OSError(number, "so"), address, Listen(*address), lambda _host, _port: "somebody")
    assert trouble.matter is matter


def test_what_ails_a_spool(tmp_path: Path) -> None:
    """Full, damaged, and from a newer release are three things to the operator."""
    path = tmp_path / "spool.db"
    open_spool(str(path)).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = 99")
    db.close()
    assert _matter(path) is Matter.NEWER_SCHEMA
    path.write_bytes(b"x" * 5000)
    for beside in ("-wal", "-shm"):
        Path(f"{path}{beside}").unlink(missing_ok=True)
    assert _matter(path) is Matter.SPOOL_DAMAGED
    assert _matter(tmp_path / "nowhere" / "spool.db") is Matter.SPOOL_TROUBLE


def _matter(path: Path) -> Matter:
    with pytest.raises(SpoolTrouble) as raised:
        open_spool(str(path))
    return matter_of(raised.value)


def test_a_config_that_is_broken_at_a_reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault has an entry with its file, and so has the word that the old settings stay."""
    file = tmp_path / "mailman.yml"
    file.write_text("debug: false\n")
    entries: list[dict[str, str]] = []
    monkeypatch.setattr(log, "_to_stderr", lambda _level, _message, fields: entries.append(fields))

    def reloads(start: Start[Mailman]) -> int:
        file.write_text("debgu: true\nlisten: nowhere\n")
        assert start.reload() is None
        return 0

    assert main_for("mailman", load_mailman, reloads, argv=["--config", str(file)]) == 0
    assert kinds(entries) == [Matter.CONFIG_BROKEN] * 3
    assert {entry["HEDWIG_FILE"] for entry in entries} == {str(file)}


def test_settings_without_a_postoffice_are_told_as_such(told: list[dict[str, str]]) -> None:
    Link().configured(Mailman(missing=("fqdn", "key")))
    assert kinds(told) == [Matter.KEY_MISSING]
