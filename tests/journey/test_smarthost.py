"""Mail by a smarthost that wants a login: it gets it, over TLS. Where the login fails the mail waits, loudly (I8)."""

import base64
from pathlib import Path

import pytest

from .farside import FarSide, Rule
from .host import Host
from .submit import SAMPLE
from .waiting import until
from .world import HOME, World, mx

TO = "stenote@163.com"
USER, PASSWORD = "hedwig", "sesame-öffne-dich"
SECRETS = (PASSWORD, *(base64.b64encode(text.encode()).decode() for text in (PASSWORD, f"\0{USER}\0{PASSWORD}")))
EXTENSIONS = ("PIPELINING", "8BITMIME", "SIZE 41943040", "AUTH PLAIN")
TLS = (*EXTENSIONS, "STARTTLS")


def relay(world: World, *rules: Rule, extensions: tuple[str, ...] = TLS, certificate: str = "") -> FarSide:
    """The smarthost. The recipient's own MX is somewhere else, and nobody is there."""
    world.dns(mx("163.com", "192.0.2.1"), "relay.example. A 192.0.2.2")
    return world.far("192.0.2.2", *rules, extensions=extensions, certificate=certificate, login=(USER, PASSWORD))


def host_with(world: World, *, debug: bool = False, **smarthost: object) -> Host:
    """A host whose mail for 163.com goes there."""
    settings = {"host": "relay.example", "port": 25, "user": USER, "tls": "encrypt", **smarthost}
    worker = {"smarthosts": {"relay": settings}, "domains": {"163.com": {"smarthost": "relay"}}, "debug": debug}
    return world.host(worker=worker).start()


def test_mail_goes_there_with_a_login_over_tls(world: World, certificate: str, tmp_path: Path) -> None:
    """And not a word of the log, though it has whole conversations, or of the history, has the password."""
    far = relay(world, certificate=certificate)
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\nand notes\n")
    host = host_with(world, debug=True, password_file=str(file))
    queue_id = world.msmtp.send(SAMPLE, TO)
    letter = until("the letter", far.accepted)[0]
    assert letter.encrypted
    assert letter.rcpttos == (TO,)
    until("an empty queue", lambda: not host.is_queued(queue_id))
    words = host.words() + host.history(queue_id)
    assert "> AUTH PLAIN ***" in words
    assert not [secret for secret in SECRETS if secret in words]


@pytest.mark.parametrize("wrong", ["the password", "the file", "the server"])
def test_a_login_that_fails_is_an_alert_and_costs_no_letter(
    world: World, certificate: str, tmp_path: Path, wrong: str
) -> None:
    """The mail waits, without a bounce, and goes when the operator has mended it. A new password needs no reload."""
    rules = [Rule("auth", f"535 5.7.8 {PASSWORD} is wrong", times=3)] if wrong == "the server" else []
    far, home = relay(world, *rules, certificate=certificate), world.far(HOME)
    file = tmp_path / "password"
    if wrong != "the file":
        file.write_text("mistyped" if wrong == "the password" else PASSWORD)
    host = host_with(world, password_file=str(file))
    queue_id = world.msmtp.send(SAMPLE, TO)
    until("an alert", lambda: "smarthost relay: no login; its mail waits: " in host.words())
    assert host.is_queued(queue_id)
    if wrong == "the server":
        until("the refusals", lambda: len(far.said("AUTH")) >= 3)
    file.write_text(PASSWORD)
    until("the letter", far.accepted, seconds=60)
    until("the good news", lambda: "smarthost relay: it logs us in again" in host.words())
    assert host.words().count("smarthost relay: no login") == 1
    assert not [secret for secret in SECRETS if secret in host.words() + host.history(queue_id)]
    assert home.letters == []


@pytest.mark.parametrize("extensions", [EXTENSIONS, TLS[3:]], ids=["no STARTTLS", "broken STARTTLS"])
def test_without_tls_no_password_leaves(world: World, extensions: tuple[str, ...]) -> None:
    """Neither where none is offered nor where it breaks; the mail waits."""
    far = relay(world, extensions=extensions)
    host = host_with(world, password=PASSWORD)
    queue_id = world.msmtp.send(SAMPLE, TO)
    until("a try", lambda: far.said("EHLO"))
    until("its end", lambda: "defer" in host.history(queue_id) or "no login" in host.words())
    assert far.said("AUTH") == []
    assert host.is_queued(queue_id)


def test_in_the_clear_where_that_is_wanted(world: World) -> None:
    """`tls: none`, for a server on a network of one's own."""
    far = relay(world, extensions=EXTENSIONS)
    host_with(world, password=PASSWORD, tls="none")
    world.msmtp.send(SAMPLE, TO)
    assert not until("the letter", far.accepted)[0].encrypted
