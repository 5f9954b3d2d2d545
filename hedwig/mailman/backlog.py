"""The backlog: what lies in mailman's own spool goes on to the postoffice, oldest first (step 3 of the journey).

One thread, one connection of its own, so that new mail overtakes the backlog. While the postoffice is down it probes
with the oldest message, one at a time, further and further apart, up to 30 s. A message whose verdict is a refusal for
good becomes a bounce, which goes to the postoffice the same way; so does one that is older than `expire` and can't be
handed over. A bounce that is refused too is held for the operator, never dropped (I7). Without a postoffice configured,
or with a wrong key (401), nothing expires. A large message that does not get through is put off, and holds up no other.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from hedwig import dsn, log
from hedwig.envelope import Envelope
from hedwig.mailman.client import (
    MOST_MESSAGES,
    MOST_OCTETS,
    NoVerdict,
    Parcel,
    PostofficeClient,
    Verdict,
    is_large,
    patience,
)
from hedwig.mailman.forwarder import as_message, is_postoffices_fault, renamed
from hedwig.mailman.link import Link
from hedwig.pulse import Pulse
from hedwig.reply import Reply, Stage
from hedwig.settings import Mailman
from hedwig.spool import (
    POSTOFFICE,
    Claim,
    Event,
    Intake,
    Kind,
    Look,
    NewMessage,
    RecipientResult,
    Settlement,
    SpoolTrouble,
    State,
    Work,
)
from hedwig.spool.bounces import About, bounce

POLL = 1.0  # seconds between looks into the spool
PROBES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # seconds between probes while the postoffice is down
LOADED = 16 << 10  # octets of a body that come with its claim; larger ones are read when their turn has come
LATER = 300.0  # seconds until a message that was refused for now, by a quota say, is offered again


class Spool(Intake, Work, Look, Protocol):
    """The whole spool."""


@dataclass(frozen=True, slots=True)
class _Passenger:
    claim: Claim
    parcel: Parcel


class Backlog:
    """The thread. `owner`: its name in the spool, whose lock the caller holds (I12)."""

    def __init__(self, settings: Mailman, spool: Spool, link: Link, owner: str) -> None:
        self.settings = settings
        self._spool = spool
        self._link = link
        self._owner = owner
        self._stopping = threading.Event()
        self._failures = 0
        self._client: PostofficeClient | None = None
        self._open: dict[int, Claim] = {}
        self._thread = threading.Thread(target=self._run, name="backlog", daemon=True)
        self.pulse = Pulse("the thread that sends the backlog on").of(self._thread)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and the request in flight with it: its messages stay here, and over there their IDs are known (I3)."""
        self._stopping.set()
        self._link.changed.set()
        if self._client is not None:
            self._client.end()
        self._thread.join()

    def _run(self) -> None:
        generation = -1
        while not self._stopping.is_set():
            if self._client is None or generation != self._link.generation:
                self._renew()
                generation = self._link.generation
            self.pulse.busy()
            try:
                self._hand_back()
                busy = self._round()
            except SpoolTrouble as trouble:
                log.say(log.Level.ERROR, f"this host's spool can't be used now: {trouble}")
                busy = False
            except Exception as error:  # noqa: BLE001  a fault of ours must not end the thread: mail would stay here
                log.say(log.Level.ERROR, f"the backlog could not be sent on: {error!r}")
                busy = False
            if not busy:
                self.pulse.idle()
                self._pause()
        self.pulse.end()
        if self._client is not None:
            self._client.close()

    def _renew(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = PostofficeClient(self.settings)

    def _pause(self) -> None:
        """Until there may be something to do; sooner when the postoffice is back, or the settings are new."""
        wait = POLL if self._link.is_up else PROBES[min(max(self._failures, 1), len(PROBES)) - 1]
        self._link.changed.wait(wait)
        if not self._stopping.is_set():
            self._link.changed.clear()

    def _round(self) -> bool:
        """One look and what comes of it. False: there is nothing to do at once."""
        now = time.time()
        limit = MOST_MESSAGES if self._link.is_up else 1
        waiting = self._spool.due(POSTOFFICE, now, limit)
        claims = self._claim([each.delivery for each in waiting], now)
        for batch in _batches(_Passenger(claim, self._parcel(claim)) for claim in claims):
            if not self._offer(batch):
                self._hand_back()
                return False
        return bool(claims)

    def _hand_back(self) -> None:
        """What was claimed and not brought to an end, in this round or in one that broke off, is as it was before. Sent
        twice it does no harm: the postoffice knows its ID (I3)."""
        if self._open:
            self._settle([Settlement(claim.delivery, claim.token) for claim in self._open.values()])

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        self._spool.settle(settlements).result()
        for settlement in settlements:
            self._open.pop(settlement.delivery, None)

    def _claim(self, deliveries: Sequence[int], now: float) -> list[Claim]:
        if not deliveries:
            return []
        claims = self._spool.claim(deliveries, self._owner, now, load_up_to=LOADED).result()
        self._open.update({claim.delivery: claim for claim in claims})
        return claims

    def _parcel(self, claim: Claim) -> Parcel:
        body = claim.content if claim.content is not None else b"".join(self._spool.body(claim.message))
        rcpttos = tuple(recipient.address for recipient in claim.recipients)
        return Parcel(claim.queue_id, Envelope(claim.mailfrom, rcpttos), body, claim.accepted_at, claim.smtputf8)

    def _offer(self, batch: Sequence[_Passenger]) -> bool:
        """Send a batch and settle it. False: there is no verdict, and asking on is of no use just now."""
        assert self._client is not None  # noqa: S101  (_run made it)
        self.pulse.busy(patience(sum(len(passenger.parcel.body) for passenger in batch)))
        try:
            verdicts = self._client.send([passenger.parcel for passenger in batch])
        except NoVerdict as trouble:
            if trouble.whole_batch and len(batch) > 1:  # find the message that spoils it
                offered = [self._offer([passenger]) for passenger in batch]
                return all(offered)
            self._link.no_verdict(trouble)
            return self._unheard(batch, trouble)
        self._failures = 0
        self._link.up()
        now = time.time()
        pairs = zip(batch, verdicts, strict=True)
        self._settle([self._settlement(each, verdict, now) for each, verdict in pairs])
        for passenger, verdict in zip(batch, verdicts, strict=True):
            _tell(passenger.claim, verdict.reply, now)
        return True

    def _unheard(self, batch: Sequence[_Passenger], trouble: NoVerdict) -> bool:
        """No verdict: the messages wait on, and say why; what is too old by now is given up, unless the fault is the
        operator's to mend. A message that can't get through by itself is put off, so that it holds up no other."""
        if self._stopping.is_set():
            return False
        now = time.time()
        stuck = trouble.whole_batch or (trouble.reached and is_large(batch[0].parcel))
        settlements = []
        for passenger in batch:
            claim = passenger.claim
            if claim.expires_at <= now and not trouble.operators_turn:
                settlements.append(self._expired(passenger, now))
            else:
                due = now + LATER if stuck else claim.accepted_at
                settlements.append(_waits_on(claim, str(trouble), due, now))
        self._settle(settlements)
        if not stuck:
            self._failures += 1
        return stuck and self._link.is_up

    def _settlement(self, passenger: _Passenger, verdict: Verdict, now: float) -> Settlement:
        claim, reply = passenger.claim, verdict.reply
        if verdict.conflict:
            again = as_message(renamed(passenger.parcel), self.settings)
            return _end(claim, _event(Kind.FORWARDED, reply, now, f"goes on as {again.queue_id}"), (again,))
        if reply.code // 100 == 2:
            return _end(claim, _event(Kind.FORWARDED, reply, now))
        if reply.permanent:
            return self._refused(claim, reply, now, passenger.parcel.body)
        wait = PROBES[-1] if is_postoffices_fault(reply) else LATER
        return _waits_on(claim, str(reply), now + wait, now, reply)

    def _refused(self, claim: Claim, reply: Reply, now: float, original: bytes, *, expired: bool = False) -> Settlement:
        """A bounce to the sender; what has no sender is held."""
        kind = Kind.EXPIRED if expired else Kind.FAILED
        if not claim.mailfrom:
            return _end(claim, _event(Kind.HELD, reply, now, "a bounce that was refused: kept for you to see"))
        undelivered = tuple(
            dsn.Undelivered(recipient.address, Stage.DOT, reply, host=POSTOFFICE, expired=expired)
            for recipient in claim.recipients
        )
        about = About(claim, original, self.settings.fqdn, self.settings.expire)
        made = bounce(about, dsn.Action.FAILED, undelivered, now, POSTOFFICE)
        return _end(claim, _event(kind, reply, now), (made,) if made else ())

    def _expired(self, passenger: _Passenger, now: float) -> Settlement:
        reply = Reply(554, "5.4.7", f"the postoffice could not be reached in time: {self._link.why}")
        _tell(passenger.claim, reply, now)
        return self._refused(passenger.claim, reply, now, passenger.parcel.body, expired=True)


def _batches(passengers: Iterable[_Passenger]) -> Iterator[list[_Passenger]]:
    """Cut by octets as the postoffice wants it; a message over the bound goes alone. Bodies are read as they are
    needed, so that one batch at a time is in memory."""
    batch: list[_Passenger] = []
    octets = 0
    for passenger in passengers:
        octets += len(passenger.parcel.body)
        if batch and octets > MOST_OCTETS:
            yield batch
            batch, octets = [], len(passenger.parcel.body)
        batch.append(passenger)
    if batch:
        yield batch


def _event(kind: Kind, reply: Reply, now: float, detail: str = "") -> Event:
    return Event(now, kind, stage=Stage.DOT, reply=reply, host=POSTOFFICE, detail=detail)


def _waits_on(claim: Claim, why: str, due: float, now: float, reply: Reply | None = None) -> Settlement:
    """It stays here, for the reason given. Said once in its history, however often it is offered."""
    results = tuple(RecipientResult(each.number, State.DEFERRED, why, due, counted=False) for each in claim.recipients)
    known = all(each.last_reply == why for each in claim.recipients)
    event = Event(now, Kind.DEFERRED, stage=Stage.DOT, reply=reply, host=POSTOFFICE, detail="" if reply else why)
    return Settlement(claim.delivery, claim.token, results, () if known else (event,))


def _end(claim: Claim, event: Event, successors: tuple[NewMessage, ...] = ()) -> Settlement:
    """All recipients have the same end here: in mailman's spool a message goes on, or not, as a whole."""
    state = State.HELD if event.kind is Kind.HELD else State.DONE
    results = tuple(RecipientResult(recipient.number, state, str(event.reply)) for recipient in claim.recipients)
    return Settlement(claim.delivery, claim.token, results, (event,), successors)


def _tell(claim: Claim, reply: Reply, now: float) -> None:
    forwarded = reply.code // 100 == 2
    log.event(
        "forwarded" if forwarded else "refused",
        f"{'forwarded' if forwarded else 'not taken by the postoffice'}: from=<{claim.mailfrom}> "
        f"size={claim.size} waited={now - claim.accepted_at:.1f}s: {reply}",
        log.Level.INFO if forwarded else log.Level.NOTICE,
        queue_id=claim.queue_id,
        sender=claim.mailfrom,
        reply=str(reply),
    )
