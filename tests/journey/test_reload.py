"""SIGHUP: a broken file is reported and the old settings stay; a good one is taken."""

import pytest

from .farside import Rule
from .host import Host
from .submit import SAMPLE, Post, Talk
from .waiting import until
from .world import World, mx

LETTER = SAMPLE.replace(b"\n", b"\r\n")
# An unknown key, no YAML, a value of the wrong type.
BROKEN = ("debgu: true\n", "listen: [\n", "spool: {a: b}\n")


@pytest.mark.parametrize("daemon", ["mailman", "postoffice", "worker"])
def test_a_broken_file_keeps_the_old_settings(world: World, daemon: str) -> None:
    """However it is broken, the log names the file; letters are delivered as before."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start()
    name = "worker-1" if daemon == "worker" else daemon
    process = host[name]
    for letters, broken in enumerate(BROKEN, 1):
        host.write(daemon, broken)
        said = len(process.words())
        host.reload(name)
        until("the report", lambda said=said: f"{daemon}.yml" in process.words()[said:])
        assert host.key not in process.words()
        world.msmtp.send(SAMPLE, "stenote@163.com")
        until("the letter", lambda letters=letters: len(far.accepted()) == letters)


def test_a_good_file_is_taken(world: World) -> None:
    """mailman announces the new limit without a restart."""
    world.dns()
    host = world.host().start("beanstalkd", "postoffice", "mailman")
    assert "SIZE 31457280" in announced()
    _reload_with(host, "1 MiB")
    until("the new limit", lambda: "SIZE 1048576" in announced())


def _reload_with(host: Host, size: str) -> None:
    host.settings["mailman"]["max_size"] = size
    host.write("mailman")
    host.reload("mailman")


def announced() -> str:
    """mailman's answer to EHLO."""
    talk = Talk()
    talk.reply()
    reply = talk.say("EHLO container")
    talk.close()
    return reply


def test_rules_for_replies_are_taken_and_broken_ones_are_not(world: World) -> None:
    """replies.yml beside worker.yml: what a receiver says means what the operator writes, from the reload on; a file
    with a fault is named, and the rules before it stay."""
    world.dns(mx("163.com", "192.0.2.1"))
    world.far("192.0.2.1", Rule("rcpt", "550 the office is closed"))
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    until("the worker at work", lambda: "delivers as" in host["worker-1"].words())
    rules = host.config / "replies.yml"
    rules.write_text("rules:\n  closed: {text: [office is closed], class: evening, action: [retry 9h]}\n")
    host.reload("worker-1")
    until("the reload", lambda: "was read again" in host["worker-1"].words())
    [first] = host.http.batch([Post(("one@163.com",), LETTER)])
    until("the rule", lambda: "by rule closed (evening)" in shown(host, first))
    rules.write_text("rules:\n  closed: {text: [office is closed], class: evening, action: [explode]}\n")
    host.reload("worker-1")
    until("the fault", lambda: f"{rules}:2: rules.closed.action: 'explode' is no action" in host["worker-1"].words())
    [second] = host.http.batch([Post(("two@163.com",), LETTER)])
    until("the rule again", lambda: "by rule closed (evening)" in shown(host, second))
    assert "next try in 8 h" in shown(host, second)


def shown(host: Host, queue_id: str) -> str:
    """What `hedwig queue show` tells, in one line."""
    return " ".join(host.hedwig("queue", "show", queue_id).split())
