"""`hedwig explain`: what would become of a letter, told beside workers that run; nothing is sent for it."""

import json
import time
from typing import Any

import pytest

from .farside import FarSide, Rule
from .host import Host
from .resting import rest
from .submit import SAMPLE
from .waiting import until
from .world import World, mx

SETTINGS = {"sites": {"tiny": {"mx": [".tiny.example"], "connections": 2, "per_hour": 100}}}


def explained(host: Host, *words: str) -> tuple[int, str]:
    """Exit status, and the text in one line."""
    status, said = host.try_hedwig("explain", *words)
    print(said)
    return status, " ".join(said.split())


def facts(host: Host, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.try_hedwig("explain", "--json", *words)[1])
    return found


def test_what_would_become_of_a_letter(world: World) -> None:
    """Of one that would go, to a domain that takes none, to this host itself, to a receiver that rests or is paused, of
    one that waits already. The exit status says it too, and the receivers hear nothing."""
    world.dns(
        mx("163.com", "192.0.2.1", "192.0.2.2"),
        "nomail.example. MX 0 .",
        "here.example. MX 10 here.example.\nhere.example. A 127.0.0.1",
        "tiny.net. MX 10 mx.tiny.example.\nmx.tiny.example. A 192.0.2.3",
    )
    fars = [world.far("192.0.2.1", Rule("rcpt", "452 4.2.2 mailbox full")), world.far("192.0.2.3")]
    host = world.host(worker={**SETTINGS, "refuse": ["127.0.0.0/8"], "retry": {"schedule": ["1h"], "jitter": "0%"}})
    host.start("beanstalkd", "postoffice")
    assert explained(host, "a@163.com")[1].endswith("A letter to a@163.com would wait: no worker runs on this host")
    host.start("worker-1")

    status, said = explained(host, "stenote@163.com")
    assert status == 0
    for part in ("10 mx1.163.com, 20 mx2.163.com", "20 connections at a time (default)", "1. mx1.163.com[192.0.2.1]"):
        assert part in said
    assert "A letter to stenote@163.com would be sent now, from 192.0.2." in said
    assert said.endswith("(robot.genee.cn) to mx1.163.com[192.0.2.1].")

    status, said = explained(host, "a@nomail.example")
    assert (status, "would fail at once" in said, "5.1.10" in said) == (4, True, True)
    status, said = explained(host, "a@here.example")
    assert (status, "5.4.6" in said, "`refuse` in worker.yml lets no mail go" in said) == (4, True, True)
    assert explained(host, "a@nowhere.example")[0] == 4

    line = 1 + (host.config / "worker.yml").read_text().splitlines().index("    per_hour: 100")
    status, said = explained(host, "a@tiny.net")
    assert status == 0
    for part in ("receiver tiny `sites: tiny` in worker.yml names its MX (.tiny.example)", f"worker.yml, line {line}"):
        assert part in said
    assert "100 messages an hour: 5 may go at once" in said

    rest(host, "tiny", "421 4.7.28 slow down")
    status, said = explained(host, "a@tiny.net")
    assert status == 3
    assert "by rule tiny/rate" in said
    assert said.endswith("the receiver has asked for rest: 421 4.7.28 slow down")
    prospect = facts(host, "a@tiny.net")["prospect"]
    assert prospect["end"] == "waits"
    assert 500 < prospect["until"] - time.time() <= 600

    host.hedwig("queue", "pause", "tiny.net", "--site", "--reason", "they asked us to")
    status, said = explained(host, "a@tiny.net")
    assert status == 3
    assert said.endswith("would wait: an operator has paused site tiny.net (they asked us to)")
    host.hedwig("queue", "pause", "less.nankai.edu.cn", "--client")
    assert explained(host, "stenote@163.com")[0] == 0
    assert explained(host, "stenote@163.com", "--client", "less.nankai.edu.cn")[0] == 3
    host.hedwig("queue", "resume", "less.nankai.edu.cn")

    host.start("mailman")
    world.msmtp.send(SAMPLE, "stenote@163.com")
    until("the deferral", lambda: "mailbox full" in host.listed())
    status, said = explained(host, "stenote@163.com")
    assert "1 for the address, 1 deferred, next try in 59 min 1 for 163.com" in said
    assert sum(far.connections for far in fars) == 1, "the letter's own"
    assert explained(host, "nobody")[0] == 2


