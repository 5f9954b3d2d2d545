"""clients.d: changes work at once, broken files leave the last good one, no name becomes a path."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from postoffice_host import hashed

from hedwig import log
from hedwig.config import load_client
from hedwig.options import OnDoubt, Priority
from hedwig.postoffice.clients import FRESH, Clients, KeyExpired
from hedwig.settings import Client


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []
    log.capture(lambda _level, message, _fields: lines.append(message))
    yield lines
    log.start("hedwig")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clients(tmp_path: Path, clock: Clock, said: list[str]) -> Clients:
    write(tmp_path, "less.example", "one")
    return Clients(str(tmp_path), load_client, clock)


def write(directory: Path, fqdn: str, *keys: str) -> Path:
    file = directory / f"{fqdn}.yml"
    new = file.with_suffix(".tmp")
    new.write_text(json.dumps({"key": [hashed(key) for key in keys]}))
    new.rename(file)
    return file


def name_of(client: Client | None) -> str:
    assert client is not None
    return client.fqdn


def test_the_right_key_and_any_case_of_the_name(clients: Clients) -> None:
    assert name_of(clients.known("less.example", "one")) == "less.example"
    assert name_of(clients.known("LESS.Example", "one")) == "less.example"


@pytest.mark.parametrize(
    ("fqdn", "key"),
    [
        ("less.example", "two"),
        ("less.example", ""),
        ("less.example", hashed("one")),
        ("more.example", "one"),
        ("", ""),
        ("../clients.d/less.example", "one"),
        ("less.example.yml", "one"),
        ("less.example\0", "one"),
        ("more.example", "0" * 64),
    ],
)
def test_anything_else_is_unknown(clients: Clients, fqdn: str, key: str) -> None:
    assert clients.known(fqdn, key) is None


def test_a_key_that_was_added_works_at_once(clients: Clients, tmp_path: Path) -> None:
    assert clients.known("new.example", "n") is None
    write(tmp_path, "new.example", "n")
    assert name_of(clients.known("new.example", "n")) == "new.example"


def test_a_clients_policy_comes_with_it(clients: Clients, clock: Clock, tmp_path: Path) -> None:
    """What the file says of priority and doubt, as it is now."""
    plain = clients.known("less.example", "one")
    assert plain is not None
    assert (plain.priority, plain.on_doubt) == (Priority.NORMAL, OnDoubt.RETRY)
    file = tmp_path / "less.example.yml"
    file.write_text(json.dumps({"key": [hashed("one")], "priority": "bulk", "on_doubt": "retry-once"}))
    clock.now += 1
    changed = clients.known("less.example", "one")
    assert changed is not None
    assert (changed.priority, changed.on_doubt) == (Priority.BULK, OnDoubt.RETRY_ONCE)


def test_rotation_old_and_new_key(clients: Clients, clock: Clock, tmp_path: Path) -> None:
    write(tmp_path, "less.example", "one", "two")
    clock.now += FRESH
    assert clients.known("less.example", "one")
    assert clients.known("less.example", "two")


def test_a_key_that_is_over_is_told_so_and_no_other_is(tmp_path: Path, clock: Clock, said: list[str]) -> None:
    """Until its time it works; then who has it hears where that stands, at once, and more time works at once too."""
    now = [1_000.0]
    file = tmp_path / "less.example.yml"
    entry = {"hash": hashed("one"), "expires": "1970-01-01T00:20:00+00:00"}
    file.write_text(json.dumps({"key": [entry, hashed("two")]}))
    clients = Clients(str(tmp_path), load_client, clock, lambda: now[0])
    assert clients.known("less.example", "one")
    now[0] = 1_200.0
    with pytest.raises(KeyExpired, match=r"until 1970-01-01 00:20:00 UTC \(clients.d/less.example.yml line 1\)"):
        clients.known("less.example", "one")
    assert clients.known("less.example", "two")
    assert clients.known("less.example", "three") is None
    file.write_text(json.dumps({"key": [entry | {"expires": "1970-01-02T00:00:00Z"}]}))
    assert clients.known("less.example", "one")


def test_a_revoked_client_is_out_within_half_a_second(clients: Clients, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "less.example.yml").unlink()
    clock.now += FRESH
    assert clients.known("less.example", "one") is None


def test_a_broken_file_is_reported_once_and_the_last_good_one_stays(
    clients: Clients, clock: Clock, tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "less.example.yml").write_text("key: [")
    for _ in range(3):
        clock.now += FRESH
        assert name_of(clients.known("less.example", "one")) == "less.example"
    assert len(said) == 1
    assert "the last good one stays" in said[0]
    write(tmp_path, "less.example", "mended")
    clock.now += FRESH
    assert clients.known("less.example", "mended")
    assert len(said) == 1


def test_other_files_are_no_clients(clients: Clients, clock: Clock, tmp_path: Path, said: list[str]) -> None:
    """Editors' leftovers and hidden files are passed over in silence."""
    for name in (".hidden.example.yml", "less.example.yml~", "notes.txt"):
        (tmp_path / name).write_text("key: [")
    clock.now += FRESH
    assert clients.known("less.example", "one")
    assert said == []


def test_a_directory_that_vanishes_is_reported_and_the_clients_stay(
    clients: Clients, clock: Clock, tmp_path: Path, said: list[str]
) -> None:
    tmp_path.rename(tmp_path.with_name("away"))
    for _ in range(3):
        clock.now += FRESH
        assert clients.known("less.example", "one")
    assert len(said) == 1
    tmp_path.with_name("away").rename(tmp_path)


def test_an_edit_in_place_is_seen(clients: Clients, clock: Clock, tmp_path: Path) -> None:
    """Of the same size, in the same inode: the time tells."""
    file = tmp_path / "less.example.yml"
    before = file.stat()
    file.write_text(json.dumps({"key": [hashed("two")]}))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    clock.now += FRESH
    assert clients.known("less.example", "two")


def test_a_folder_that_could_never_be_read_is_a_fault_of_ours(tmp_path: Path, clock: Clock, said: list[str]) -> None:
    """I8: nobody's key is called wrong for it."""
    (tmp_path / "clients.d").write_text("this is no folder")
    clients = Clients(str(tmp_path / "clients.d"), load_client, clock)
    assert clients.known("less.example", "one") is None
    assert "can't be read: Not a directory" in clients.unread
    assert any("no host can hand in mail" in line for line in said)


def test_a_folder_that_is_not_there_yet_means_no_keys(tmp_path: Path, clock: Clock, said: list[str]) -> None:
    clients = Clients(str(tmp_path / "clients.d"), load_client, clock)
    assert clients.known("less.example", "one") is None
    assert clients.unread == ""
    assert [line for line in said if "hedwig key add" in line] == said[:1]


def test_a_client_whose_file_was_never_good_is_a_fault_of_ours(clients: Clients, clock: Clock, tmp_path: Path) -> None:
    """Not a stranger's: its programs are to come again, once the file is mended (I8)."""
    (tmp_path / "new.example.yml").write_text("quotas: {messages_per_hour: 1}\n")
    clock.now += 1
    assert clients.known("new.example", "x" * 30) is None
    assert clients.is_broken("New.example")
    assert not clients.is_broken("other.example")
