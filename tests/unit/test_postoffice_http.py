"""The whole daemon over real sockets, with the real spool and the real beanstalkd."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from postoffice_host import FQDN, KEY, Host, basic, email, frame, post

from hedwig import queueid
from hedwig.spool import Claim

MIB = 1 << 20


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One daemon for all tests that leave it as it was."""
    made = Host(tmp_path_factory.mktemp("postoffice"))
    try:
        made.start_queue()
        made.start()
        yield made
    finally:
        made.end()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Host]:
    """One for a test that stops, breaks or reconfigures it."""
    made = Host(tmp_path)
    try:
        made.start_queue()
        yield made
    finally:
        made.end()


def claimed(host: Host, queue_id: str) -> Claim:
    """The message, claimed as a worker would."""
    spool = host.spool()
    try:
        (claim,) = [
            one for one in spool.claim(range(1, 5000), "test/1", time.time()).result(10) if one.queue_id == queue_id
        ]
        return claim
    finally:
        spool.close()


def content_of(host: Host, queue_id: str) -> bytes:
    """The body as it lies in the spool."""
    content = claimed(host, queue_id).content
    assert content is not None
    return content


def test_the_original_form_by_curl(host: Host) -> None:
    """As the original document says: 200, in either encoding, the fields in any order; the ID is told."""
    for fields in (
        ["--data-urlencode", f"email={email()}", "-d", f"fqdn={FQDN}", "-d", f"key={KEY}"],
        ["-F", f"key={KEY}", "-F", f"fqdn={FQDN.upper()}", "-F", f"email={email()}"],
    ):
        done = subprocess.run(
            ["curl", "-sS", "-w", "%{http_code}", *fields, f"http://127.0.0.1:{host.port}/"],
            capture_output=True,
            check=True,
            timeout=30,
        )
        assert done.stdout.endswith(b"200")
        assert queueid.is_valid(json.loads(done.stdout[:-3])["id"])


def test_a_raw_letter_is_made_whole(own: Host) -> None:
    """Bare LF becomes CRLF; Received, Date and Message-ID are added; raw octets come through."""
    own.start()
    gbk = "你好".encode("gbk")
    data = "From: a@nankai.example\nSubject: hi\n\n" + gbk.decode("utf-8", "surrogateescape") + "\n.\n"
    answer = post(own, email=email(data=data))
    assert answer.status_code == 200, answer.text
    content = content_of(own, answer.json()["id"])
    assert content.endswith(b"\r\n\r\n" + gbk + b"\r\n.\r\n")
    assert content.startswith(b"Received: from less.nankai.example")
    assert b"\r\nDate: " in content
    assert b"\r\nMessage-ID: <" in content
    assert content.count(b"\n") == content.count(b"\r\n")


def test_the_original_form_is_idempotent(host: Host) -> None:
    """The same ID with the same letter: 200 again; with another: 409 (I3)."""
    queue_id = queueid.new()
    before = len(host.queued())
    for _ in range(3):
        answer = post(host, id=queue_id)
        assert (answer.status_code, answer.json()) == (200, {"id": queue_id})
    conflict = post(host, id=queue_id, email=email(data="something else"))
    assert (conflict.status_code, conflict.json()["code"]) == (409, 409)
    assert len(host.queued()) == before + 1


