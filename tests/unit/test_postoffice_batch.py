"""The frames of /v1/batch: malformed ones spoil the whole, unacceptable ones only themselves; bytes stay bytes."""

import io
import json
import tempfile
from collections.abc import Callable
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postoffice_host import LETTER, frame

from hedwig import queueid
from hedwig.envelope import digest
from hedwig.options import PLAIN, Options, Priority, Submitter
from hedwig.postoffice.batch import Frame, frames
from hedwig.postoffice.refusal import Refusal
from hedwig.postoffice.submission import InFile, Submission, fault_of
from hedwig.reply import Reply
from hedwig.settings import MIB, Postoffice

SETTINGS = Postoffice()


def never() -> None:
    """For what takes little memory."""
    raise AssertionError("it should not wait for its turn")


def parse(body: bytes, settings: Postoffice = SETTINGS, turn: Callable[[], None] = never) -> list[Frame]:
    return frames(io.BytesIO(body), settings, turn)


def only(body: bytes, settings: Postoffice = SETTINGS, turn: Callable[[], None] = never) -> Submission:
    (found,) = parse(body, settings, turn)
    assert isinstance(found.content, Submission), found
    return found.content


def refusal(body: bytes, settings: Postoffice = SETTINGS) -> Reply:
    (found,) = parse(body, settings)
    assert isinstance(found.content, Reply), found
    return found.content


def test_a_message_comes_out_as_it_went_in() -> None:
    queue_id = queueid.new()
    found = only(frame(id=queue_id, accepted_at=5.5, smtputf8=True, future_option={"x": 1}))
    assert (found.queue_id, found.accepted_at, found.smtputf8) == (queue_id, 5.5, True)
    assert found.envelope.rcpttos == ("b@163.example",)
    assert b"".join(found.body.pieces()) == LETTER
    assert found.digest == digest(found.envelope, [LETTER])


@pytest.mark.parametrize("line", [b"Hedwig-Expires: 1s", b"hedwig_PRIORITY: bulk", b"HEDWIG-x"])
def test_a_wish_in_the_header_is_told_where_it_belongs(line: bytes) -> None:
    """It would be sent on, and mean nothing; below the header it is text."""
    for above in (b"", b"From: a@b.example\r\nSubject: x\r\n folded\r\n"):
        reply = refusal(frame(above + line + b"\r\n\r\nbody\r\n"))
        assert reply.code == 554
        assert "belongs into the frame's options" in str(reply)
    only(frame(b"Subject: x\r\n\r\n" + line + b"\r\n"))
    only(frame(b"Subject: x\r\n " + line + b"\r\nX-" + line + b"\r\n\r\n"))


def test_what_it_asks_for_and_who_handed_it_in_come_along() -> None:
    options = Options(deadline=5.5, supersede="otp", priority=Priority.BULK, ret="HDRS", envid="a b")
    submitter = Submitter("172.17.0.2", "web", "nginx", "shop")
    found = only(
        frame(
            options=json.loads(options.packed()) | {"colour": "blue"},
            message_id="<1@b>",
            submitter=json.loads(submitter.packed()) | {"pod": 1},
            sent_at=7,
        )
    )
    assert (found.options, found.message_id, found.submitter) == (options, "<1@b>", submitter.packed())
    assert (found.sent_at, found.accepted_at) == (7.0, None)


def test_an_older_mailman_tells_nothing_of_it() -> None:
    """The Message-ID is then looked for in the message, whether it is in memory or not."""
    letter = b"Subject: x\r\nMessage-ID:\r\n <1@b>\r\n\r\n"
    for lines in (1, 400_000):
        found = only(frame(letter + b"x\r\n" * lines))
        assert found.options is PLAIN
        assert (found.message_id, found.submitter, found.sent_at) == ("<1@b>", "", None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "options must be a JSON object"),
        ("urgent", "options must be a JSON object"),
        ({"deadline": "soon"}, "deadline must be Unix seconds"),
        ({"deadline": 1e400}, "deadline must be Unix seconds"),
        ({"priority": "high"}, "priority must be urgent, normal or bulk"),
        ({"notify": [["b@163.example", ["OFTEN"], ""]]}, "each of notify must be"),
    ],
)
def test_a_bad_option_is_that_messages_own_refusal(options: object, words: str) -> None:
    """Nothing is ignored; and the other messages of the batch are none the worse."""
    bad, good = parse(frame(options=options) + frame())
    assert isinstance(bad.content, Reply)
    assert (bad.content.code, bad.content.status) == (554, "5.5.4")
    assert words in bad.content.text
    assert isinstance(good.content, Submission)


