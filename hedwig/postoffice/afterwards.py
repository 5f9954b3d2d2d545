"""What is done once a request has its answer, for nobody need wait for it: the feeder's notice, lines for the journal.

WSGI's close (PEP 3333) is where: a server calls it when it has sent the answer, and where the client had gone as well.
The feeder's thread and the log would else take turns with the thread that answers, at each of its system calls, for
they share one interpreter lock: that made an answer 0.3 ms later.
"""

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from wsgiref.types import WSGIEnvironment

from hedwig import log

_KEY = "hedwig.afterwards"

Act = Callable[[], None]
Later = Callable[[Act], None]


def at_once(act: Act) -> None:
    """Puts nothing off."""
    act()


def later(environ: WSGIEnvironment) -> Later:
    """Puts off an act until the request of `environ` has its answer."""
    acts: list[Act] = environ.setdefault(_KEY, [])
    return acts.append


def answered(environ: WSGIEnvironment, answer: Iterable[bytes]) -> Iterable[bytes]:
    """`answer`, and then what was put off."""
    acts = environ.get(_KEY)
    return _Answer(answer, acts) if acts else answer


class _Answer:
    """One for WSGI."""

    def __init__(self, answer: Iterable[bytes], acts: Sequence[Act]) -> None:
        self._answer = answer
        self._acts = acts

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        """The answer has left. What goes wrong from here on is no matter of the client's."""
        for act in self._acts:
            try:
                act()
            except Exception as error:  # noqa: BLE001 -- as in app.py: whatever it is, it is our fault (I8)
                frame = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
                text = f"after an answer: {type(error).__name__} at {where}: {error}"
                log.event(log.Matter.FAULT, text, log.Level.ERROR, reason=repr(error))
        close = getattr(self._answer, "close", None)
        if close is not None:
            close()
