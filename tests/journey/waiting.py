"""Waiting for something to become true, up to a deadline, and saying what was missing when it did not.

A deadline here is no measurement: it is far above what a loaded machine needs, so that only a real fault reaches it.
"""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 30.0


class NeverHappened(AssertionError):
    """The deadline passed; the text says what was waited for and what was there instead."""


def until(what: str, probe: Callable[[], T], seconds: float = PATIENCE, pause: float = 0.02) -> T:
    """Call `probe` until it returns something true, and return that. `what` completes "waited for ..."."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NeverHappened(f"waited {seconds:g} s for {what}; there was {found!r}")
        time.sleep(pause)