def test_a_key_with_too_many_recipients_is_that_messages_own_refusal() -> None:
    many = [f"r{number}@x.example" for number in range(1001)]
    bad, good = parse(frame(rcpttos=many, options={"supersede": "otp"}) + frame(rcpttos=many))
    assert isinstance(bad.content, Reply)
    assert str(bad.content) == "554 5.5.4 a letter with a supersede key has up to 1000 recipients, not 1001"
    assert isinstance(good.content, Submission)


@pytest.mark.parametrize(
    "told",
    [
        {"submitter": "172.17.0.2"},
        {"submitter": {"peer": 5}},
        {"submitter": {"container": "a\nb"}},
        {"submitter": None},
        {"message_id": 5},
        {"message_id": "a\nb"},
        {"message_id": "<" + "x" * 500 + ">"},
        {"sent_at": "now"},
        {"sent_at": float("nan")},
        {"sent_at": 10**400},
        {"sent_at": True},
        {"accepted_at": float("inf")},
        {"accepted_at": 10**400},
    ],
)
def test_what_only_tells_costs_no_letter(told: dict[str, object]) -> None:
    """It is left out where it can't be read."""
    found = only(frame(**told))
    assert (found.submitter, found.sent_at, found.accepted_at) == ("", None, None)
    assert found.message_id == ""


def test_several_messages_in_order() -> None:
    ids = [queueid.new() for _ in range(100)]
    assert [found.queue_id for found in parse(b"".join(frame(id=queue_id) for queue_id in ids))] == ids


def test_nothing_is_no_message() -> None:
    assert parse(b"") == []


def test_an_address_that_needs_smtputf8_says_so() -> None:
    assert only(frame(rcpttos=["用户@163.example"])).smtputf8
    assert not only(frame(rcpttos=["b@例子.example"])).smtputf8


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"x", "no end"),
        (b"{}" + b" " * (4 * MIB) + b"\n", "no end, or is longer"),
        (b"nonsense\n", "not JSON"),
        (b"\xff\n", "not JSON"),
        (b"[" * 100_000 + b"\n", "not JSON"),
        (b"[]\n", "not a JSON object"),
        (frame(id="../../etc/passwd"), "id must be"),
        (frame(id=queueid.new().lower()), "id must be"),
        (frame(id=7), "id must be"),
        (frame(mailfrom=None), "mailfrom must be"),
        (frame(rcpttos=[]).replace(b"[]", b'"a@b.example"'), "rcpttos must be"),
        (frame(size=-1), "size must be"),
        (frame(size=True), "size must be"),
        (frame(size="3"), "size must be"),
        (frame(size=len(LETTER) + 1), "ends before"),
        (frame(size=len(LETTER) - 1), "frame 2: .*the size of the frame before was wrong"),
        (frame(size=2 * MIB), "ends before"),
        (frame(accepted_at="now"), "accepted_at"),
        (frame() + frame(size=99999), "frame 2"),
    ],
)
def test_a_malformed_frame_spoils_the_whole(body: bytes, says: str) -> None:
    with pytest.raises(Refusal, match=says) as caught:
        parse(body, turn=list)
    assert caught.value.code == 400


@pytest.mark.parametrize(
    ("fields", "code", "status", "says"),
    [
        ({"rcpttos": []}, 554, "5.5.1", "no recipients"),
        ({"rcpttos": ["a@b.example"] * 11}, 554, "5.5.3", "11 recipients; 10"),
        ({"rcpttos": ["a\r\nRCPT TO:<x@y.example>@b.example"]}, 553, "5.1.3", "control character"),
        ({"rcpttos": ["a\0@b.example"]}, 553, "5.1.3", "control character"),
        ({"rcpttos": ["nodomain"]}, 553, "5.1.3", "no domain"),
        ({"rcpttos": [""]}, 553, "5.1.3", "no domain"),
        ({"rcpttos": ["<a@b.example>"]}, 553, "5.1.3", "malformed"),
        ({"mailfrom": "x\n@b.example"}, 553, "5.1.7", "control character"),
        ({"mailfrom": "\ud800@b.example"}, 553, "5.1.7", "control character"),
        ({"content": b"a\nb\r\n"}, 554, "5.6.0", "bare LF"),
        ({"content": b"a\rb\r\n"}, 554, "5.6.0", "bare CR"),
        ({"content": b"a\0b\r\n"}, 554, "5.6.0", "NUL"),
        ({"content": b"x" * 1001}, 552, "5.3.4", "1001 octets; messages of up to 1000"),
    ],
)
def test_an_unacceptable_message_has_a_verdict_of_its_own(
    fields: dict[str, Any], code: int, status: str, says: str
) -> None:
    """The one after it is taken all the same; the sentence holds no control character (I11)."""
    settings = Postoffice(max_size=1000, max_recipients=10)
    found = parse(frame(**fields) + frame(), settings)
    assert isinstance(found[0].content, Reply)
    assert (found[0].content.code, found[0].content.enhanced) == (code, status)
    assert says in found[0].content.text
    assert found[0].content.text.isprintable()
    assert isinstance(found[1].content, Submission)


