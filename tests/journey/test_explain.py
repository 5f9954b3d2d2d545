"""`hedwig explain`: what would become of a letter, told beside workers that run; nothing is sent for it."""

import json
import time
from typing import Any

from .farside import Rule
from .host import Host
from .submit import SAMPLE
from .waiting import until
from .world import World, mx

SMALL = {"sites": {"tiny": {"mx": [".tiny.example"], "connections": 2, "per_hour": 100}}}


def explained(host: Host, address: str, *options: str) -> tuple[int, str]:
    status, said = host.try_hedwig("explain", address, *options)
    print(said)
    return status, " ".join(said.split())


def facts(host: Host, address: str, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.try_hedwig("explain", address, "--json", *options)[1])
    return found


def test_a_letter_that_would_go(world: World) -> None:
    """Its MX, receiver, limits with their lines, source and target; the exit status says it, and the host heard nothing."""
    world.dns(mx("163.com", "192.0.2.1", "192.0.2.2"))
    far = world.far("192.0.2.1")
    host = world.host(worker=SMALL).start("beanstalkd", "postoffice", "worker-1")
    status, said = explained(host, "stenote@163.com")
    assert status == 0
    for part in ("10 mx1.163.com, 20 mx2.163.com", "20 connections at a time (default)", "1. mx1.163.com[192.0.2.1]"):
        assert part in said
    assert "A letter to stenote@163.com would be sent now, from 192.0.2." in said
    assert said.endswith("(robot.genee.cn) to mx1.163.com[192.0.2.1].")
    assert far.connections == 0
