"""What is done after an answer is done once it has left, whatever becomes of either."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postoffice_host import Host, basic, frame

from hedwig import log
from hedwig.postoffice.afterwards import answered, later


def test_after_the_answer_and_not_before() -> None:
    environ: dict[str, object] = {}
    done: list[str] = []
    later(environ)(lambda: done.append("first"))
    later(environ)(lambda: done.append("second"))
    answer: Any = answered(environ, [b"{}"])
    assert b"".join(answer) == b"{}"
    assert not done
    answer.close()
    assert done == ["first", "second"]


def test_an_answer_with_nothing_to_do_after_it_stays_as_it_is() -> None:
    plain = [b"{}"]
    assert answered({}, plain) is plain


def test_what_fails_is_told_and_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(log, "event", lambda kind, text, *more, **fields: told.append(text))
    environ: dict[str, object] = {}
    done: list[str] = []

    class Closing:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b""])

        def close(self) -> None:
            done.append("closed")

    def fail() -> None:
        raise RuntimeError("oh")

    later(environ)(fail)
    later(environ)(lambda: done.append("next"))
    answer: Any = answered(environ, Closing())
    answer.close()
    assert done == ["next", "closed"]
    assert "after an answer: RuntimeError at test_postoffice_afterwards.py" in told[0]


def test_an_answer_leaves_in_one_piece(tmp_path: Path) -> None:
    """Head and body: who waits for it wakes up once."""
    host = Host(tmp_path)
    try:
        host.start_queue()
        host.start()
        body = frame()
        fields = {"Host": "x", **basic(), "Content-Length": len(body)}
        head = ["POST /v1/batch HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        with socket.create_connection(("127.0.0.1", host.port)) as client:
            client.settimeout(10)
            client.sendall("\r\n".join(head).encode() + body)
            first = client.recv(65536)
    finally:
        host.end()
    head_of, _, content = first.partition(b"\r\n\r\n")
    assert b" 200 OK" in head_of
    assert json.loads(content)["verdicts"][0]["code"] == 250