def test_a_letter_says_what_it_asks_for(own: Host) -> None:
    """By fields, by lines of its header, which nobody else sees, or by both: then the field counts."""
    own.start()
    data = "From: a@nankai.example\nHedwig-Priority: bulk\nHedwig-Supersede-Key: otp\nMessage-ID: <1@b>\n\nhi\n"
    answer = post(own, expires=" 10m\n", priority="urgent", email=email(data=data))
    assert answer.status_code == 200, answer.text
    claim = claimed(own, answer.json()["id"])
    assert abs(claim.options.deadline - time.time() - 600) < 60
    assert claim.expires_at == claim.options.deadline
    assert (claim.priority, claim.options.supersede, claim.submitter) == (0, "otp", '{"peer":"127.0.0.1"}')
    assert claim.content is not None
    assert b"Hedwig" not in claim.content.partition(b"\r\n\r\n")[0].partition(b"From:")[2]


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"expires": "soon"}, "5.5.4", "expires: 'soon' is no time: write a duration like 10m"),
        ({"expires": ""}, "5.5.4", "expires: '' is no time"),
        ({"expires": "2000-01-01T00:00:00Z"}, "5.4.7", "expires: the message was to be sent until 2000-01-01"),
        ({"priority": "1"}, "5.5.4", "priority must be urgent, normal or bulk"),
        ({"supersede_key": "x" * 201}, "5.5.4", "supersede_key: a key is printable text of 1 to 200"),
        (
            {"supersede_key": "otp\r\nBcc: x"},
            "5.5.4",
            "supersede_key: 'otp\\r\\nBcc: x' has a line end or a control char",
        ),
        ({"supersede_key": "otp\n"}, "5.5.4", "supersede_key: 'otp\\n' has a line end"),
        ({"supersede_key": "otp\x07"}, "5.5.4", "supersede_key: 'otp\\x07' has a line end"),
        ({"supersede_key": "a\tb"}, "5.5.4", "supersede_key: 'a\\tb' has a line end"),
        ({"expire": "5s"}, "5.5.4", "the form has no field expire; did you mean expires?"),
        ({"Expires": "5s"}, "5.5.4", "the form has no field Expires; did you mean expires?"),
        ({"supersede-key": "x"}, "5.5.4", "the form has no field supersede-key; did you mean supersede_key?"),
        ({"hedwig_ttl": "x"}, "5.5.4", "the form has no field hedwig_ttl; known are fqdn"),
        ({"email": email(data="Hedwig-Ttl: x\n\n")}, "5.6.0", "Hedwig-Ttl: there is no such header line"),
        ({"email": email(data="Hedwig-Expires: x\n\n")}, "5.6.0", "Hedwig-Expires: 'x' is no time"),
        ({"email": email(data="Hedwig-Expires: 2000-01-01T00:00Z\n\n")}, "5.4.7", "and that has passed"),
    ],
)
def test_what_makes_no_sense_is_400(host: Host, fields: dict[str, str], status: str, says: str) -> None:
    before = len(host.queued())
    answer = post(host, **fields)
    assert (answer.status_code, answer.json()["status"]) == (400, status)
    assert says in answer.json()["error"]
    assert len(host.queued()) == before


def test_fields_of_the_callers_own_are_passed_over(host: Host) -> None:
    assert post(host, submit="Send", csrf_token="x").status_code == 200
    assert post(host, expire="5s", key="wrong").status_code == 401


def test_a_repeat_after_its_deadline_is_a_repeat(host: Host) -> None:
    """I3: the first answer was lost; the second is the same, though the time is over by now."""
    fields = {"id": queueid.new(), "expires": f"{datetime.now(UTC) + timedelta(seconds=1.5):%Y-%m-%dT%H:%M:%S.%fZ}"}
    first = post(host, **fields)
    time.sleep(2)
    again = post(host, **fields)
    assert (again.status_code, again.json()) == (first.status_code, first.json()) == (200, {"id": fields["id"]})


@pytest.mark.parametrize(
    "fields",
    [
        {"key": "wrong"},
        {"key": ""},
        {"fqdn": "more.nankai.example"},
        {"fqdn": ""},
        {"fqdn": "../x"},
        {"email": "[", "key": "x"},
    ],
)
def test_a_stranger_gets_401(host: Host, fields: dict[str, str]) -> None:
    """Unknown name and wrong key look the same, before anything else is looked at."""
    answer = post(host, **fields)
    assert answer.status_code == 401
    assert set(answer.json()) == {"code", "status", "error"}
    assert "hedwig key add" in answer.json()["error"]
    assert KEY not in host.logged()


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Bearer x", "Basic /////w=="])
def test_a_batch_of_a_stranger_is_401(host: Host, header: str) -> None:
    status, told = host.request("POST", "/v1/batch", frame(), {"Authorization": header})
    assert (status, told["code"]) == (401, 401)


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({"email": ""}, 400, "not JSON"),
        ({"email": "[" * 200_000}, 400, "too deeply"),
        ({"email": "null"}, 400, "not a JSON object"),
        ({"email": email(data=7)}, 400, "must be a string"),
        ({"email": email(rcpttos=[])}, 400, "no recipients"),
        ({"email": email(rcpttos=["a@b.example\r\nDATA"])}, 400, "control character"),
        ({"email": email(rcpttos=["a\0@b.example"])}, 400, "control character"),
        ({"email": email(rcpttos=[f"u{n}@b.example" for n in range(100_001)])}, 400, "100001 recipients"),
        ({"email": email(data="x\0y")}, 400, "NUL"),
        ({"email": email(data="\ud800")}, 400, "surrogate"),
        ({"email": email(data="x" * (31 * MIB))}, 413, "larger than"),
        ({"id": "nonsense"}, 400, "id must be"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_bad_form_is_told_what_is_wrong(host: Host, fields: dict[str, str], code: int, says: str) -> None:
    """400 or 413 in JSON, never a 500, and not more than a line in the log."""
    lines = len(host.logged().splitlines())
    answer = post(host, **fields)
    assert answer.status_code == code, answer.text
    assert says in answer.json()["error"]
    assert len(host.logged().splitlines()) <= lines + 1


def raw(host: Host, request: bytes, then: str = "read") -> bytes:
    """Send octets as they are; what comes back until the far side closes."""
    with socket.create_connection(("127.0.0.1", host.port), 30) as connection:
        connection.sendall(request)
        if then == "half-close":
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"Content-Length: abc\r\n", 400),
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length: 99999999999\r\n", 413),
        (b"Transfer-Encoding: gzip\r\n", 501),
        (b"Transfer-Encoding: chunked\r\n", 400),
        (b"X: " + b"x" * 20_000 + b"\r\n", 431),
        (b"no colon\r\n", 400),
    ],
)
def test_bad_http_is_told_in_json(host: Host, head: bytes, code: int) -> None:
    answer = raw(host, b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\nzz\r\n")
    status, _, rest = answer.partition(b"\r\n")
    assert int(status.split()[1]) == code
    told = json.loads(rest.partition(b"\r\n\r\n")[2])
    assert told["code"] == code
    assert told["error"]


def test_a_chunked_request_is_served(host: Host) -> None:
    body = frame()
    status, told = host.request("POST", "/v1/batch", iter([body[:50], body[50:]]), basic())
    assert (status, told["verdicts"][0]["code"]) == (200, 250)


def test_a_body_that_stops_halfway_registers_nothing(host: Host) -> None:
    before = len(host.queued())
    head = f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: {basic()['Authorization']}\r\n"
    body = frame()
    for sent in (body[:-5], body[:20]):
        raw(host, head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + sent, "half-close")
    assert len(host.queued()) == before
    assert host.get("/healthz")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "code"), [("GET", "/", 405), ("POST", "/nix", 404), ("PUT", "/v1/batch", 405)]
)
def test_other_addresses(host: Host, method: str, path: str, code: int) -> None:
    status, told = host.request(method, path)
    assert (status, told["code"]) == (code, code)


