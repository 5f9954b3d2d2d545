"""The operator's command over a real spool of its own, and ways to fill that."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from hedwig import queueid
from hedwig.cli.hedwig import main
from hedwig.envelope import Envelope, digest
from hedwig.reply import Reply, Stage
from hedwig.spool import (
    Bytes,
    Claim,
    Event,
    Kind,
    NewMessage,
    RecipientResult,
    Settled,
    Settlement,
    State,
)
from hedwig.spool.sqlite import SqliteSpool, open_spool

CLIENT = "less.nankai.edu.cn"
SENDER = "sender@robot.genee.cn"
BODY = b"Subject: x\r\n\r\nHello\r\n"
OWNER = "host/1"


Hedwig = Callable[..., Result]


def hedwig_in(directory: Path) -> Hedwig:
    """`hedwig` in this CONFIGDIR: its arguments; `status` that it ends with; `answer`: what is typed; `env`: beside the
    environment."""

    def call(*arguments: str, status: int = 0, answer: str | None = None, env: dict[str, str] | None = None) -> Result:
        runner = CliRunner(mix_stderr=False, env=env)
        result = runner.invoke(main, ["--config-dir", str(directory), *arguments], input=answer)
        assert result.exit_code == status, (result.stdout, result.stderr, result.exception)
        return result

    return call


class Cli:
    """`hedwig` in a CONFIGDIR at `directory`, with the postoffice's spool and its writing side beside it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "postoffice" / "spool.db"
        self.path.parent.mkdir()
        for daemon in ("postoffice", "worker"):
            (directory / f"{daemon}.yml").write_text(f"spool: {self.path}\n")
        (directory / "clients.d").mkdir()
        self.spool: SqliteSpool = open_spool(str(self.path))

    def __call__(self, *arguments: str, status: int = 0) -> Result:
        """Run it, and see that it ends with this status."""
        return hedwig_in(self.directory)(*arguments, status=status)

    def client(self, fqdn: str) -> None:
        """A host that has a key."""
        (self.directory / "clients.d" / f"{fqdn}.yml").write_text(f"key: ['sha256:{'0' * 64}']\n")

    def put(self, *rcpttos: str, mailfrom: str = SENDER, body: bytes = BODY, **other: Any) -> str:
        """A message; its queue ID."""
        envelope, now, queue_id = Envelope(mailfrom, rcpttos), time.time(), str(other.pop("queue_id", queueid.new()))
        fields: dict[str, Any] = {
            "client": CLIENT,
            "accepted_at": now - 60,
            "expires_at": now + 86400,
            "parts": envelope.by_destination(),
        }
        content = Bytes(body)
        fields |= other
        message = NewMessage(
            queue_id=queue_id, envelope=envelope, body=content, digest=digest(envelope, content.pieces()), **fields
        )
        self.spool.register([message]).result(30)
        return queue_id

    def claim(self, limit: int = 100) -> list[Claim]:
        """What is due, as a worker that lives."""
        now = time.time()
        due = [
            one for stream in self.spool.streams(now, None) for one in self.spool.due(stream.destination, now, limit)
        ]
        numbers = sorted({one.delivery for one in due})
        return self.spool.claim(numbers[:limit], OWNER, now).result(30)

    def settle(self, claim: Claim, state: State | None = None, reply: str = "451 4.7.1 greylisted") -> Settled:
        """End a claim: handed back, or all of its recipients alike."""
        now = time.time()
        said = Reply.parse(int(reply[:3]), reply[4:])
        kind = Kind.DELIVERED if state is State.DONE else Kind.DEFERRED
        whom = claim.recipients if state else ()
        results = tuple(RecipientResult(one.number, state, reply, now + 600) for one in whom if state)
        events = tuple(Event(now, kind, one.address, Stage.RCPT, said, "mx1.example") for one in whom)
        [settled] = self.spool.settle([Settlement(claim.delivery, claim.token, results, events)]).result(30)
        return settled

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it, for as long as a test may."""
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def close(self) -> None:
        """End the spool's threads."""
        self.spool.close()
