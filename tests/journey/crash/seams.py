"""The named points: places in the order of effects at which a daemon can be struck.

They are laid around methods of the running daemon by whoever starts it with a fate (launch.py); hedwig itself knows
nothing of them, so they cost nothing where they are not. A method that is not there any more is an AttributeError at
the start: then a seam must follow what it was about.

    mailman     request.before  answer.before  answer.after  reply.before  and the commits of its spool:
                register (a letter is kept)  claim, settle (the backlog)
    postoffice  register, large, history (commits)  notice.before  hint.before  hint.after  answer.before
    worker      hint.taken  claim (commit)  done.before  data.before  mark.before  mark.after  dot.after
                settle.before  settle (commit)  free (commit: the claims of a dead worker)

Each commit has two: NAME.before-commit, where all is written but nothing is durable, and NAME.after-commit, where it is
and nobody has been told. dot.after: the dot is with the kernel, no reply has come. settle.before: the reply is here.
"""

import functools
import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from .fate import Fate

# What the writer's functions are called here.
_COMMITS = {
    "_register": "register",
    "take_claims": "claim",
    "_settle": "settle",
    "free": "free",
    "_forget": "history",
    "_begin": "large",
    "_write_lots": "large",
    "_end": "large",
}
_BOTH = (".before-commit", ".after-commit")


def _commits(*names: str) -> tuple[str, ...]:
    return tuple(name + side for name in names for side in _BOTH)


POINTS = {
    "mailman": (
        *("request.before", "answer.before", "answer.after", "reply.before"),
        *_commits("register", "claim", "settle"),
    ),
    "postoffice": (
        *_commits("register", "large", "history"),
        *("notice.before", "hint.before", "hint.after", "answer.before"),
    ),
    "worker": (
        *("hint.taken", *_commits("claim"), "done.before", "data.before", "mark.before", "mark.after", "dot.after"),
        *("settle.before", *_commits("settle", "free")),
    ),
}


class Trap:
    """Counts the passings of the fated point, in any thread, and strikes."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self._left = fate.passing
        self._lock = threading.Lock()

    def passing(self, point: str) -> None:
        """The process is at `point` now."""
        if point != self._fate.point:
            return
        with self._lock:
            self._left -= 1
            strikes = self._left == 0
        if strikes:
            os.write(2, f"crash test: {self._fate}\n".encode())
            os.kill(os.getpid(), self._fate.act.signal)


def install(daemon: str, fate: Fate) -> None:
    """Lay the points of this daemon around its methods. Before its main runs."""
    if fate.point not in POINTS[daemon]:
        raise ValueError(f"{daemon} has no point {fate.point}")
    trap = Trap(fate)
    _lay_around_commits(trap)
    {"mailman": _mailman, "postoffice": _postoffice, "worker": _worker}[daemon](trap)


def _around(
    trap: Trap,
    owner: type,
    name: str,
    before: str = "",
    after: str = "",
    when: Callable[..., bool] = lambda *arguments: True,
) -> None:
    """Pass `before` and `after` where `when` says so of the call's arguments; an empty list passes nothing."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        counts = when(*arguments)
        if before and counts:
            trap.passing(before)
        result = original(*arguments, **named)
        if after and counts and result != []:
            trap.passing(after)
        return result

    setattr(owner, name, wrapped)


def _lay_around_commits(trap: Trap) -> None:
    """COMMIT is said by the writer's connection; which transaction it ends the writer's batch tells."""
    from hedwig.spool.job import Job
    from hedwig.spool.writer import Writer

    names: set[str] = set()
    writing: set[int] = set()  # the thread that does, the writer's own or one that came with a job
    committing = Writer._commit

    def commit(writer: Writer, batch: list[Job]) -> None:
        names.clear()
        written = {getattr(job.write, "__name__", "") for job in batch}
        names.update(_COMMITS[name] for name in written & _COMMITS.keys())
        writing.add(threading.get_ident())
        try:
            committing(writer, batch)
        finally:
            writing.clear()
            names.clear()

    class Connection(sqlite3.Connection):
        """One that passes the points around a COMMIT of the writer's thread."""

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            ends = sql == "COMMIT" and threading.get_ident() in writing
            for name in sorted(names) if ends else ():
                trap.passing(f"{name}.before-commit")
            cursor = super().execute(sql, *values)
            for name in sorted(names) if ends else ():
                trap.passing(f"{name}.after-commit")
            return cursor

    setattr(Writer, "_commit", commit)  # noqa: B010  mypy forbids to assign to a method
    setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Connection))  # noqa: B010


def _mailman(trap: Trap) -> None:
    from hedwig.mailman.client import PostofficeClient
    from hedwig.mailman.connection import _Line
    from hedwig.mailman.forwarder import Forwarder

    _around(trap, PostofficeClient, "send", "request.before", "answer.after")
    _around(trap, _Line, "has_left", after="answer.before")
    submitting = Forwarder.submit

    async def submit(forwarder: Forwarder, submission: Any) -> Any:
        reply = await submitting(forwarder, submission)
        trap.passing("reply.before")
        return reply

    setattr(Forwarder, "submit", submit)  # noqa: B010


def _postoffice(trap: Trap) -> None:
    from hedwig.postoffice.accept import Acceptance
    from hedwig.postoffice.feeder import Feeder
    from hedwig.queue.beanstalk import Beanstalk

    _around(trap, Feeder, "notice", "notice.before")
    _around(trap, Beanstalk, "put", "hint.before", "hint.after", lambda queue, hints, *rest: bool(hints))
    _around(trap, Acceptance, "register", after="answer.before")


def _worker(trap: Trap) -> None:
    from hedwig.queue.beanstalk import Beanstalk
    from hedwig.smtp.channel import Channel
    from hedwig.spool import Kind
    from hedwig.worker.dots import DotMarks
    from hedwig.worker.settle import Settler

    def delivered(settler: Settler, ending: Any) -> bool:
        return any(line.kind is Kind.DELIVERED for line in ending.conclusion.lines)

    _around(trap, Beanstalk, "reserve", after="hint.taken")
    _around(trap, Beanstalk, "done", "done.before", when=lambda queue, hints: bool(hints))
    _around(trap, Channel, "say", "data.before", when=lambda channel, commands, *shown: b"DATA\r\n" in commands)
    _around(trap, DotMarks, "mark", "mark.before", "mark.after")
    _around(trap, Settler, "add", "settle.before", when=delivered)
    _lay_after_the_dot(trap, Channel)


def _lay_after_the_dot(trap: Trap, channel_class: Any) -> None:
    """uvloop hands octets to the kernel in a later turn of its loop: only then the dot is out."""
    import asyncio

    from hedwig.smtp.states import State

    sending = channel_class.dot_sent

    def dot_sent(channel: Any) -> None:
        sending(channel)
        asyncio.get_running_loop().call_soon(once_out, channel)

    def once_out(channel: Any) -> None:
        if channel.closed or channel.transport is None or channel.session.state is not State.DOT:
            return
        if channel.transport.get_write_buffer_size():
            asyncio.get_running_loop().call_soon(once_out, channel)
        else:
            trap.passing("dot.after")

    channel_class.dot_sent = dot_sent
