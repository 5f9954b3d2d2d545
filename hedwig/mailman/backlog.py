"""The backlog: what lies in mailman's own spool goes on to the postoffice, oldest first (step 3 of the journey).

One thread, one connection of its own, so that new mail overtakes the backlog. While the postoffice is down it probes
with one message, further and further apart, up to 30 s. Large messages hold up no small ones (I9): in a look at the
spool the small ones go first and then one large one, and a large one that does not get through is put off. What is over
a quota is put off without being offered, all of a container's together (overquota.py).

What becomes of a message is written in outcome.py, and what a deadline of its own means. One that is older than
`expire` is offered all the same, and given up when this process has offered it VAIN times to no end: the host may have
been off for a week, or its key wrong, and nobody has asked since. Without a postoffice configured, or with a wrong key
(401), nothing expires but what has a deadline of its own.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from hedwig import log
from hedwig.mailman.client import (
    MOST_MESSAGES,
    MOST_OCTETS,
    NoVerdict,
    PostofficeClient,
    Verdict,
    is_large,
    patience,
)
from hedwig.mailman.current import CurrentClient
from hedwig.mailman.forwarder import is_postoffices_fault
from hedwig.mailman.journal import tell_waited
from hedwig.mailman.link import Link
from hedwig.mailman.outcome import (
    LATER,
    Obstacle,
    Passenger,
    by_verdict,
    is_over_quota,
    is_stale,
    over_quota,
    stale,
    too_late,
    waits,
)
from hedwig.mailman.overquota import OverQuota
from hedwig.mailman.parcels import Spool, batches, parcel_of
from hedwig.pulse import Pulse
from hedwig.settings import Mailman
from hedwig.spool import POSTOFFICE, Claim, Kind, Settlement, SpoolTrouble, State
from hedwig.spool.trouble import matter_of

POLL = 1.0  # seconds between looks into the spool
PROBES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # seconds between probes while the postoffice is down
VAIN = 7  # offers to no end after which a message that is too old is given up: a minute of probes at the least
AGAIN = 5.0  # seconds until a message that can't get through by itself is offered again; they double, up to LATER
SHARE = 4  # and as long as its try took, times so much: that others have their turn (I9)
LOOKS = (300, 10_000)  # messages at the spool's head among which small ones are looked for: at first, and then
LOADED = 16 << 10  # octets of a body that come with its claim; larger ones are read when their turn has come
ENDING = 5.0  # seconds for the thread to end once its request was cut


class Backlog:
    """The thread. `owner`: its name in the spool, whose lock the caller holds (I12); and so the spool is its alone."""

    def __init__(self, settings: Mailman, spool: Spool, link: Link, owner: str) -> None:
        self.settings = settings
        self._spool = spool
        self._link = link
        self._owner = owner
        self._client = CurrentClient(lambda: PostofficeClient(self.settings), link)
        self._stopping = threading.Event()
        self._failures = 0  # offers in a row that found the link down
        self._in_vain: Counter[int] = Counter()  # offers of a delivery by this process that came to nothing
        self._open: dict[int, Claim] = {}
        self._over_quota = OverQuota()
        self._wrong = ""  # with the spool
        self._unknown = True  # whether the spool may hold claims that are not in `_open`: a predecessor's, say
        self._thread = threading.Thread(target=self._run, name="backlog", daemon=True)
        self.pulse = Pulse("the thread that sends the backlog on").of(self._thread)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and the request in flight with it: its messages stay here, and over there their IDs are known (I3)."""
        self._stopping.set()
        self._link.changed.set()
        self._client.end()
        if self._thread.ident is not None:
            self._thread.join(ENDING)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.pulse.busy()
            try:
                self._hand_back()
                busy = self._round()
                self._tell_spool(None)
            except SpoolTrouble as trouble:
                self._tell_spool(trouble)
                busy = False
            except Exception as error:  # noqa: BLE001  a fault of ours must not end the thread: mail would stay here
                text = f"the backlog could not be sent on: {error!r}"
                log.event(log.Matter.FAULT, text, log.Level.ERROR, reason=repr(error))
                busy = False
            if not busy:
                self._tell_quota()
                self.pulse.idle()
                self._pause()
        self.pulse.end()
        self._client.close()

    def _tell_spool(self, trouble: SpoolTrouble | None) -> None:
        """What is wrong with the spool, or that it is over: once each, for there is a round each second."""
        wrong = str(trouble) if trouble else ""
        if trouble and wrong != self._wrong:
            text = f"this host's spool can't be used now: {trouble}"
            log.event(matter_of(trouble), text, log.Level.ERROR, reason=wrong)
        elif self._wrong and not wrong:
            log.event(log.Matter.SPOOL_BACK, "this host's spool can be used again", log.Level.NOTICE)
        self._wrong = wrong

    @property
    def over_quota(self) -> int:
        """Letters that wait for a quota."""
        return self._over_quota.waiting

    def _tell_quota(self) -> None:
        if text := self._over_quota.tell(time.time()):
            log.event(log.Matter.QUOTA_HIT, text, log.Level.WARNING, client=self.settings.fqdn, reason=text)

    def _pause(self) -> None:
        """Until there may be something to do; sooner when the postoffice is back, or the settings are new."""
        wait = POLL if self._link.is_up else PROBES[min(max(self._failures, 1), len(PROBES)) - 1]
        self._link.changed.wait(wait)
        if not self._stopping.is_set():
            self._link.changed.clear()

    # --- a round

    def _round(self) -> bool:
        """One look and what comes of it. False: there is nothing to do at once."""
        now = time.time()
        client = self._client.get()
        claims = self._claim(self._choice(now), now)
        late = [claim for claim in claims if is_stale(claim, now)]
        if late:
            self._settle([stale(Passenger(claim, parcel_of(self._spool, claim)), now, self.settings) for claim in late])
        going = {claim.delivery: claim for claim in claims if claim not in late}
        asking = self._over_quota.asking(going.values(), now)
        for claim in asking:
            del going[claim.delivery]
        if not self._send((Passenger(claim, parcel_of(self._spool, claim)) for claim in asking), client):
            return False
        over: list[Settlement] = []
        if not self._send(self._passengers(going.values(), over), client):
            return False
        if over:
            self._settle(over)
        return bool(claims)

    def _send(self, passengers: Iterable[Passenger], client: PostofficeClient) -> bool:
        """Offer them, batch by batch. False: asking on is of no use, and what is left was handed back."""
        for batch in batches(passengers):
            if self._stopping.is_set() or not self._offer(client, batch):
                self._hand_back()
                return False
        return True

    def _passengers(self, claims: Iterable[Claim], over: list[Settlement]) -> Iterator[Passenger]:
        """Those that are offered. Those that wait for a quota, as the verdicts of the batch before may have said, are
        not: what is to be settled of them goes to `over`. While the link is down whoever is there is its probe."""
        for claim in claims:
            now = time.time()
            if self._link.is_up and (verdict := self._over_quota.verdict(claim, now)):
                over.append(self._put_off_for_quota(claim, verdict, now))
            else:
                yield Passenger(claim, parcel_of(self._spool, claim))

    def _choice(self, now: float) -> list[int]:
        """The deliveries to send: small ones in their order, and one large one; one alone while the link is down."""
        small: list[int] = []
        large: list[int] = []
        for limit in LOOKS:
            waiting = [each.delivery for each in self._spool.due(POSTOFFICE, now, limit)]
            seen = self._spool.preview(waiting, now)
            small = [each.delivery for each in seen if each.size <= MOST_OCTETS]
            large = [each.delivery for each in seen if each.size > MOST_OCTETS]
            if small or len(waiting) < limit:
                break
        return [*small[:MOST_MESSAGES], *large[:1]] if self._link.is_up else [*small, *large][:1]

    def _hand_back(self) -> None:
        """What was claimed and not brought to an end, in this round, in one that broke off or by a predecessor, is as
        it was before. Sent twice it does no harm: the postoffice knows its ID (I3)."""
        if self._open:
            self._settle([Settlement(claim.delivery, claim.token) for claim in self._open.values()])
        if self._unknown:
            for owner in self._spool.owners():  # also under a name that this host had before
                freed = self._spool.free(owner, lambda delivery, token: False, time.time(), 0.0).result()
                log.say(log.Level.NOTICE, f"{len(freed)} messages that were on their way are offered again")
            self._unknown = False

    def _claim(self, deliveries: Sequence[int], now: float) -> list[Claim]:
        if not deliveries:
            return []
        self._unknown = True
        claims = self._spool.claim(deliveries, self._owner, now, load_up_to=LOADED).result()
        place = {delivery: number for number, delivery in enumerate(deliveries)}
        claims.sort(key=lambda claim: place[claim.delivery])
        self._open.update({claim.delivery: claim for claim in claims})
        self._unknown = False
        return claims

    # --- an offer

    def _offer(self, client: PostofficeClient, batch: Sequence[Passenger]) -> bool:
        """Send a batch and settle it. False: there is no verdict, and asking on is of no use just now."""
        self.pulse.busy(patience(sum(len(passenger.parcel.body) for passenger in batch)))
        started = time.monotonic()
        try:
            verdicts = client.send([passenger.parcel for passenger in batch])
        except NoVerdict as trouble:
            if self._stopping.is_set():
                return False
            if trouble.whole_batch and len(batch) > 1:  # find the message that spoils it
                return all(self._offer(client, [passenger]) for passenger in batch)
            self._link.no_verdict(trouble)
            return self._unheard(batch, trouble, time.monotonic() - started)
        self._failures = 0
        self._link.up()
        now = time.time()
        self._settle([self._heard(*pair, now) for pair in zip(batch, verdicts, strict=True)])
        return True

    def _heard(self, passenger: Passenger, verdict: Verdict, now: float) -> Settlement:
        claim, reply = passenger.claim, verdict.reply
        if is_over_quota(reply):
            return self._put_off_for_quota(claim, verdict, now)
        if reply.code // 100 == 2:
            self._over_quota.taken(claim)
        for_now = reply.code // 100 == 4 and not verdict.conflict
        if for_now and self._is_last(claim, now):
            in_doubt = is_postoffices_fault(reply)
            return too_late(passenger, Obstacle(str(reply), reply, in_doubt), now, self.settings)
        return by_verdict(passenger, verdict, now, self.settings)

    def _put_off_for_quota(self, claim: Claim, verdict: Verdict, now: float) -> Settlement:
        """The postoffice has said that there is no room, of this one or of another of its container."""
        if self._is_last(claim, now):
            obstacle = Obstacle(str(verdict.reply), verdict.reply)
            return too_late(Passenger(claim, parcel_of(self._spool, claim)), obstacle, now, self.settings)
        return over_quota(claim, verdict, self._over_quota.refused(claim, verdict, now), now)

    def _unheard(self, batch: Sequence[Passenger], trouble: NoVerdict, took: float) -> bool:
        """No verdict: the messages wait on, and say why; what is too old by now may be given up, unless the fault is
        the operator's to mend. A message that can't get through by itself is put off, so that it holds up no other."""
        now, why = time.time(), str(trouble)
        reached = trouble.reached and not trouble.operators_turn
        obstacle = Obstacle(why, in_doubt=trouble.reached and not trouble.refused)
        alone = trouble.whole_batch or (reached and is_large(batch[0].parcel))
        settlements = []
        for passenger in batch:
            claim = passenger.claim
            if not trouble.operators_turn and self._is_last(claim, now):
                settlements.append(too_late(passenger, obstacle, now, self.settings))
            else:
                due = now + self._put_off(claim, trouble, took) if alone else min(claim.accepted_at, now)
                settlements.append(waits(claim, obstacle, due, now))
        self._settle(settlements)
        self._failures += not self._link.is_up
        return alone and self._link.is_up

    def _put_off(self, claim: Claim, trouble: NoVerdict, took: float) -> float:
        """Seconds. What broke off at once may have met a restart over there, and that is over soon."""
        if trouble.whole_batch:
            return LATER
        return min(LATER, max(AGAIN * 2.0 ** min(self._in_vain[claim.delivery] - 1, 10), SHARE * took))

    def _is_last(self, claim: Claim, now: float) -> bool:
        """Count an offer that came to nothing; whether there is no next one."""
        self._in_vain[claim.delivery] += 1
        # With a deadline expires_at is that, and who comes here past it is in doubt (outcome.is_stale).
        until = claim.accepted_at + self.settings.expire if claim.options.deadline else claim.expires_at
        return until <= now and self._in_vain[claim.delivery] >= VAIN

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        self._spool.settle(settlements).result()
        for settlement in settlements:
            claim = self._open.pop(settlement.delivery)
            for event in settlement.events:
                if event.kind is not Kind.DEFERRED or (event.reply and not is_over_quota(event.reply)):
                    tell_waited(claim, event.reply or event.detail, event.at)
            if settlement.results and settlement.results[0].state is not State.DEFERRED:
                self._in_vain.pop(settlement.delivery, None)
                self._over_quota.ended(settlement.delivery)
