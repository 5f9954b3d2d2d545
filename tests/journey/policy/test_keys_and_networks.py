"""A key that ends, and a host that calls from elsewhere: mailman's mail waits for the operator, and none is lost."""

import json
import time

from ..host import FQDN
from ..submit import SAMPLE, sample_email
from ..waiting import until
from ..world import World, mx
from .rules import rules


def test_a_key_that_is_over(world: World) -> None:
    """401 with the day; what containers send is kept, and goes once the key has more time."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host()
    file = host.config / "clients.d" / f"{FQDN}.yml"
    soon = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 4))
    host.hedwig("key", "expire", FQDN, soon)
    host.start()
    world.msmtp.send(SAMPLE, "a@163.com")
    until("the end of the key", lambda: host.http.form(sample_email("x@qq.com"))[0] == 401)
    _, answer = host.http.form(sample_email("b@163.com"))
    assert f"this key of {FQDN} was valid until " in json.loads(answer)["error"]
    assert f"clients.d/{FQDN}.yml line " in json.loads(answer)["error"]
    queue_id = world.msmtp.send(SAMPLE, "b@163.com")
    until("why it waits", lambda: "was valid until" in host["mailman"].words())
    assert host.is_queued(queue_id)
    host.hedwig("key", "expire", FQDN, "--never")
    assert "expires" not in file.read_text().partition("#")[0]
    until("both letters", lambda: far.copies() == {"a@163.com": 1, "b@163.com": 1})


def test_a_host_that_calls_from_another_network(world: World) -> None:
    """403 with the line; what containers send is kept, nothing goes back, and all goes once that is mended."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host()
    rules(host, "allow: [192.0.2.0/24]\n")
    host.start()
    status, answer = host.http.form(sample_email("a@163.com"))
    assert (status, json.loads(answer)["status"]) == (403, "5.7.1")
    assert f"{FQDN} may not call from 127.0.0.1 (clients.d/{FQDN}.yml line " in json.loads(answer)["error"]
    queue_id = world.msmtp.send(SAMPLE, "a@163.com")
    until("why it waits", lambda: "may not call from" in host["mailman"].words())
    assert host.is_queued(queue_id)
    rules(host, "allow: [127.0.0.0/8]\n")
    until("the letter", lambda: far.copies() == {"a@163.com": 1})
