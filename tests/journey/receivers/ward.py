"""A ward: one host for all the receivers of a module, each with its trouble and a domain of its own.

`Case` is one receiver and one letter to it. What it says of the letter is what people see: what arrived at the far
side, what `hedwig queue show` tells, what the sender got back.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from click.testing import CliRunner

from hedwig.cli.hedwig import main
from hedwig.spool.desk import SqliteDesk, open_desk
from hedwig.spool.operate import Filter

from .. import reports
from ..farside import FarSide, Rule
from ..submit import SAMPLE, Post
from ..waiting import until
from ..world import HOME, World, mx

LETTER = SAMPLE.replace(b"\n", b"\r\n")
ROOM = range(10, 120)  # the last octets of the receivers' addresses; others are a module's own


def domain_at(number: int) -> str:
    """The domain whose only exchanger is 192.0.2.`number`."""
    return f"r{number}.example"


class Ward:
    """`more`: records of other domains. `settings`: as Host takes them; each failure has its own report here."""

    def __init__(self, world: World, more: Iterable[str] = (), **settings: Any) -> None:
        self.world = world
        self._numbers = iter(ROOM)
        world.dns(*(mx(domain_at(number), f"192.0.2.{number}") for number in ROOM), *more)
        self.home = world.far(HOME)
        settings["worker"] = {"reports_per_hour": 1000} | (settings.get("worker") or {})
        self.host = world.host(**settings).start("beanstalkd", "postoffice", "worker-1")

    def place(self) -> tuple[str, str]:
        """A domain and its exchanger's address, where nobody listens yet."""
        number = next(self._numbers)
        return domain_at(number), f"192.0.2.{number}"

    def case(self, *rules: Rule, **details: Any) -> "Case":
        """A receiver with these rules, and a letter to somebody there."""
        domain, address = self.place()
        users = details.pop("users", ("user",))
        content = details.pop("content", LETTER)
        return Case(self, self.world.far(address, *rules, **details), domain, users, content)

    def deaf(self, address: str) -> None:
        """Have nobody there who answers at all: with a full queue of connections the kernel drops what asks for one."""
        listener = socket.create_server((address, 25), backlog=0)
        asking = [socket.socket() for _ in range(4)]
        for each in asking:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        for each in (listener, *asking):
            self.world.at_end(each.close)

    @cached_property
    def _desk(self) -> SqliteDesk:
        desk = open_desk(str(self.host.spool))
        self.world.at_end(desk.close)
        return desk

    def send(self, content: bytes, *rcpttos: str, **more: Any) -> str:
        """Hand in a letter; its queue ID."""
        return self.host.http.batch([Post(rcpttos, content, **more)])[0]

    def waiting(self) -> set[str]:
        """The recipients that wait, as `hedwig queue` has them; asked here without the command's start."""
        rows, _ = self._desk.listed(Filter(), 10_000)
        return {row.rcptto for row in rows}

    def kinds(self, queue_id: str, rcptto: str) -> list[str]:
        """What happened to one recipient, in a word each: "deferred", "in_doubt", "delivered" ..."""
        return [line.kind.value for line in self._desk.histories([queue_id])[queue_id] if line.rcptto == rcptto]

    def history(self, queue_id: str) -> str:
        """What `hedwig queue show` tells of a letter, in one line. The command runs in here: hundreds of times, a start
        of its own would cost a minute."""
        shown = CliRunner().invoke(main, ["--config-dir", str(self.host.config), "queue", "show", queue_id])
        assert shown.exit_code == 0, shown.output
        return " ".join(shown.output.split())

    def bounce(self, rcptto: str) -> reports.Report:
        """The report to the sender that this recipient failed; there must be one alone."""

        def found() -> list[reports.Report]:
            read = [reports.read(letter) for letter in self.home.accepted()]
            return [report for report in read if rcptto in report.failed]

        [report] = until(f"the bounce for {rcptto}", found)
        return report


@dataclass
class Case:
    """One receiver, and one letter to `users` there. Without `content` none is sent yet."""

    ward: Ward
    far: FarSide
    domain: str
    users: tuple[str, ...]
    content: bytes
    queue_id: str = ""

    def __post_init__(self) -> None:
        if self.content:
            self.send(self.content)

    @property
    def rcpttos(self) -> tuple[str, ...]:
        """The letter's recipients."""
        return tuple(f"{user}@{self.domain}" for user in self.users)

    def send(self, content: bytes, **more: Any) -> None:
        """Hand in the letter."""
        self.queue_id = self.ward.send(content, *self.rcpttos, **more)

    def history(self) -> str:
        """See Ward."""
        return self.ward.history(self.queue_id)

    def met(self, *kinds: str) -> None:
        """Wait until all of these have happened to each recipient."""
        for rcptto in self.rcpttos:
            until(
                f"{', '.join(kinds)} of {rcptto}",
                lambda rcptto=rcptto: not set(kinds) - set(self.ward.kinds(self.queue_id, rcptto)),
            )

    def deferred(self, *words: str) -> None:
        """It waits, or has waited, and `hedwig queue show` gives the reason in these words."""
        self.met("deferred")
        said = self.history()
        assert "deferred" in said
        for word in words:
            assert word in said, f"{word!r} is not in {said}"

    def delivered(self) -> None:
        """All recipients have got it, and once; nothing waits, nothing was in doubt, nobody was bothered."""
        self.met("delivered")
        assert self.far.copies() == dict.fromkeys(self.rcpttos, 1)
        assert not self.ward.waiting() & set(self.rcpttos)
        assert not {kind for rcptto in self.rcpttos for kind in self.ward.kinds(self.queue_id, rcptto)} & {
            "failed",
            "in_doubt",
            "bounced",
        }

    def delivered_at_once(self) -> None:
        """As `delivered`, at the first try."""
        self.delivered()
        assert [self.ward.kinds(self.queue_id, rcptto) for rcptto in self.rcpttos] == [["delivered"]] * len(self.users)

    def bounced(self, status: str, *words: str) -> None:
        """Each recipient has failed at the first try; the sender was told so with these words, and nobody got it."""
        for rcptto in self.rcpttos:
            report = self.ward.bounce(rcptto)
            assert report.failed[rcptto] == status
            said = " ".join(report.text.split())
            for word in words:
                assert word in said, f"{word!r} is not in {said}"
        assert not self.far.copies()
        assert not self.ward.waiting() & set(self.rcpttos)
        assert "failed" in self.history()
