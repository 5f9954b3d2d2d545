"""`hedwig site`: receivers as workers see them; `hedwig site resume`: mail goes to one that rests, at once."""

import json
import time
from typing import Any

from .host import Host
from .resting import rest
from .submit import SAMPLE
from .waiting import until
from .world import World, mx

SETTINGS = {"sites": {"tiny": {"mx": [".tiny.example"], "per_hour": 1000}}, "retry": {"schedule": ["1h"]}}
TINY = "tiny.net. MX 10 mx.tiny.example.\nother.net. MX 10 mx.tiny.example.\nmx.tiny.example. A 192.0.2.3"


def listed(host: Host) -> dict[str, dict[str, Any]]:
    """By name."""
    return {each["name"]: each for each in json.loads(host.hedwig("site", "--json"))["receivers"]}


def test_a_receiver_that_rests_is_resumed(world: World) -> None:
    """Its domains are one receiver; the list says what waits and why, and after `resume` the mail goes within seconds,
    by both workers, while what they had published of it ends."""
    world.dns(TINY, mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.3")
    host = world.host(worker=SETTINGS).start("beanstalkd", "postoffice")
    rest(host, "tiny", "421 4.7.28 slow down")
    host.start("worker-1", "worker-2", "mailman")
    for number in range(4):
        world.msmtp.send(SAMPLE, f"a{number}@tiny.net", f"b{number}@other.net")
    world.msmtp.send(SAMPLE, "c@163.com")
    until("that it is left alone", lambda: "slow down" in host.listed())

    shown = " ".join(host.hedwig("site").split())
    print(host.hedwig("site"))
    assert "tiny 8 0 of 1 50 of 1,000/h rests 9 min more, rule tiny/rate: 421 4.7.28 slow down" in shown
    known = listed(host)
    assert (sorted(known["tiny"]["destinations"]), known["tiny"]["waiting"]) == (["other.net", "tiny.net"], 8)
    assert {each["reason"] for each in known["tiny"]["pauses"]} == {"421 4.7.28 slow down"}
    assert far.connections == 0

    status, said = host.try_hedwig("site", "resume", "tinny")
    assert status == 1
    assert "near it: tiny" in said
    print(host.hedwig("site", "resume", "tiny.net", "--reason", "they have lifted it"))
    asked = time.monotonic()
    until("all of it", lambda: len(far.copies()) == 8)
    assert time.monotonic() - asked < 5, "not after the minute of what workers had published"
    assert set(far.copies().values()) == {1}
    again = host.hedwig("site", "resume", "tiny")
    assert "receiver tiny: it had no rest; workers try it now" in again


def test_a_receiver_is_paused_by_its_name(world: World) -> None:
    """All of its domains wait, whichever worker has them; the list says so; then they go on within seconds."""
    world.dns(TINY, mx("163.com", "192.0.2.1"))
    far, other = world.far("192.0.2.3"), world.far("192.0.2.1")
    host = world.host(worker=SETTINGS).start()
    world.msmtp.send(SAMPLE, "before@tiny.net")
    until("the first one", lambda: far.has("before@tiny.net"))
    assert "site tiny is paused" in host.hedwig("queue", "pause", "tiny", "--reason", "they asked us to")
    time.sleep(1.5)  # each worker looks within a second
    world.msmtp.send(SAMPLE, "a@tiny.net", "b@other.net", "c@163.com")
    until("the others' mail", lambda: other.has("c@163.com"))
    until("that it is left alone", lambda: host.listed().count("an operator has paused tiny") == 2)
    assert "tiny 2" in (shown := " ".join(host.hedwig("site").split()))
    assert "paused by an operator: tiny" in shown
    assert explained(host, "a@tiny.net") == (3, "an operator has paused site tiny (they asked us to)")
    assert not (far.has("a@tiny.net") or far.has("b@other.net"))
    host.hedwig("queue", "resume", "tiny")
    asked = time.monotonic()
    until("both", lambda: far.has("a@tiny.net") and far.has("b@other.net"))
    assert time.monotonic() - asked < 5, "not after the minute of what the worker had published"
    status, said = host.try_hedwig("queue", "pause", "tinny", "--site")
    assert (status, "is no receiver of `sites` in worker.yml; there: tiny" in said) == (2, True)


def explained(host: Host, address: str) -> tuple[int, str]:
    status, said = host.try_hedwig("explain", address, "--json")
    return status, json.loads(said)["prospect"]["why"]


def test_a_receiver_that_did_not_answer_is_tried_when_the_operator_says(world: World) -> None:
    """It had cooled for a minute, in its worker's memory; what waits beside the letter that had failed goes now."""
    world.dns(mx("163.com", "192.0.2.1"))
    host = world.host(worker=SETTINGS).start()
    world.msmtp.send(SAMPLE, "first@163.com")
    until("the failure", lambda: "connection refused" in host.listed())
    world.msmtp.send(SAMPLE, "second@163.com")
    until("that it is left alone", lambda: listed(host)["mx1.163.com"]["pauses"])
    assert "163.com" in host.hedwig("site").splitlines()[1]
    far = world.far("192.0.2.1")
    host.hedwig("site", "resume", "163.com")
    asked = time.monotonic()
    until("the second one", lambda: far.has("second@163.com"))
    assert time.monotonic() - asked < 5
    assert not far.has("first@163.com"), "it is due in an hour; `hedwig queue retry` is for that"
