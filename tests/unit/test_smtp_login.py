"""AUTH at a smarthost (RFC 4954, RFC 4616): who logs in, who must not, and that nobody sees the password."""

import asyncio
import base64
import dataclasses
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from hypothesis import given
from hypothesis import strategies as st
from smtp_host import LOOPS, Peer, Script, a_loop, host, letter, words

from hedwig.reply import Reply, Stage
from hedwig.smtp import ConnectFailed, Deadlines, Said, Target
from hedwig.smtp.connection import connect, dial
from hedwig.smtp.events import Heard, Ready, Send
from hedwig.smtp.login import Exchange, Login, hidden, offers
from hedwig.smtp.session import Session
from hedwig.smtp.states import State

PASSWORD = "sesame, öffne dich"
LOGIN = Login("hedwig", PASSWORD, in_clear=True)
PLAIN = base64.b64encode(f"\0hedwig\0{PASSWORD}".encode()).decode()
SECRETS = (PASSWORD, PLAIN, base64.b64encode(PASSWORD.encode()).decode())


def as_base64(text: str) -> bytes:
    return base64.b64encode(text.encode())


# what is said, without a connection


@pytest.mark.parametrize(
    ("announced", "mechanisms"),
    [
        ({"AUTH": "PLAIN LOGIN"}, ["PLAIN", "LOGIN"]),
        ({"AUTH": "login  plain"}, ["LOGIN", "PLAIN"]),
        ({"AUTH=LOGIN": "PLAIN"}, ["PLAIN", "LOGIN"]),
        ({"AUTH": "CRAM-MD5", "AUTH=LOGIN": ""}, ["CRAM-MD5", "LOGIN"]),
        ({"AUTH": ""}, []),
        ({"SIZE": "5"}, []),
    ],
)
def test_mechanisms_are_read_in_either_form(announced: dict[str, str], mechanisms: list[str]) -> None:
    assert offers(announced) == mechanisms


@pytest.mark.parametrize(
    ("announced", "encrypted", "login", "trouble"),
    [
        ({"AUTH": "PLAIN"}, True, Login("a", "b"), ""),
        ({"AUTH": "PLAIN"}, False, LOGIN, ""),
        ({"AUTH": "PLAIN"}, False, Login("a", "b"), "no password goes there without TLS"),
        ({}, True, LOGIN, "it offers no AUTH"),
        (
            {"AUTH": "XOAUTH2 CRAM-MD5"},
            True,
            LOGIN,
            "it offers AUTH XOAUTH2 CRAM-MD5, of which neither PLAIN nor LOGIN",
        ),
    ],
)
def test_why_there_is_no_login(announced: dict[str, str], encrypted: bool, login: Login, trouble: str) -> None:
    assert Exchange(login, announced, encrypted=encrypted).trouble == trouble


@pytest.mark.parametrize(("user", "password"), [("", "b"), ("a", ""), ("a\0", "b"), ("a", "\0b")])
def test_what_sasl_cant_carry_is_an_error(user: str, password: str) -> None:
    with pytest.raises(ValueError, match="user and password can't"):
        Login(user, password)


def test_a_response_that_makes_the_command_too_long_goes_by_itself() -> None:
    """RFC 4954 §4: a command line has 512 octets at most (RFC 5321 §4.5.3.1.4)."""
    login = Login("a", "x" * 500)
    exchange = Exchange(login, {"AUTH": "PLAIN"}, encrypted=True)
    assert exchange.command() == b"AUTH PLAIN\r\n"
    assert exchange.answer() == as_base64("\0a\0" + "x" * 500) + b"\r\n"
    assert exchange.answer() == b""


def test_a_login_shows_no_password() -> None:
    assert PASSWORD not in repr(LOGIN) + str(LOGIN)
    assert repr(LOGIN) == "Login(user='hedwig', in_clear=True)"


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_nothing_that_is_traced_has_the_password(user: str, password: str) -> None:
    """The commands, as the trace has them; and whatever the server says, however it repeats it."""
    if "\0" in user + password:
        return
    exchange = Exchange(Login(user, password), {"AUTH": "LOGIN PLAIN"}, encrypted=True)
    for _ in range(2):
        shown = hidden(exchange.command())
        assert shown in (b"AUTH PLAIN ***\r\n", b"AUTH PLAIN\r\n", b"AUTH LOGIN\r\n")
        while line := exchange.answer():
            assert hidden(line) == b"***\r\n"
    said = f"no: {as_base64(password).decode()} {as_base64(f'{chr(0)}{user}{chr(0)}{password}').decode()}"
    if password not in "no: ***":
        assert password not in exchange.veiled(Heard(535, (said + password,))).lines[0]


