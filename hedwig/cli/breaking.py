"""Ctrl-C in the midst of long work: the step under way is ended first, so that all that is done can be said."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Breaking:
    """Around the work; `step` around each step. KeyboardInterrupt comes behind a step, or at once between two; whoever
    presses Ctrl-C a second time has it at once."""

    def __init__(self) -> None:
        self._in_step = False
        self._asked = False

    @contextmanager
    def work(self) -> Iterator[None]:
        """All of it."""
        before = signal.signal(signal.SIGINT, self._told)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextmanager
    def step(self) -> Iterator[None]:
        """What is ended first."""
        self._in_step = True
        try:
            yield
        finally:
            self._in_step = False
        if self._asked:
            raise KeyboardInterrupt

    def _told(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked or not self._in_step:
            raise KeyboardInterrupt
        self._asked = True
