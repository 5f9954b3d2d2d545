"""A constant stream of letters by real msmtp, and the count of what became of them."""

import threading
from collections import Counter

from journey.submit import SAMPLE, Msmtp
from journey.waiting import until

from .outside import Outside

_ROUTES = 2  # that many msmtp run at a time


class Stream:
    """While it is entered each route sends letter after letter, every one to a recipient of its own; `name` keeps
    them apart from other streams'."""

    def __init__(self, name: str, outside: Outside, sender: Msmtp) -> None:
        self._name = name
        self._outside = outside
        self._sender = sender
        self._stopping = threading.Event()
        self._routes: list[threading.Thread] = []
        self.sent: list[str] = []
        self.refused: list[str] = []

    def __enter__(self) -> "Stream":
        for number in range(_ROUTES):
            self._routes.append(threading.Thread(target=self._run, args=(f"{self._name}.{number}",), daemon=True))
            self._routes[-1].start()
        until("the stream to flow", lambda: len(self.sent) >= 10)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for route in self._routes:
            route.join(120)
            assert not route.is_alive(), "an msmtp has hung for two minutes"

    def _run(self, name: str) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            rcptto = f"{name}.{number}@163.com"
            status, said = self._sender.begin(SAMPLE, rcptto).end()
            if status:
                self.refused.append(f"{rcptto}: msmtp ended with {status}:\n{said}")
            else:
                self.sent.append(rcptto)

    def flows_on(self, letters: int = 20) -> None:
        """Wait until so many more letters have been sent."""
        goal = len(self.sent) + letters
        until(f"{letters} more letters to be sent", lambda: len(self.sent) >= goal or self.refused, 60)

    def settle(self, seconds: float = 90) -> Counter[str]:
        """Wait until all that was sent has arrived; how often each recipient got a letter."""
        until("every letter to arrive", lambda: not self._missing(), seconds, 0.2)
        return self._outside.far.copies()

    def _missing(self) -> list[str]:
        copies = self._outside.far.copies()
        return [rcptto for rcptto in self.sent if not copies[rcptto]]

    def must_be_whole(self) -> None:
        """Nothing refused (I10), nothing lost, nothing doubled."""
        assert not self.refused, "\n".join(self.refused)
        copies = self.settle()
        assert [rcptto for rcptto in self.sent if copies[rcptto] != 1] == []
        print(f"{len(self.sent)} letters, each once")
