"""SIGHUP: a broken file is reported and the old settings stay; a good one is taken."""

import pytest

from .host import Host
from .submit import SAMPLE, Talk
from .waiting import until
from .world import World, mx

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