def ready_to_log_in(mechanisms: str) -> tuple[Session, Any]:
    session = Session("me.example", login=LOGIN)
    session.heard(Heard(220, ("hi",)))
    return session, session.heard(Heard(250, ("you", f"AUTH {mechanisms}", "SIZE 5")))


def test_plain_in_one_line() -> None:
    session, action = ready_to_log_in("LOGIN PLAIN")
    assert action == Send(f"AUTH PLAIN {PLAIN}\r\n".encode(), b"AUTH PLAIN ***\r\n")
    assert session.stage is Stage.AUTH
    assert session.heard(Heard(235, ("2.7.0 welcome",))) == Ready()
    assert session.extensions["SIZE"] == "5"


def test_a_server_that_passes_over_the_response_gets_it_again() -> None:
    session, _ = ready_to_log_in("PLAIN")
    assert session.heard(Heard(334, ("",))) == Send(f"{PLAIN}\r\n".encode(), b"***\r\n")
    assert session.heard(Heard(235, ("ok",))) == Ready()


def test_login_in_three() -> None:
    session, action = ready_to_log_in("LOGIN")
    assert action == Send(b"AUTH LOGIN\r\n", b"AUTH LOGIN\r\n")
    assert session.heard(Heard(334, ("VXNlcm5hbWU6",))) == Send(as_base64("hedwig") + b"\r\n", b"***\r\n")
    assert session.heard(Heard(334, ("UGFzc3dvcmQ6",))) == Send(as_base64(PASSWORD) + b"\r\n", b"***\r\n")
    assert session.heard(Heard(235, ("ok",))) == Ready()


def test_a_mechanism_that_is_unknown_after_all_is_not_the_last() -> None:
    """504 (RFC 4954 §4), for it was announced."""
    session, _ = ready_to_log_in("PLAIN LOGIN")
    assert session.heard(Heard(504, ("5.5.4 what",))) == Send(b"AUTH LOGIN\r\n", b"AUTH LOGIN\r\n")
    session, _ = ready_to_log_in("PLAIN")
    session.heard(Heard(504, ("5.5.4 what",)))
    assert session.state is State.CLOSED


# over a connection


@pytest.fixture(params=LOOPS)
def event_loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    yield from a_loop(request.param)


def at_auth(*answers: str, hang_up: bool = False) -> Script:
    """A host that answers AUTH so, line by line, and keeps no peace afterwards."""

    def script(peer: Peer) -> None:
        peer.open("AUTH PLAIN")
        peer.line("AUTH PLAIN")
        for number, answer in enumerate(answers):
            if number:
                peer.line()
            peer.say(answer)
        if not hang_up:
            assert peer.rest() in (b"", b"QUIT\r\n")

    return script


async def failed(script: Script, login: Login = LOGIN, deadlines: Deadlines | None = None) -> tuple[Said, str]:
    """What is told of a login that fails, and all that was traced."""
    lines: list[str] = []
    async with host(script) as target:
        with pytest.raises(ConnectFailed) as failure:
            await asyncio.wait_for(
                connect(dial, target, "me.example", deadlines or Deadlines(), login=login, trace=lines.append), 5
            )
    traced = "\n".join(lines)
    assert not any(secret in traced + str(failure.value) + repr(failure.value) for secret in SECRETS)
    return failure.value.said, traced


