"""`hedwig queue drop` of a flood while mail flows: 20,000 letters of a program gone wrong, some of them being sent."""

import json
import threading
import time
from functools import partial

from hedwig import queueid
from hedwig.envelope import Envelope, digest
from hedwig.spool import Bytes, NewMessage
from hedwig.spool.sqlite import open_spool

from .farside import Rule
from .host import FQDN, Host
from .submit import SAMPLE, Post
from .waiting import until
from .world import World, mx

FLOOD = 20_000
LETTER = SAMPLE.replace(b"\n", b"\r\n")


def flooded(host: Host) -> None:
    """The flood lies in the spool, for a site that stands still."""
    spool, now = open_spool(str(host.spool)), time.time()
    lots = []
    for start in range(0, FLOOD, 500):
        lot = []
        for number in range(start, start + 500):
            envelope, body = Envelope("flood@robot.genee.cn", (f"{number}@163.com",)), Bytes(LETTER)
            name = queueid.new(now)
            parts = envelope.by_destination()
            lot.append(NewMessage(name, FQDN, envelope, body, digest(envelope, body.pieces()), now, now + 9999, parts))
        lots.append(spool.register(lot))
    for lot_done in lots:
        lot_done.result(60)
    spool.close()


def test_mail_flows_while_a_flood_is_dropped(world: World) -> None:
    """Other letters go within seconds throughout. What a worker has claimed of the flood comes back and is dropped; the
    five on connections that stand still are dropped later, without the command. Nobody gets a letter of it."""
    world.dns(mx("163.com", "192.0.2.1"), mx("126.com", "192.0.2.2"))
    gate = threading.Event()
    stuck, other = world.far("192.0.2.1", Rule("mail", hold=gate)), world.far("192.0.2.2")
    host = world.host().start("beanstalkd", "postoffice")
    flooded(host)
    host.start("worker-1")
    until("the site that stands still", lambda: stuck.connections == 5)
    out: list[str] = []
    drop = ("queue", "drop", "--sender", "flood@robot.genee.cn", "--no-dsn", "--yes", "--json")
    dropping = threading.Thread(target=lambda: out.append(host.hedwig(*drop)))
    dropping.start()
    waits = []
    while dropping.is_alive():
        to, began = f"{len(waits)}@126.com", time.monotonic()
        host.http.batch([Post((to,), LETTER)])
        until("another letter", partial(other.has, to), pause=0.005)
        waits.append(time.monotonic() - began)
    done = json.loads(out[0])["done"]
    print(f"{len(waits)} letters meanwhile, each within {sorted(waits)[len(waits) // 2]:.3f} s, {max(waits):.3f} s")
    assert done["missed"] == 0
    assert done["recipients"] + done["recalled"] == FLOOD
    assert (done["over"], done["left"]) == (0, 5)
    assert host.listed().count("@163.com") == 5
    gate.set()
    until("an empty queue", lambda: "nothing waits" in host.listed())
    assert not stuck.copies()
    assert set(other.copies().values()) == {1}
    assert len(waits) > 3
    assert max(waits) < 10
