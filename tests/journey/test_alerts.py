"""Alerts without mail: what a daemon rings reaches a real HTTP server, signed, whatever lies on the way."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from .farside import Rule
from .host import Host
from .submit import SAMPLE
from .waiting import until
from .world import World, mx

SECRET = "whsec_" + base64.b64encode(b"sixteen octets or more").decode()


class Hook:
    """A web server on loopback that answers `status`; what it was told, with the header fields."""

    def __init__(self, port: int = 0) -> None:
        told: list[tuple[int, dict[str, str], bytes]] = []
        hook = self

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told.append((hook.status, {name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                del format, args

        self.status = 204
        self.told = told
        self._server = HTTPServer(("127.0.0.1", port), Taking)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def of(self, kind: str, state: str) -> list[dict[str, Any]]:
        """What it took of these."""
        taken = [json.loads(body) for status, _, body in self.told if status == 204]
        return [one for one in taken if (one["kind"], one["state"]) == (kind, state)]

    def close(self) -> None:
        """Be down."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hook(network: object) -> Iterator[Hook]:
    """In the journey's namespace, which `network` enters."""
    made = Hook()
    yield made
    made.close()


def with_alerts(world: World, hook: Hook, **settings: Any) -> Host:
    """A host whose daemons ring."""
    host = world.host(worker={"retry": {"schedule": ["1s"], "jitter": "0%"}})
    folder = host.directory / "alerts"
    (folder / "new").mkdir(parents=True)
    webhook = {"url": f"http://127.0.0.1:{hook.port}/hook?to=ops", "secret": SECRET}
    host.settings["alerts"] = {"folder": str(folder), "webhook": webhook, "disk_free": 0, **settings}
    host.write("alerts")
    return host


def verify(headers: dict[str, str], body: bytes) -> None:
    """As Standard Webhooks says."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(b"sixteen octets or more", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert json.loads(body)["id"] == headers["webhook-id"]


def test_down_then_500_then_taken_over_a_restart(world: World, hook: Hook) -> None:
    """No alert is lost, and each try has the same ID; what was taken is told no more."""
    host = with_alerts(world, hook)
    port = hook.port
    hook.close()
    host.start("alerts")
    host.hedwig("alert", "failed", "hedwig-beanstalkd.service")

    def ways() -> list[Any]:
        return [one["ways"]["webhook"] for one in json.loads(host.hedwig("alert", "list", "--json"))["told"]]

    until("a first try", lambda: [one["tries"] for one in ways()] == [1])
    assert ways()[0]["state"] == "waiting"
    back = Hook(port)
    world.at_end(back.close)
    back.status = 500
    host["alerts"].stop()
    host.start("alerts")
    until("a second try", lambda: len(back.told) == 1)
    until("its note", lambda: [one["tries"] for one in ways()] == [2])
    back.status = 204
    host["alerts"].kill()
    host.start("alerts")
    until("the alert", lambda: back.of("unit_failed", "raised"))
    until("its note", lambda: [one["state"] for one in ways()] == ["done"])
    for _, headers, body in back.told:
        verify(headers, body)
    assert len({headers["webhook-id"] for _, headers, _ in back.told}) == 1
    host["alerts"].stop()
    host.start("alerts")
    time.sleep(1.5)
    assert len(back.told) == 2


def test_a_receiver_that_blocks_us(world: World, hook: Hook) -> None:
    """From the reply of a real far side to the web server, by way of worker, journal and bell."""
    world.dns(mx("163.com", "192.0.2.1"))
    world.far("192.0.2.1", Rule("mail", "550 Ip frequency limited"))
    host = with_alerts(world, hook).start("alerts", "beanstalkd", "postoffice", "worker-1", "mailman")
    world.msmtp.send(SAMPLE, "stenote@163.com")
    until("the alert", lambda: hook.of("reputation", "raised") or hook.of("receiver_backed_off", "raised"))
    [told] = hook.of("reputation", "raised") + hook.of("receiver_backed_off", "raised")
    assert told["subject"] == "163.com"
    assert told["facts"]["reply"].startswith("550")
    assert told["title_zh"].startswith("收件方")
    standing = json.loads(host.hedwig("alert", "list", "--json"))["standing"]
    assert [one["subject"] for one in standing] == ["163.com"]


def test_mail_goes_on_without_anybody_who_takes_alerts(world: World, hook: Hook, tmp_path: Path) -> None:
    """The folder is gone while daemons ring: nothing waits, nothing fails."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = with_alerts(world, hook)
    (host.directory / "alerts" / "new").rmdir()
    host.start()
    host["postoffice"].kill()
    queue_id = world.msmtp.send(SAMPLE, "stenote@163.com")
    host.start("postoffice")
    until("the letter", far.accepted)
    until("an empty queue", lambda: not host.is_queued(queue_id))