def test_a_batch_gets_a_verdict_each(host: Host) -> None:
    """In order, SMTP whole; the good ones are in the spool, with hints; a repeat is 250 again, a conflict 450."""
    ids = [queueid.new() for _ in range(3)]
    body = frame(id=ids[0], rcpttos=["v1@a.example", "v2@b.example"]) + frame(id=ids[1], rcpttos=["no domain"])
    body += frame(id=ids[2], rcpttos=["v3@a.example"])
    status, told = host.batch(body)
    assert status == 200
    assert [(one["id"], one["code"], one["status"]) for one in told["verdicts"]] == [
        (ids[0], 250, "2.0.0"),
        (ids[1], 553, "5.1.3"),
        (ids[2], 250, "2.0.0"),
    ]
    assert told["verdicts"][0]["text"] == f"queued as {ids[0]}"
    assert {"v1@a.example", "v2@b.example", "v3@a.example"} <= set(host.queued())
    assert host.batch(body)[1]["verdicts"] == told["verdicts"]
    (conflict,) = host.batch(frame(b"other\r\n", id=ids[0]))[1]["verdicts"]
    assert (conflict["code"], conflict["status"], conflict["conflict"]) == (450, "4.5.1", True)
    assert host.queued().count("v3@a.example") == 1


def test_a_malformed_batch_registers_nothing(host: Host) -> None:
    before = len(host.queued())
    status, told = host.batch(frame() + b"nonsense\n")
    assert (status, told["code"]) == (400, 400)
    assert "frame 2" in told["error"]
    assert len(host.queued()) == before


def test_a_message_over_the_limit_is_552(host: Host) -> None:
    (verdict,) = host.batch(frame(b"x\r\n" * (11 * MIB)))[1]["verdicts"]
    assert (verdict["code"], verdict["status"]) == (552, "5.3.4")


def test_x_forwarded_for_is_believed_on_the_unix_socket_only(host: Host) -> None:
    curl = ["curl", "-sS", "-o", "/dev/null", "-d", "fqdn=forward.example"]
    for header, peer in (("9.9.9.9, 192.0.2.7", "192.0.2.7"), ("x\ty", "127.0.0.1"), ("", "127.0.0.1")):
        subprocess.run(
            [*curl, "-H", f"X-Forwarded-For: {header}", "--unix-socket", str(host.unix), "http://x/"], check=True
        )
        assert f"from {peer}:" in host.logged().splitlines()[-1]
    subprocess.run([*curl, "-H", "X-Forwarded-For: 192.0.2.8", f"http://127.0.0.1:{host.port}/"], check=True)
    assert "from 127.0.0.1:" in host.logged().splitlines()[-1]
