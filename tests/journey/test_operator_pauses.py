"""`hedwig queue pause` and `resume`: a site, a client, and a name that is a slip."""

import json

from .farside import FarSide
from .host import FQDN, Host
from .submit import SAMPLE, Post
from .waiting import until
from .world import World, mx

LETTER = SAMPLE.replace(b"\n", b"\r\n")


def two_sites(world: World) -> tuple[FarSide, FarSide, Host]:
    """163.com and 126.com, each with a letter delivered already, so that both are known."""
    world.dns(mx("163.com", "192.0.2.1"), mx("126.com", "192.0.2.2"))
    there, other = world.far("192.0.2.1"), world.far("192.0.2.2")
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    host.http.batch([Post(("first@163.com", "first@126.com"), LETTER)])
    until("both sites", lambda: there.has("first@163.com") and other.has("first@126.com"))
    return there, other, host


def test_a_paused_site_gets_nothing_until_it_is_resumed(world: World) -> None:
    """The other site's mail goes on meanwhile; the list and `top` say what is paused, why, and by whom."""
    there, other, host = two_sites(world)
    until("an empty queue", lambda: "nothing waits" in host.listed())
    said = host.hedwig("queue", "pause", "163.com", "--reason", "they asked us to")
    assert "site 163.com is paused: nothing more is sent there" in said
    host.http.batch([Post((f"second@{site}",), LETTER) for site in ("163.com", "126.com")])
    until("the other site's letter", lambda: other.has("second@126.com"))
    for shown in (host.listed(), host.hedwig("top"), host.hedwig("queue", "pause")):
        assert "site 163.com" in shown
        assert "they asked us to" in shown
    assert "second@163.com" in host.listed()
    assert not there.has("second@163.com")
    assert host.hedwig("queue", "resume", "163.com") == "site 163.com goes on\n"
    until("the letter", lambda: there.has("second@163.com"))
    assert there.copies()["second@163.com"] == 1


def test_a_paused_clients_mail_is_taken_and_held(world: World) -> None:
    """It gets its answers as ever; nothing of it goes out until it is resumed, and then all of it, once."""
    there, other, host = two_sites(world)
    until("an empty queue", lambda: "nothing waits" in host.listed())
    host.hedwig("queue", "pause", FQDN, "--until", "1h", "--reason", "loops")
    again = host.hedwig("queue", "pause", FQDN, "--reason", "loops since 14:00")
    assert "was paused already" in again
    [stop] = json.loads(host.hedwig("queue", "pause", "--json"))
    assert (stop["kind"], stop["name"], stop["reason"]) == ("client", FQDN, "loops since 14:00")
    assert stop["until"] - stop["since"] < 3700, "the end was kept"
    host.http.batch([Post((f"{n}@163.com", f"{n}@126.com"), LETTER) for n in range(20)])
    assert host.listed().count("its client is paused") == 40
    assert "nothing that fits is held (a paused client or site goes on by" in host.try_hedwig(
        "queue", "release", "--all", "--yes"
    )[1]  # fmt: skip
    host.hedwig("queue", "resume", FQDN)
    until("all letters", lambda: len(there.copies()) == 21 and len(other.copies()) == 21)
    until("an empty queue", lambda: "nothing waits" in host.listed())
    assert set((there.copies() + other.copies()).values()) == {1}


def test_a_slip_pauses_nothing(world: World) -> None:
    """It is said what was meant, perhaps; the mail goes."""
    there, _, host = two_sites(world)
    for slip, meant in (("less.nankai.edu.com", FQDN), ("162.com", "163.com")):
        status, said = host.try_hedwig("queue", "pause", slip)
        assert status == 1
        assert meant in said
    assert host.hedwig("queue", "pause") == "Nothing is paused.\n"
    host.http.batch([Post(("second@163.com",), LETTER)])
    until("the letter", lambda: there.has("second@163.com"))
