"""What postoffice accepts is signed, once, before it is registered; a repeat is known all the same (I3)."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

import pytest
from dkim_rig import keys, signer, verified

from hedwig import queueid
from hedwig.dkim.keys import Key, Keys
from hedwig.envelope import Envelope, digest
from hedwig.postoffice.accept import Acceptance, Gate
from hedwig.postoffice.signing import signed
from hedwig.postoffice.submission import Submission, in_file
from hedwig.settings import Client, Postoffice
from hedwig.spool import Body, Bytes, NewMessage, Outcome, Registered

HEAD = b"From: joe@example.com\r\nSubject: x\r\n\r\n"


class Intake:
    """A spool that takes everything."""

    def __init__(self) -> None:
        self.taken: list[NewMessage] = []

    def register(self, messages: Sequence[NewMessage], *, here: bool = False) -> "Future[list[Registered]]":
        self.taken += messages
        done: Future[list[Registered]] = Future()
        done.set_result([Registered(Outcome.ACCEPTED, ()) for _ in messages])
        return done

    def used(self) -> int:
        return 0

    def sent(self, _now: float) -> tuple[()]:
        return ()

    def seen(self, _client: str, _queue_ids: Sequence[str]) -> dict[str, bytes]:
        return {}


def submission(content: bytes, body: Body | None = None) -> Submission:
    envelope = Envelope("joe@example.com", ("a@b.example",))
    return Submission(queueid.new(), envelope, body or Bytes(content), digest(envelope, [content]))


def acceptance(intake: Intake, found: Keys) -> Acceptance:
    settings = Postoffice(dkim=found)
    return Acceptance(intake, lambda waiting: None, lambda: settings, Gate(2))


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
@pytest.mark.parametrize("held", [True, False], ids=["in memory", "in a file"])
def test_the_spool_gets_signed_letters(size: int, held: bool) -> None:
    """Whole, of the size that is said, and with the digest of what was submitted."""
    content = HEAD + b"one  two \r\n" * (size // 11)
    sent = submission(content, None if held else in_file(content))
    intake = Intake()
    acceptance(intake, keys()).register(Client("host.example"), [sent])
    (message,) = intake.taken
    pieces = list(message.body.pieces())
    whole = b"".join(pieces)
    assert (len(whole), message.digest) == (message.body.size, sent.digest)
    assert whole.endswith(content)
    assert verified(whole) == [True, True]
    assert b"".join(message.body.pieces()) == whole, "it may be read again"
    assert max(map(len, pieces)) <= 1 << 20


def test_without_a_key_nothing_is_read_or_changed() -> None:
    sent = submission(HEAD)
    assert signed(sent, signer("example.org")) is sent
    intake = Intake()
    acceptance(intake, Keys()).register(Client("host.example"), [sent])
    assert intake.taken[0].body is sent.body


def test_a_key_that_fails_accepts_nothing() -> None:
    """No letter goes out unsigned because of it: the request fails, and is a fault of ours (I8)."""

    def fail(octets: bytes) -> bytes:
        raise RuntimeError(f"no signature of {len(octets)} octets")

    broken: Key = replace(next(iter(keys())), sign=fail)
    intake = Intake()
    with pytest.raises(RuntimeError):
        acceptance(intake, Keys({"example.com": (broken,)})).register(Client("host.example"), [submission(HEAD)])
    assert intake.taken == []