@pytest.mark.usefixtures("event_loop")
@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["535 5.7.8 bad credentials"], Reply(535, "5.7.8", "bad credentials")),
        (["454 4.7.0 later"], Reply(454, "4.7.0", "later")),
        (["530 5.7.0 STARTTLS first"], Reply(530, "5.7.0", "STARTTLS first")),
        (["421 4.3.2 bye"], Reply(421, "4.3.2", "bye")),
        ([f"535 {PASSWORD}? {PLAIN}!"], Reply(535, "", "***? ***!")),
        (["334 ", "535-5.7.8 no\r\n535 5.7.8 never"], Reply(535, "5.7.8", "no never")),
        (["334 ", "334 more"], "protocol error: 334 at AUTH"),
        (["354 go"], "protocol error: 354 at AUTH"),
        ([f"{PASSWORD} is what you said"], "protocol error: not an SMTP reply: '*** is what you said'"),
        (["535-5.7.8 a\r\n235 5.7.8 b"], "protocol error: a reply contradicts itself: 535 and 235"),
    ],
)
async def test_a_login_that_fails_is_told_at_its_stage(answers: list[str], expected: Reply | str) -> None:
    """And whatever the server makes of it, the password is in no trace, no error and no reply."""
    said, traced = await failed(at_auth(*answers))
    assert "> AUTH PLAIN ***" in traced
    assert said.stage is Stage.AUTH
    assert (said.reply or said.detail) == expected


@pytest.mark.usefixtures("event_loop")
async def test_a_server_that_goes_or_stays_silent_in_mid_login() -> None:
    said, _ = await failed(at_auth("334 ", hang_up=True))
    assert (said.stage, said.reply) == (Stage.AUTH, None)
    said, _ = await failed(at_auth(), deadlines=dataclasses.replace(Deadlines(), auth=0.2))
    assert said == Said(Stage.AUTH, None, "no reply within 0.2 s")


@pytest.mark.usefixtures("event_loop")
@pytest.mark.parametrize("keyword", ["AUTH PLAIN LOGIN", "STARTTLS"])
async def test_without_tls_no_password_leaves(keyword: str) -> None:
    """Also where STARTTLS is refused; and where no AUTH is offered nothing is sent without it."""

    def script(peer: Peer) -> None:
        peer.open(keyword)
        if keyword == "STARTTLS":
            peer.line("STARTTLS")
            peer.say("454 4.7.0 no")
        assert peer.rest() in (b"", b"QUIT\r\n")

    said, _ = await failed(script, Login("hedwig", PASSWORD))
    assert said == Said(Stage.AUTH, None, "no password goes there without TLS")
    if keyword == "STARTTLS":
        said, _ = await failed(script, LOGIN)
        assert said == Said(Stage.AUTH, None, "it offers no AUTH")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Gate:
    """aiosmtpd's authenticator: a server that somebody else has written."""

    def __init__(self) -> None:
        self.mechanisms: list[str] = []
        self.senders: list[str] = []

    def __call__(self, _server: Any, session: Any, _envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.mechanisms.append(mechanism)
        good = (data.login, data.password) == (b"hedwig", PASSWORD.encode())
        return AuthResult(success=good, handled=good)

    async def handle_DATA(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        self.senders.append(envelope.mail_from)
        return "250 2.0.0 taken"


@pytest.mark.usefixtures("event_loop")
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("left_out", [[], ["PLAIN"]], ids=["PLAIN", "LOGIN"])
@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
async def test_a_server_of_others_takes_the_login(left_out: list[str], password: str) -> None:
    gate = Gate()
    controller = Controller(
        gate,
        "127.0.0.1",
        free_port(),
        authenticator=gate,
        auth_required=True,
        auth_require_tls=False,
        auth_exclude_mechanism=left_out,
        server_hostname="far.example",
    )
    await asyncio.to_thread(controller.start)
    try:
        target = Target("far.example", "127.0.0.1", controller.port)
        login = Login("hedwig", password, in_clear=True)
        if password == PASSWORD:
            connection = await connect(dial, target, "me.example", Deadlines(), login=login)
            assert words(await connection.send(letter(), lambda: None)) == ["dot 250"]
            await connection.quit()
            assert gate.senders == ["a@example.com"]
        else:
            with pytest.raises(ConnectFailed) as failure:
                await connect(dial, target, "me.example", Deadlines(), login=login)
            assert failure.value.said.reply is not None
            assert failure.value.said.reply.code == 535
        assert gate.mechanisms == ["LOGIN" if left_out else "PLAIN"]
    finally:
        await asyncio.to_thread(controller.stop)