@pytest.mark.parametrize(
    ("rule", "status", "words"),
    [
        (Rule("rcpt", "250 2.1.5 ok"), 0, "It takes mail for b@163.com"),
        (
            Rule("rcpt", "550 5.1.1 no such user"),
            4,
            "RCPT: 550 5.1.1 no such user A letter to b@163.com would fail",
        ),
        (Rule("rcpt", "451 4.7.1 greylisted"), 3, "RCPT: 451 4.7.1 greylisted A letter to b@163.com would wait"),
        (Rule("mail", "550 5.7.1 who are you"), 4, "MAIL: 550 5.7.1 who are you"),
        (Rule("banner", "554 5.7.1 go away"), 3, "BANNER: 554 5.7.1 go away"),
    ],
    ids=["taken", "refused", "greylisted", "sender refused", "not greeted"],
)
def test_a_probe_tells_what_the_host_says(world: World, certificate: str, rule: Rule, status: int, words: str) -> None:
    """With TLS as the worker would have it, in the name of the null sender; it ends with QUIT, and no letter comes."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", rule, extensions=("PIPELINING", "STARTTLS"), certificate=certificate)
    host = world.host(worker=SETTINGS).start("beanstalkd", "postoffice", "worker-1")
    found, said = explained(host, "b@163.com", "--probe", "-v")
    assert found == status
    assert words in said
    if rule.stage == "rcpt":
        assert "mx1.163.com[192.0.2.1], TLSv1.3 (" in said
        assert "mx1.163.com[192.0.2.1] > RCPT TO:<b@163.com>" in said
        assert _heard(far) == ["EHLO", "STARTTLS", "EHLO", "MAIL FROM:<>", "RCPT TO:<b@163.com>", "QUIT"]
    assert far.letters == []


def test_a_probe_goes_by_the_tls_policy(world: World, certificate: str) -> None:
    """Where it asks for a certificate that proves the host, nothing is said to one that has none of that kind; and a
    letter would wait."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", extensions=("STARTTLS",), certificate=certificate)
    host = world.host(worker={"domains": {"163.com": {"tls": "verify"}}}).start("beanstalkd", "postoffice", "worker-1")
    status, said = explained(host, "b@163.com")
    assert status == 0
    assert "TLS verify, by `domains: 163.com` in worker.yml" in said
    assert "TLS: verify" in said
    status, said = explained(host, "b@163.com", "--probe", "-v")
    assert status == 3
    assert "at STARTTLS:" in said
    assert far.said("MAIL") == []


def _heard(far: FarSide) -> list[str]:
    until("QUIT", lambda: any("QUIT" in text for _, text in far.commands))
    return [text.removesuffix(" robot.genee.cn") for _, text in far.commands]


def test_a_probe_keeps_to_limits_and_rests(world: World) -> None:
    """A token for each, a slot, and no word to a receiver that rests but with --force."""
    world.dns("tiny.net. MX 10 mx.tiny.example.\nmx.tiny.example. A 192.0.2.3")
    far = world.far("192.0.2.3")
    settings = {"sites": {"tiny": {"mx": [".tiny.example"], "per_hour": 20}}}
    host = world.host(worker=settings).start("beanstalkd", "postoffice", "worker-1")
    assert explained(host, "b@tiny.net", "--probe", "--from", "a@robot.genee.cn")[0] == 0
    status, said = explained(host, "b@tiny.net", "--probe")
    assert status == 3
    assert "No host was asked about b@tiny.net until" in said
    assert "no more than 20 an hour may go there (--force asks all the same)" in said
    rest(host, "tiny", "421 4.7.28 slow down")
    assert "the receiver has asked for rest: 421 4.7.28 slow down" in explained(host, "b@tiny.net", "--probe")[1]
    assert far.connections == 1
    assert explained(host, "b@tiny.net", "--probe", "--force")[0] == 0
    assert far.connections == 2
