"""A lane to the postoffice: one thread with one connection, which sends what waits, a batch at a time.

A message joins the batch that waits while a request is in flight; so a batch is one message when idle and up to 100
under load, and no timer holds anything up. Whoever has waited long enough gives its message up: it leaves the lane's
memory, and a request for which nobody waits any more is cut. Once the postoffice is down nothing waits here.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hedwig import log
from hedwig.mailman.client import MOST_MESSAGES, MOST_OCTETS, NoVerdict, Parcel, PostofficeClient, Verdict, patience
from hedwig.mailman.current import CurrentClient
from hedwig.mailman.link import Link
from hedwig.pulse import Pulse

ENDING = 5.0  # seconds for the thread to end once its request was cut

Settle = Callable[["Verdict | None"], None]


@dataclass(slots=True, eq=False)
class Ride:
    """A parcel and whom to tell of its verdict; None tells that there is none, and `why` then, where that is known.
    `left`: it may have reached the postoffice."""

    parcel: Parcel
    settle: Settle
    given_up: bool = False
    left: bool = False
    why: str = ""


class Lane:
    """`client` makes a client as the settings are now."""

    def __init__(self, name: str, client: Callable[[], PostofficeClient], link: Link) -> None:
        self._client = CurrentClient(client, link)
        self._link = link
        self._waiting: deque[Ride] = deque()
        self._in_flight: Sequence[Ride] = ()
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"forward-{name}", daemon=True)
        self.pulse = Pulse(f"the thread that forwards {name} messages").of(self._thread)
        self._thread.start()

    def add(self, parcel: Parcel, settle: Settle) -> Ride:
        """Queue a parcel; `settle` is called in this lane's thread."""
        ride = Ride(parcel, settle)
        with self._wake:
            self._waiting.append(ride)
            self._wake.notify()
        return ride

    def give_up(self, ride: Ride) -> bool:
        """Nobody waits for it any more. True: it had not even left."""
        with self._wake:
            ride.given_up = True
            if ride in self._waiting:
                self._waiting.remove(ride)
                return True
            if self._in_flight and all(each.given_up for each in self._in_flight):
                self._client.give_up()
            return False

    def stop(self) -> None:
        """End the thread, and the request in flight; what still waits gets no verdict."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._client.end()
        self._thread.join(ENDING)

    def _run(self) -> None:
        while batch := self._next_batch():
            self._send(batch)
            batch.clear()  # or the bodies would stay in memory until the next batch comes
        self.pulse.end()
        self._client.close()
        self._turn_away()

    def _next_batch(self) -> list[Ride]:
        with self._wake:
            self.pulse.idle()
            while not self._waiting and not self._stopping:
                self._wake.wait()
            if self._stopping:
                return []
            batch = [self._waiting.popleft()]
            octets = len(batch[0].parcel.body)
            while self._waiting and len(batch) < MOST_MESSAGES:
                octets += len(self._waiting[0].parcel.body)
                if octets > MOST_OCTETS:
                    break
                batch.append(self._waiting.popleft())
            self._in_flight = tuple(batch)
            for ride in batch:
                ride.left = True
            return batch

    def _send(self, batch: Sequence[Ride]) -> None:
        self.pulse.busy(patience(sum(len(ride.parcel.body) for ride in batch)))
        verdicts: Sequence[Verdict | None] = [None] * len(batch)
        try:
            verdicts = self._client.get().send([ride.parcel for ride in batch])
            self._link.up()
        except NoVerdict as trouble:
            if trouble.whole_batch and len(batch) > 1:
                self._one_by_one(batch)
                return
            if not self._stopping:
                self._link.no_verdict(trouble)
            for ride in batch:
                ride.left, ride.why = trouble.reached and not trouble.refused, str(trouble)
        except Exception as error:  # noqa: BLE001  a fault of ours must not end the thread: the messages are spooled
            log.event(log.Matter.FAULT, f"a batch could not be sent: {error!r}", log.Level.ERROR, reason=repr(error))
        with self._wake:
            self._in_flight = ()
        for ride, verdict in zip(batch, verdicts, strict=True):
            ride.settle(verdict)
        if not self._link.is_up:
            self._turn_away()

    def _one_by_one(self, batch: Sequence[Ride]) -> None:
        """One of them spoils the batch: find out which, unless the postoffice goes down meanwhile."""
        for ride in batch:
            with self._wake:
                self._in_flight = (ride,)
                ride.left = self._link.is_up and not ride.given_up
            if ride.left:
                self._send([ride])
            else:
                ride.settle(None)

    def _turn_away(self) -> None:
        """What waits need not wait: it goes to the spool."""
        with self._wake:
            rides = list(self._waiting)
            self._waiting.clear()
        for ride in rides:
            ride.settle(None)