def test_the_null_sender_is_a_sender() -> None:
    assert only(frame(mailfrom="")).envelope.mailfrom == ""


@pytest.mark.parametrize("body", [frame() * 101, frame(b"x" * MIB) * 3])
def test_too_many_together_are_413(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        parse(body)
    assert caught.value.code == 413


def in_file(content: bytes) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 -- the caller closes it
    file.write(content)
    file.seek(0)
    return file


def test_a_large_message_stays_in_its_file() -> None:
    """It is read by a descriptor of its own: the request's file may be closed before."""
    content = b"0123456\r\n" * 400_000
    with in_file(frame(content)) as stream:
        (found,) = frames(stream, SETTINGS, never)
    assert isinstance(found.content, Submission)
    assert isinstance(found.content.body, InFile)
    for _ in range(2):
        pieces = list(found.content.body.pieces())
        assert b"".join(pieces) == content
        assert max(map(len, pieces)) <= MIB
    with in_file(frame(content)[:-1]) as stream, pytest.raises(Refusal):
        frames(stream, SETTINGS, never)


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x", b"\0"]), max_size=12), st.integers(1, 5))
def test_faults_are_found_across_pieces(tokens: list[bytes], size: int) -> None:
    """A CRLF that two pieces share is no fault; a bare CR or LF is one wherever it stands (I6)."""
    content = b"".join(tokens)
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    rest = content.replace(b"\r\n", b"")
    assert bool(fault_of(pieces)) == any(octet in rest for octet in (b"\r", b"\n", b"\0"))


def test_json_of_a_frame_may_be_any_utf8() -> None:
    head = json.dumps(
        {"id": queueid.new(), "mailfrom": "", "rcpttos": ["用户@163.example"], "size": 0}, ensure_ascii=False
    )
    assert only(head.encode() + b"\n").envelope.rcpttos == ("用户@163.example",)


def test_the_addresses_of_a_batch_are_bounded_together() -> None:
    """One authenticated request must not put ten million recipients into memory."""
    many = [f"r{number:05}@a-rather-long-name-of-a-domain-somewhere.example" for number in range(15_000)]
    with pytest.raises(Refusal, match="more than 4 MiB of addresses in one batch") as caught:
        parse(frame(rcpttos=many) * 5, turn=list)
    assert caught.value.code == 413


def test_the_recipients_of_a_batch_are_bounded_together() -> None:
    """Short addresses too; a message that has them all to itself is bounded by max_recipients alone."""
    many = [f"{number}@a.b" for number in range(50_001)]
    with pytest.raises(Refusal, match="more than 100000 recipients in one batch") as caught:
        parse(frame(rcpttos=many) * 2, turn=list)
    assert caught.value.code == 413
    assert len(parse(frame(rcpttos=many[:50_000]) * 2, turn=list)) == 2
    assert len(only(frame(rcpttos=many * 3), Postoffice(max_recipients=200_000), list).envelope.rcpttos) == 150_003


def test_what_takes_much_memory_waits_for_its_turn_once() -> None:
    """Before it is parsed; and who may not wait any more is told so."""
    many = frame(rcpttos=[f"r{number:05}@163.example" for number in range(25_000)])
    turns: list[None] = []
    assert len(parse(many * 4, turn=lambda: turns.append(None))) == 4
    assert len(turns) == 1
    assert len(parse(many)) == 1, "half a MiB of addresses is not much"

    def busy() -> None:
        raise Refusal(503, "4.3.2", "too many")

    with pytest.raises(Refusal, match="too many"):
        parse(many * 2 + b"not even JSON", turn=busy)
