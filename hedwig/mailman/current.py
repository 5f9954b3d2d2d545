"""The HTTP client of a thread, as the settings want it now: a reload brings another URL or key.

`get` and `close` are for the thread that sends. Others may end what it hangs in: `give_up` the request in flight, `end`
all for good, whichever client comes.
"""

import threading
from collections.abc import Callable

from hedwig.mailman.client import PostofficeClient
from hedwig.mailman.link import Link


class CurrentClient:
    """Made when it is first asked for, by `make`."""

    def __init__(self, make: Callable[[], PostofficeClient], link: Link) -> None:
        self._make = make
        self._link = link
        self._lock = threading.Lock()
        self._generation = -1
        self._client: PostofficeClient | None = None
        self._ended = False

    def get(self) -> PostofficeClient:
        """The client; a new one where the settings have changed."""
        with self._lock:
            generation = self._link.generation
            if self._client is None or generation != self._generation:
                if self._client is not None:
                    self._client.close()
                self._client, self._generation = self._make(), generation
            if self._ended:
                self._client.end()
            return self._client

    def give_up(self) -> None:
        """End the request in flight, if there is one."""
        with self._lock:
            if self._client is not None:
                self._client.give_up()

    def end(self) -> None:
        """End the request in flight; what is sent from now on ends at once."""
        with self._lock:
            self._ended = True
            if self._client is not None:
                self._client.end()

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            if self._client is not None:
                self._client.close()
