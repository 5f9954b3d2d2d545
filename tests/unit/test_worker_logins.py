"""hedwig.worker.logins: where the password comes from, and how often the operator hears that it is wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hedwig import log
from hedwig.reply import Reply, Stage
from hedwig.settings import Smarthost, Tls
from hedwig.smtp import Said
from hedwig.smtp.login import Login
from hedwig.worker.logins import HUSH, Logins, LoginTrouble, login_of

REFUSED = Said(Stage.AUTH, Reply(535, "5.7.8", "no"))


def test_without_a_user_there_is_no_login() -> None:
    assert login_of(Smarthost(host="relay.example", password="x")) is None


@pytest.mark.parametrize("tls", list(Tls))
def test_only_tls_none_lets_a_password_go_in_the_clear(tls: Tls) -> None:
    expected = Login("u", "p", in_clear=tls is Tls.NONE)
    assert login_of(Smarthost(host="relay.example", user="u", password="p", tls=tls)) == expected


@pytest.mark.parametrize("content", ["pässword", "pässword\n", "pässword\r\n", "pässword\nsecond\n"])
def test_a_files_first_line_is_the_password(tmp_path: Path, content: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(content.encode())
    assert login_of(Smarthost(user="u", password_file=str(file))) == Login("u", "pässword")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "can't be read: No such file or directory"),
        (b"", "user and password can't be empty"),
        (b"\nsecond", "user and password can't be empty"),
        (b"a\0b", "user and password can't have a NUL"),
        (b"\xff", "its first line is not UTF-8"),
    ],
)
def test_a_file_without_a_password_says_what_is_wrong(tmp_path: Path, content: bytes | None, why: str) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LoginTrouble, match=why):
        login_of(Smarthost(user="u", password_file=str(file)))


@pytest.fixture
def told() -> Iterator[list[tuple[log.Level, str, str]]]:
    entries: list[tuple[log.Level, str, str]] = []
    log.start("test")
    log.capture(lambda level, text, fields: entries.append((level, fields.get("HEDWIG_EVENT", ""), text)))
    yield entries
    log.start("test")


def test_the_operator_hears_of_it_loudly_and_once_an_hour(told: list[tuple[log.Level, str, str]]) -> None:
    now = 1000.0
    logins = Logins(lambda: now)
    for _ in range(3):
        logins.failed("smarthost a", "a.example[192.0.2.1]", REFUSED)
    logins.failed("smarthost b", "", Said(Stage.LOCAL, None, "the file is gone"))
    assert told == [
        (log.Level.ALERT, "login_failed", "smarthost a: no login; its mail waits: 535 5.7.8 no"),
        (log.Level.ALERT, "login_failed", "smarthost b: no login; its mail waits: the file is gone"),
    ]
    now += HUSH + 1
    logins.failed("smarthost a", "", REFUSED)
    assert len(told) == 3


def test_that_it_works_again_is_said_where_it_had_not(told: list[tuple[log.Level, str, str]]) -> None:
    logins = Logins(lambda: 0.0)
    logins.succeeded("smarthost a")
    assert told == []
    logins.failed("smarthost a", "", REFUSED)
    logins.succeeded("smarthost a")
    logins.succeeded("smarthost a")
    assert [text for _, _, text in told][1:] == ["smarthost a: it logs us in again"]
    logins.failed("smarthost a", "", REFUSED)
    assert len(told) == 3
