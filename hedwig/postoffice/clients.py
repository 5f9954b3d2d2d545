"""Who may hand in mail: the files clients.d/FQDN.yml, read again as soon as they change.

Promises: a key that was added works at once, one that was revoked ends within half a second. A file that can't be read
is reported once, and the last good one stays. A name from a request never becomes a path: the table is built by
listing the directory (I11). An unknown name and a wrong key look the same and take the same time.

Keys are random, so a plain SHA-256 keeps them: "sha256:" and 64 hexadecimal digits, as `hedwig key add` writes them.
A key that was right until it expired is KeyExpired: who has it may hear what happened to it.
"""

import hashlib
import hmac
import ipaddress
import os
import threading
import time
from collections.abc import Callable
from functools import lru_cache

from hedwig import log
from hedwig.config import ConfigError
from hedwig.moments import utc
from hedwig.settings import Client, ClientKey

FRESH = 0.5  # seconds for which the directory is not listed again
_COMPARED = 8  # every check compares as many hashes, whether the name is known or not
_NO_KEY = ClientKey("sha256:" + "0" * 64)

_Mark = tuple[int, int, int]


class KeyExpired(Exception):
    """This key of the client's is over; str(error) says where that stands."""

    def __init__(self, client: Client, key: ClientKey) -> None:
        super().__init__(
            f"this key of {client.fqdn} was valid until {utc(key.expires)} "
            f"(clients.d/{client.fqdn}.yml line {key.line}): "
            f"run `hedwig key add {client.fqdn}` on the postoffice host, use its lines"
        )
        self.fqdn = client.fqdn


class Clients:
    """The table of clients; for many threads. `unix`: the time by which keys expire."""

    def __init__(
        self,
        directory: str,
        load: Callable[[str], Client],
        clock: Callable[[], float] = time.monotonic,
        unix: Callable[[], float] = time.time,
    ) -> None:
        self._unix = unix
        self._directory = directory
        self._load = load
        self._clock = clock
        self._lock = threading.Lock()
        self._marks: dict[str, _Mark] = {}
        self._by_file: dict[str, Client] = {}
        self._by_name: dict[str, Client] = {}
        self._broken: set[str] = set()
        self._trouble = ""
        self._was_read = False
        self._read_at = float("-inf")
        self._refresh(0)

    @property
    def unread(self) -> str:
        """Why the folder could never be read, or "": then nobody's key is wrong, the fault is ours (I8). A folder that
        is not there yet is no fault: no host has a key."""
        return "" if self._was_read else self._trouble

    def known(self, fqdn: str, key: str) -> Client | None:
        """The client where `key` is one of its keys, else None. KeyExpired where it was one."""
        self._refresh(FRESH)
        name = fqdn.lower()
        digest = "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        client = self._by_name.get(name)
        found = _matching(client, digest)
        if found is None or 0 < found.expires <= self._unix():
            self._refresh(0)  # it may have been added just now, or given more time
            client = self._by_name.get(name)
            found = _matching(client, digest)
        if client is None or found is None:
            return None
        if found.expires and found.expires <= self._unix():
            raise KeyExpired(client, found)
        return client

    def _refresh(self, fresh: float) -> None:
        if fresh and self._clock() - self._read_at < fresh:
            return
        with self._lock:
            self._read()
            self._read_at = self._clock()

    def _read(self) -> None:
        try:
            with os.scandir(self._directory) as entries:
                found = {
                    entry.name: entry.stat()
                    for entry in entries
                    if entry.name.endswith(".yml") and not entry.name.startswith(".")
                }
            trouble = ""
        except OSError as error:
            found, trouble = {}, f"{self._directory} can't be read: {error.strerror}"
            if isinstance(error, FileNotFoundError) and not self._by_file:
                trouble = ""
                if not self._was_read:
                    log.say(
                        log.Level.NOTICE, f"no host has a key yet, {self._directory} is missing: hedwig key add FQDN"
                    )
        if trouble != self._trouble and trouble:
            kept = "the keys stay as they were" if self._was_read else "no host can hand in mail"
            log.event(log.Matter.CONFIG_BROKEN, f"{trouble}: {kept}", log.Level.ERROR, file=self._directory)
        self._trouble = trouble
        if trouble:
            return
        self._was_read = True
        marks = {name: (status.st_mtime_ns, status.st_size, status.st_ino) for name, status in found.items()}
        if marks == self._marks:
            return
        files = {name: client for name, client in self._by_file.items() if name in marks}
        for name in sorted(marks):
            if marks[name] != self._marks.get(name):
                self._read_file(name, files)
        self._marks, self._by_file = marks, files
        self._broken = {name.lower().removesuffix(".yml") for name in marks if name not in files}
        self._by_name = {client.fqdn.lower(): client for client in files.values()}

    def is_broken(self, fqdn: str) -> bool:
        """Whether there is such a client, whose file can't be used: a fault of ours (I8)."""
        return fqdn.lower() in self._broken

    def _read_file(self, name: str, files: dict[str, Client]) -> None:
        path = os.path.join(self._directory, name)  # noqa: PTH118 -- a name that scandir gave, as text for messages
        try:
            files[name] = self._load(path)
        except ConfigError as error:
            kept = "the last good one stays" if name in files else "this host can't send"
            log.event(log.Matter.CONFIG_BROKEN, f"{error} ({kept})", log.Level.ERROR, file=path)
        except OSError as error:
            log.event(log.Matter.CONFIG_BROKEN, f"{path}: {error.strerror}", log.Level.ERROR, file=path)


@lru_cache(maxsize=4096)
def may_call(allow: tuple[str, ...], peer: str) -> bool:
    """Whether an address lies in one of these networks. A peer that has none, on a unix socket, lies in none."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ipaddress.ip_network(network) for network in allow)


def _matching(client: Client | None, digest: str) -> ClientKey | None:
    """The client's key with this hash; None, an unknown name, takes as long as one with _COMPARED keys."""
    keys = client.key if client else ()
    matched = None
    for key in (*keys, *(_NO_KEY,) * (_COMPARED - len(keys))):
        if hmac.compare_digest(key.hash.encode(), digest.encode()):
            matched = key
    return matched
