"""A reload takes what it can; what needs a restart keeps its value, and log and status say so until the file agrees."""

import json
import os
import signal
import smtplib
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from postoffice_host import free_port
from service_manager import daemon, managed

from hedwig import log
from hedwig.in_force import InForce
from hedwig.settings import Dns, Mailman, Postoffice, Worker, needs_restart

OTHER: dict[type, Any] = {str: "/elsewhere", int: 7, Dns: Dns(("192.0.2.53",))}


@pytest.fixture
def lines() -> Iterator[list[str]]:
    found: list[str] = []
    log.start("test")
    log.capture(lambda _level, message, _fields: found.append(message))
    yield found
    log.start("test")


def at_start(kind: type) -> list[str]:
    return [each.name for each in fields(kind) if each.metadata.get("at_start")]


def test_which_keys_need_a_restart() -> None:
    """All that a running daemon has in its hands: files, the queue, locks, the resolver, threads."""
    assert at_start(Mailman) == ["spool", "docker_socket"]
    assert at_start(Postoffice) == ["spool", "queue", "threads"]
    assert at_start(Worker) == ["spool", "queue", "dns", "smtp_port", "run_dir", "state_dir"]


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in (Mailman, Postoffice, Worker) for name in at_start(kind)]
)
def test_its_old_value_stays_in_force(lines: list[str], kind: type[Any], name: str) -> None:
    """Said at each reload while the file differs, also when it has changed twice; and over when it is as before."""
    started = kind()
    other = OTHER[type(getattr(started, name))]
    in_force = InForce(started)
    for _ in range(2):
        taken = in_force.take(replace(started, **{name: other, "debug": True}))
        assert getattr(taken, name) == getattr(started, name)
        assert taken.debug and in_force.settings == taken
        assert in_force.trouble == f"{name}: changed in the file, needs a restart"
    assert in_force.take(replace(started, debug=True)).debug
    assert in_force.trouble == ""
    assert lines == [f"{name} has changed in the file; it takes effect at the next start"] * 2


def test_other_keys_are_taken(lines: list[str]) -> None:
    started = Worker()
    new = replace(started, stop_time=7, ehlo="mail.example.com")
    assert needs_restart(started, new) == []
    assert InForce(started).take(new) == new
    assert lines == []


def configured(room: str, folder: Path) -> Callable[..., None]:
    """A writer of that daemon's configuration file; its places are its own."""
    places = {"mailman": 1, "postoffice": 1, "worker": 0}[room]
    listen = (
        {"listen": [f"127.0.0.1:{free_port()}"]} if places else {"run_dir": f"{folder}/run", "state_dir": f"{folder}"}
    )

    def write(**changed: object) -> None:
        settings = {**listen, "spool": f"{folder}/spool.db", **changed}
        (folder / f"{room}.yml").write_text(json.dumps(settings))

    return write


@pytest.mark.parametrize(
    ("room", "changed"),
    [
        ("mailman", {"spool": "{folder}/other.db"}),
        ("postoffice", {"spool": "{folder}/other.db", "queue": "beanstalk:///other", "threads": 9}),
    ],
)
def test_the_daemon_says_so_and_works_on(tmp_path: Path, room: str, changed: dict[str, object]) -> None:
    """The real daemon: in its log and its status, until the file is as it was."""
    write = configured(room, tmp_path)
    write()
    with managed(tmp_path, daemon(room, tmp_path / f"{room}.yml")) as manager:
        manager.start()
        write(**{name: str(value).format(folder=tmp_path) for name, value in changed.items()})
        manager.send(signal.SIGHUP)
        manager.status(f"{', '.join(changed)}: changed in the file, needs a restart")
        for name in changed:
            assert f"{name} has changed in the file; it takes effect at the next start" in manager.log
        before = len(manager.words)
        write()
        manager.send(signal.SIGHUP)
        manager.wait_for("READY=1", before)
        ready = manager.words.index("READY=1", before)
        assert not [word for word in manager.words[ready:] if "needs a restart" in word]
        assert manager.stop() == 0
    assert not (tmp_path / "other.db").exists()


def test_mailman_spools_where_it_did(tmp_path: Path) -> None:
    """A large letter is written beside the spool while it arrives: beside the one that is in use."""
    port = free_port()
    config = tmp_path / "mailman.yml"
    old = tmp_path / "old"
    old.mkdir()
    settings = {"listen": [f"127.0.0.1:{port}"], "spool": f"{old}/spool.db"}
    config.write_text(json.dumps(settings))
    with managed(tmp_path, daemon("mailman", config)) as manager:
        manager.start()
        config.write_text(json.dumps({**settings, "spool": str(tmp_path / "missing" / "spool.db")}))
        manager.send(signal.SIGHUP)
        manager.status("needs a restart")
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            client.sendmail("a@b.example", ["c@d.example"], b"Subject: x\r\n\r\n" + b"x" * 70 * 1000 * 10 + b"\r\n")
        manager.stop()
    assert "spool.db" in os.listdir(old)
    assert not (tmp_path / "missing").exists()
