"""Several addresses of ours: by turns, each with its EHLO name; for one sending host alone; new ones warmed up; and
from one family to the other."""

import time
from collections import Counter
from typing import Any

import pytest

from .crowd import Crowd
from .farside import Rule
from .host import FQDN, Host
from .submit import SAMPLE, Http, Post
from .waiting import until
from .world import World, mx

BODY = SAMPLE.replace(b"\n", b"\r\n")
MAIN, NEW = "192.0.2.101", "192.0.2.102"
SOURCES: dict[str, dict[str, Any]] = {
    "main": {"ipv4": MAIN, "ehlo": "main.genee.cn"},
    "new": {"ipv4": NEW, "ehlo": "new.genee.cn"},
}


def receiver(world: World) -> Crowd:
    far = Crowd(("192.0.2.1",))
    world.at_end(far.close)
    world.dns(mx("163.com", *far.addresses))
    return far


def send(host: Host, far: Crowd, count: int, name: str = "user", http: Http | None = None) -> None:
    """One letter after the other."""
    for number in range(count):
        rcptto = f"{name}{number}@163.com"
        (http or host.http).batch([Post((rcptto,), BODY)])
        until("the letter", lambda rcptto=rcptto: rcptto in far.came)


def by_source(far: Crowd) -> Counter[str]:
    return Counter(each.source for each in far.carried)


def test_take_turns_with_names_of_their_own(world: World) -> None:
    """Also when what was sent goes by two workers."""
    far = receiver(world)
    host = world.host(worker={"sources": SOURCES}).start("beanstalkd", "postoffice", "worker-1", "worker-2")
    send(host, far, 20)
    assert {(call.source, call.ehlo) for call in far.calls} == {(MAIN, "main.genee.cn"), (NEW, "new.genee.cn")}
    assert min(by_source(far).values()) >= 5


def test_a_sending_host_may_have_its_own(world: World) -> None:
    """Its mail leaves from there alone, and that of others from both."""
    far = receiver(world)
    host = world.host(worker={"sources": SOURCES, "clients": {"vip.genee.cn": {"sources": ["new"]}}})
    key = host.add_key("vip.genee.cn")["key"]
    host.start("beanstalkd", "postoffice", "worker-1")
    vip = Http(host.http.address, host.http.port, "vip.genee.cn", key)
    send(host, far, 6, "vip", vip)
    assert by_source(far) == {NEW: 6}
    send(host, far, 6, "other")
    assert by_source(far)[MAIN] >= 2
    assert host.http.fqdn == FQDN


def test_a_new_one_has_no_more_than_its_share_and_the_other_one_carries_the_rest(world: World) -> None:
    """Three a day on its first: one at once, and the next one some hours later."""
    far = receiver(world)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    sources = {**SOURCES, "new": {**SOURCES["new"], "warm_up": today}}
    host = world.host(worker={"sources": sources, "warm_up": [3, 1000]})
    host.start("beanstalkd", "postoffice", "worker-1", "worker-2")
    host.http.batch([Post((f"user{number}@163.com",), BODY) for number in range(200)])
    until("all letters", lambda: len(far.came) == 200, seconds=60)
    assert by_source(far)[NEW] == 1
    assert any("while its source is warmed up" in host[name].words() for name in ("worker-1", "worker-2"))


def test_where_a_new_one_is_the_only_one_mail_waits(world: World) -> None:
    """It is in the queue, untried, and says why."""
    far = receiver(world)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    host = world.host(worker={"sources": {"new": {**SOURCES["new"], "warm_up": today}}, "warm_up": [3, 1000]})
    host.start("beanstalkd", "postoffice", "worker-1")
    host.http.batch([Post((f"user{number}@163.com",), BODY) for number in range(5)])
    until("the one", lambda: far.came)
    until("word of the wait", lambda: "no more than 3" in host.words())
    time.sleep(1.0)  # long enough for whoever would send on
    assert len(far.came) == 1
    assert host.listed().count("@163.com") >= 4


def test_the_family_that_the_settings_prefer_and_then_the_other(world: World) -> None:
    """IPv6 first; when nobody answers there, IPv4: in the same try."""
    world.network.here.ip("address add 2001:db8::101/128 dev lo nodad")
    four, six = Crowd(("192.0.2.1",)), Crowd(("2001:db8::25",))
    world.at_end(four.close)
    world.dns("163.com. MX 10 mx.163.com.\nmx.163.com. A 192.0.2.1\nmx.163.com. AAAA 2001:db8::25\n")
    sources = {"main": {**SOURCES["main"], "ipv6": "2001:db8::101"}}
    worker = {"sources": sources, "sites": {"default": {"family": "ipv6-first"}}}
    host = world.host(worker=worker).start("beanstalkd", "postoffice", "worker-1")
    send(host, six, 3, "six")
    assert by_source(six) == {"2001:db8::101": 3}
    six.close()
    send(host, four, 3, "four")
    assert by_source(four) == {MAIN: 3}


def test_a_receiver_of_a_family_that_no_source_has_is_told_in_the_queue(world: World) -> None:
    """It is tried again by the schedule, and not every moment."""
    world.dns(mx("163.com", "2001:db8::25"))
    host = world.host(worker={"sources": SOURCES, "retry": {"schedule": ["1m"], "jitter": "0%"}})
    host.start("beanstalkd", "postoffice", "worker-1")
    [queue_id] = host.http.batch([Post(("user@163.com",), BODY)])
    until("the reason", lambda: "has no address of a family that may be used" in host.history(queue_id))


@pytest.mark.parametrize("stage", ["banner", "rcpt"])
def test_what_one_address_is_blocked_for_goes_from_the_other_soon(world: World, stage: str) -> None:
    """The letter that met it, too, though the rule says an hour and more; and the history says from where."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1", Rule(stage, "554 5.7.1 your host is blocked using zen.spamhaus.org", times=1))
    host = world.host(worker={"sources": SOURCES}).start("beanstalkd", "postoffice", "worker-1", "worker-2")
    [queue_id] = host.http.batch([Post(("user@163.com",), BODY)])
    until("the letter", lambda: far.letters)
    until("its history", lambda: "delivered" in host.history(queue_id))
    blocked, delivered = (part for part in host.history(queue_id).split("delivered", 1))
    [(refused, left_from)] = [pair for pair in ((MAIN, NEW), (NEW, MAIN)) if f"from {pair[0]}" in blocked]
    assert f"from {left_from}" in delivered
    assert f"from {refused}" not in delivered
