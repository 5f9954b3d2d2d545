"""An errand: one parcel on one connection, from the last look at what is wanted to what is settled (steps 7 and 8).

Before the final dot it writes a dot mark for each claim (I5). Where the client's policy is not to repeat what is in
doubt, the marks are on disk before the dot goes out, with the conversation so far. What is wanted no more is not sent
(last_look.py), nor what was not begun when the operator paused its site or client, or has no dot out when the operator
wants it back. Each claim ends by itself, whatever becomes of the others (I4).
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from hedwig import log
from hedwig.options import OnDoubt, TlsWish
from hedwig.reply import Stage
from hedwig.smtp import Brink, Report, Said, Transaction
from hedwig.smtp.connection import Connection
from hedwig.spool import Claim, Doubt, Halted, SpoolTrouble
from hedwig.verdict import SiteWord
from hedwig.worker import last_look
from hedwig.worker.attempt import Attempt
from hedwig.worker.delivery import Conclusion, conclude, given_up, is_late, turned_away, unjudged
from hedwig.worker.parcel import Parcel
from hedwig.worker.settle import Ending, handed_back
from hedwig.worker.talks import fitting
from hedwig.worker.tools import Tools


class Errand:
    """Of one parcel. `heed` is told what was said of the way to the receiver, and in which family of addresses;
    `elsewhere` says whether a claim may leave from another source of ours now; `relayed`: it goes to a smarthost."""

    def __init__(
        self,
        tools: Tools,
        parcel: Parcel,
        heed: Callable[[SiteWord, str], None],
        elsewhere: Callable[[Claim], bool] = lambda _claim: False,
        *,
        relayed: bool = False,
    ) -> None:
        self.parcel = parcel
        self._tools = tools
        self._heed = heed
        self._relayed = relayed
        self._elsewhere = elsewhere
        self._open = {claim.delivery: claim for claim in parcel.claims}  # claims that are not settled yet
        self._slots: dict[int, int] = {}  # of dot marks, by delivery, from just before the dot on
        self._doubts: dict[int, Doubt] = {}  # what is on disk with the marks, where the client wants that
        self._not_begun: set[int] = set()  # deliveries that are not to be begun: their site or client was paused
        self.wears_out = False  # what was said ends the connection
        self._recalled: set[int] = set()  # and those that the operator wants back, also when they are begun

    @property
    def awaits_reply(self) -> bool:
        """Whether the final dot is out, or about to go, and its reply has not come."""
        return bool(self._slots)

    def call_back(self, halted: Halted) -> None:
        """What is at hand, and concerned, is not begun any more; what is recalled gets no dot either."""
        concerned = {claim.delivery for claim in self.parcel.claims if halted.concerns(claim)}
        self._not_begun |= concerned
        self._recalled |= concerned & set(halted.recalled)

    def withhold(self) -> None:
        """No dot goes out any more: a connection acts on what it hears before a cancelled courier knows it."""
        self._recalled |= set(self._open)

    async def send(self, connection: Connection) -> Report | None:
        """One transaction. None: there is nothing more to be done about it."""
        careful = self.parcel.first.options.on_doubt is not OnDoubt.RETRY
        waits = careful or bool(self.parcel.first.options.supersede)

        def before_dot() -> None:
            self._check()
            for claim in self.parcel.claims:
                self._slots[claim.delivery] = self._tools.dots.mark(claim.delivery, claim.token)

        async def at_brink(brink: Brink) -> None:
            for claim in self.parcel.claims:
                await last_look.check(self._tools.spool, claim)
            self._check()
            if careful:
                await self._mark_durably(brink)
            else:
                before_dot()

        try:
            await self._look()
            if not self._open:
                return None
            return await connection.send(self._transaction(connection), before_dot, at_brink if waits else None)
        except last_look.Withdrawn:
            self._withdraw(list(self._open.values()))
        except SpoolTrouble as trouble:  # body or mark could not be read: our fault, no word about the message (I8)
            self.ours(str(trouble))
        except OSError as error:  # what the network does becomes a Report; this is the disk under the dot marks
            self.ours(f"the dot mark could not be written: {error.strerror or error}")
        return None

    def turn_away(self) -> bool:
        """End what is for addresses that get no mail (the others of such a claim come back at once); whether anything
        is left. It needs no connection."""
        for claim in self.parcel.claims:
            if turned := turned_away(claim):
                self._end(claim, turned)
        kept = tuple(claim for claim in self.parcel.claims if claim.delivery in self._open)
        if kept and len(kept) < len(self.parcel.claims):
            self.parcel = replace(self.parcel, claims=kept)
        return bool(kept)

    async def _look(self) -> None:
        """Leave out what is not to be sent. SpoolTrouble."""
        kept = []
        for claim in self.parcel.claims:
            left = await last_look.wanted(self._tools.spool, claim)
            if claim.delivery in self._not_begun or not left.recipients or is_late(claim, time.time()):
                self._withdraw([claim])
            else:
                kept.append(left)
                self._open[claim.delivery] = left
        self.parcel = replace(self.parcel, claims=tuple(kept))

    def _check(self) -> None:
        """The last look before the dot: Withdrawn where any of it is recalled, or too late."""
        for claim in self.parcel.claims:
            if claim.delivery in self._recalled:
                raise last_look.Withdrawn
            last_look.check_time(claim)

    async def _mark_durably(self, brink: Brink) -> None:
        """Marks and conversation of all claims, with one fsync."""

        async def mark(claim: Claim, numbers: tuple[int, ...]) -> None:
            doubt = Doubt(numbers, fitting(brink.talk))
            self._slots[claim.delivery] = await self._tools.dots.mark_durably(claim.delivery, claim.token, doubt)
            self._doubts[claim.delivery] = doubt

        marks = (mark(claim, numbers) for claim, numbers in self.parcel.numbers(brink.places))
        done = await asyncio.gather(*marks, return_exceptions=True)
        for error in done:
            if error is not None:
                raise error

    def _transaction(self, connection: Connection) -> Transaction:
        first = self.parcel.first
        options = first.options
        if options.tls is TlsWish.REQUIRED and not connection.requiretls:  # a report, by whatever way there is
            options = replace(options, tls=TlsWish.USUAL)
        content = first.content
        body: Callable[[], Iterable[bytes]] = (
            (lambda: (content,)) if content is not None else (lambda: self._tools.spool.body(first.message))
        )
        rcpttos = tuple(recipient.address for _, recipient in self.parcel.handed)
        convert, signer = self._tools.convert, self._tools.signer
        return Transaction(first.mailfrom, rcpttos, body, first.size, first.smtputf8, options, convert, signer)

    def end(self, report: Report, connection: Connection | None) -> None:
        """Settle what was said of each recipient."""
        carried = any(said.delivered for said in report.said)
        words: list[SiteWord] = []
        for claim, said in self.parcel.by_claim(report.said):
            attempts = {
                number: self._attempt(each, claim, connection, carried=carried, relayed=self._relayed)
                for number, each in said.items()
            }
            words += self._end(claim, attempts)
        self._pass_on(words, connection.target.family if connection else "")

    def no_host(self, attempt: Attempt) -> None:
        """No connection came about: that is said of every recipient."""
        words: list[SiteWord] = []
        for claim in list(self._open.values()):
            words += self._end(claim, {recipient.number: attempt for recipient in claim.recipients})
        self._pass_on(words, attempt.family)

    def release(self) -> list[Claim]:
        """Nothing was sent, and another courier is to carry these."""
        claims = list(self._open.values())
        self._open.clear()
        return claims

    def hand_back(self) -> None:
        """Nothing was sent: its claims end as if they had not been."""
        for claim in list(self._open.values()):
            self._hand_back(claim)

    def ours(self, why: str) -> None:
        """A fault of ours: its recipients are tried again later, and it is not charged to them (I8)."""
        self.no_host(Attempt(Said(Stage.LOCAL, None, why)))

    def interrupted(self, why: str, connection: Connection | None, *, stopping: bool) -> None:
        """It ends here: before the dot nothing has been handed over; after it nobody knows (I5)."""
        for claim in list(self._open.values()):
            if claim.delivery not in self._slots and stopping:
                self._hand_back(claim)
                continue
            attempt = Attempt(Said(Stage.LOCAL, None, why))
            if claim.delivery in self._slots:
                attempt = self._attempt(Said(Stage.DOT, None, why), claim, connection)
            doubt = self._doubts.get(claim.delivery)
            sent = {recipient.number for each, recipient in self.parcel.handed if each.delivery == claim.delivery}
            self._end(claim, dict.fromkeys(doubt.numbers if doubt else sent, attempt))

    def _attempt(
        self, said: Said, claim: Claim, connection: Connection | None, *, carried: bool = False, relayed: bool = False
    ) -> Attempt:
        """How it went on the connection at hand."""
        if connection is None:
            return Attempt(said, carried=carried, relayed=relayed)
        target, doubt = connection.target, self._doubts.get(claim.delivery)
        reports = "DSN" in connection.extensions
        talk = doubt.talk if doubt else ""
        host = f"{target.host}[{target.address}]"
        tls, policy = connection.tls, connection.policy
        return Attempt(said, host, tls, reports, talk, policy, carried, relayed, local=target.local)

    def _withdraw(self, claims: Iterable[Claim]) -> None:
        """No dot has gone out. What was superseded ends as the claim does; others go on."""
        for claim in claims:
            if is_late(claim, time.time()):
                conclusion = given_up(claim, self._tools.rules, time.time(), self._tools.original(claim))
                self._settle(Ending(claim, conclusion, self._after(claim)))
            else:
                self._hand_back(claim)

    def _hand_back(self, claim: Claim) -> None:
        self._settle(handed_back(claim, self._after(claim)))

    def _end(self, claim: Claim, attempts: dict[int, Attempt]) -> tuple[SiteWord, ...]:
        """Settle it; what was said of the way, which is passed on once all claims have ended."""
        conclusion = self._concluded(claim, attempts)
        self._settle(Ending(claim, conclusion, self._after(claim)))
        self.wears_out = self.wears_out or conclusion.close
        return conclusion.words

    def _concluded(self, claim: Claim, attempts: dict[int, Attempt]) -> Conclusion:
        now = time.time()
        try:
            if any(_refused(each) for each in attempts.values()) and self._elsewhere(claim):
                attempts = {number: replace(each, elsewhere=True) for number, each in attempts.items()}
            return conclude(claim, attempts, self._tools.rules, now, self._tools.original(claim))
        except Exception as error:  # noqa: BLE001  whatever broke here, the claim must not stay in our hands
            text = f"what was said of it could not be judged: {error!r}"
            log.event(log.Matter.FAULT, text, log.Level.ERROR, queue_id=claim.queue_id, reason=repr(error))
            return unjudged(claim, attempts, text, now, now + self._tools.rules.retry.schedule[-1])

    def _pass_on(self, words: Iterable[SiteWord], family: str) -> None:
        for word in words:
            self._heed(word, family)

    def _settle(self, ending: Ending) -> None:
        self._open.pop(ending.claim.delivery, None)
        self._tools.settler.add(ending)

    def _after(self, claim: Claim) -> Callable[[], None]:
        slot = self._slots.pop(claim.delivery, None)

        def after() -> None:
            self._tools.bag.settled()
            if slot is not None:
                self._tools.dots.release(slot)

        return after


def _refused(attempt: Attempt) -> bool:
    return attempt.said.reply is not None and attempt.said.reply.code >= 400
