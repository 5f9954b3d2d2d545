"""The webhook against a real HTTP server: one that takes it, that refuses, that drips, and that is not there."""

import asyncio
import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hedwig.alerts.webhook import Webhook, wait_after

ID, SECRET = "01K0000000000000000000000A", "whsec_" + base64.b64encode(b"0123456789abcdef").decode()
BODY = '{"title_zh": "信誉"}'.encode()


class Far(ThreadingHTTPServer):
    """Answers with the next of `answers`; the last one repeats. `had`: (header fields, content) of each request."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers = [200]
        self.drips = False
        self.had: list[tuple[dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Talk)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?room=ops"


class Talk(BaseHTTPRequestHandler):
    server: Far

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.had.append(({name.lower(): value for name, value in self.headers.items()}, content))
        if self.server.drips:
            with suppress(ConnectionError):
                for octet in b"HTTP/1.1 200 " + b"O" * 100:
                    self.wfile.write(bytes([octet]))
                    time.sleep(0.05)
            self.close_connection = True
            return
        self.send_response(self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0])
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def far() -> Iterator[Far]:
    server = Far()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def test_what_is_sent_and_that_a_receiver_can_check_it(far: Far) -> None:
    """By the receiver's own reckoning, over the octets as they came."""
    answer = await Webhook(far.url, [SECRET]).tell(ID, BODY, 1_800_000_000.7)
    assert (answer.taken, answer.words) == (True, "taken")
    [(fields, content)] = far.had
    assert content == BODY
    assert fields["content-type"] == "application/json"
    signed = f"{fields['webhook-id']}.{fields['webhook-timestamp']}.".encode() + content
    reckoned = base64.b64encode(hmac.digest(b"0123456789abcdef", signed, hashlib.sha256)).decode()
    assert fields["webhook-signature"] == f"v1,{reckoned}"
    assert fields["webhook-timestamp"] == "1800000000"


async def test_an_error_then_success(far: Far) -> None:
    """Each try has the same ID, its own timestamp, and a signature that fits."""
    far.answers = [500, 429, 302, 200]
    webhook = Webhook(far.url, [SECRET])
    answers = [await webhook.tell(ID, BODY, 1_800_000_000 + number) for number in range(4)]
    assert [answer.taken for answer in answers] == [False, False, False, True]
    assert answers[0].words.startswith("500 ")
    assert {fields["webhook-id"] for fields, _ in far.had} == {ID}
    assert len({fields["webhook-signature"] for fields, _ in far.had}) == 4


async def test_a_server_that_drips_has_no_more_time(far: Far) -> None:
    far.drips = True
    began = time.monotonic()
    answer = await Webhook(far.url, seconds=0.5).tell(ID, BODY, 1.0)
    assert (answer.taken, answer.words) == (False, "no answer within 0.5 s")
    assert time.monotonic() - began < 4


async def test_nobody_is_there(unused_tcp_port: int) -> None:
    answer = await Webhook(f"http://127.0.0.1:{unused_tcp_port}/").tell(ID, BODY, 1.0)
    assert not answer.taken and "refused" in answer.words.lower()


async def test_a_name_that_is_none() -> None:
    async with asyncio.timeout(60):
        answer = await Webhook("http://nowhere.invalid/").tell(ID, BODY, 1.0)
    assert not answer.taken and answer.words


async def test_a_secret_that_is_none_sends_nothing(far: Far) -> None:
    answer = await Webhook(far.url, ["whsec_?"]).tell(ID, BODY, 1.0)
    assert not answer.taken and "base64" in answer.words
    assert far.had == []


def test_waits_grow_up_to_half_an_hour() -> None:
    waits = [wait_after(tries) for tries in range(1, 60)]
    assert waits[0] == 10 and waits == sorted(waits) and waits[-1] == 1800
