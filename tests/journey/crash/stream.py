"""The stream: numbered letters on several ways into hedwig, each offered once, and the numbers that got a 250.

Most go by SMTP on connections that are kept, in bursts; some by real msmtp; some by clients that speak HTTP
(insist.py), one of them with `on_doubt: hold`, one with `retry-once`. A letter whose connection breaks before its reply
is *unheard*: hedwig has promised nothing, and it is not offered again, so that a copy of it is never the sender's own.
"""

import contextlib
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from functools import partial

from hedwig import queueid
from hedwig.options import OnDoubt

from ..submit import Http, Msmtp, Talk
from .insist import INSISTENCE, Client
from .letters import Numbered, numbered

CONNECTIONS = 8
_GREETINGS = 0.05  # seconds until a connection that broke is tried anew


class Stream:
    """`rate`: letters a second on the SMTP connections together, on average. `clients`: those that speak HTTP, by their
    policy for doubts. `policies`: of each letter, by number."""

    def __init__(self, clients: dict[OnDoubt, Http], msmtp: Msmtp, rate: float) -> None:
        self.accepted: dict[int, str] = {}
        self.unheard: dict[int, str] = {}
        self.policies: dict[int, OnDoubt] = {}
        self._msmtp = msmtp
        self._rate = rate
        self._numbers = itertools.count(1)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._stuck: list[str] = []
        self._clients = [Client(http, partial(self._next, policy), self._note) for policy, http in clients.items()]
        ways: list[Callable[[], None]] = [self._smtp] * CONNECTIONS + [self._by_msmtp]
        ways += [partial(client.forms, self._over) for client in self._clients]
        ways += [partial(client.batches, self._over) for client in self._clients]
        self._threads = [threading.Thread(target=way, daemon=True) for way in ways]

    @property
    def sent(self) -> int:
        """How many letters were offered."""
        return len(self.accepted) + len(self.unheard)

    @property
    def faults(self) -> list[str]:
        """What no client should meet."""
        return [*self._stuck, *(fault for client in self._clients for fault in client.faults)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; each way finishes the letter at hand."""
        self._over.set()
        for thread in self._threads:
            thread.join(2 * INSISTENCE)
            if thread.is_alive():
                self._stuck.append("a letter was offered and never got a reply")

    def _next(self, policy: OnDoubt = OnDoubt.RETRY) -> Numbered:
        with self._lock:
            number = next(self._numbers)
            self.policies[number] = policy
        return numbered(number)

    def _note(self, letter: Numbered, queue_id: str, why: str) -> None:
        with self._lock:
            if queue_id:
                self.accepted[letter.number] = queue_id
            else:
                self.unheard[letter.number] = why

    # --- SMTP on a connection that is kept

    def _smtp(self) -> None:
        chance = random.Random(threading.get_ident())
        while not self._over.is_set():
            with contextlib.suppress(OSError, AssertionError), _talk() as talk:
                while not self._over.is_set():
                    burst = chance.randint(1, 16)
                    for _ in range(burst):
                        self._transaction(talk)
                    self._over.wait(burst * CONNECTIONS / self._rate * chance.uniform(0.2, 1.8))
            self._over.wait(_GREETINGS)

    def _transaction(self, talk: Talk) -> None:
        """One letter; raises where the connection ends, when that is noted."""
        letter = self._next()
        said = "nothing"
        try:
            commands = [f"MAIL FROM:<{letter.sender}>", *(f"RCPT TO:<{each}>" for each in letter.rcpttos), "DATA"]
            talk.socket.sendall("".join(f"{command}\r\n" for command in commands).encode())
            for _ in commands:
                said = talk.reply()
                if said[:1] not in ("2", "3"):
                    raise ConnectionAbortedError(said)
            talk.socket.sendall(letter.octets.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            said = talk.reply()
        except (OSError, AssertionError) as error:  # Talk asserts that a reply has an end
            self._note(letter, "", f"{said}, {error}")
            raise
        self._note(letter, said.split()[-1] if said.startswith("250 2.0.0 queued as ") else "", said)

    # --- msmtp

    def _by_msmtp(self) -> None:
        while not self._over.wait(0.3):
            letter = self._next()
            content = letter.octets.replace(b"\r\n", b"\n")
            status, said = self._msmtp.begin(content, *letter.rcpttos, sender=letter.sender).end()
            found = [word for word in said.replace("\r", "").split() if queueid.is_valid(word)]
            self._note(letter, found[-1] if status == 0 and found else "", said[-200:])


@contextlib.contextmanager
def _talk() -> Iterator[Talk]:
    talk = Talk()
    try:
        talk.reply()
        talk.say("EHLO container.example")
        yield talk
    finally:
        talk.close()
