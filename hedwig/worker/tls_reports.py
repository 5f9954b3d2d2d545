"""TLS reports (RFC 8460): counts how TLS went, and sends each domain that wants it the report of the day before.

Couriers call `count` for each session; what they counted goes to the spool once a minute, and when the worker stops. A
worker that dies takes up to a minute's counts with it: they are statistics. Every worker asks the spool for what is
due; whoever comes first has it (spool/tls_results.py). Where a domain wants its report by mail a letter is registered
and delivered like any other; by HTTPS it is posted from here, and tried again by whoever comes first then.

Without a reporter (setting `tls_report`) nothing is counted or sent.
"""

import asyncio
import ipaddress
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from urllib.parse import urlsplit

from hedwig import log, queueid
from hedwig.dkim.sign import NOBODY, Signer
from hedwig.envelope import Envelope, digest
from hedwig.https_post import post
from hedwig.mx import AddressesFound, MxUnknown, Resolver
from hedwig.options import Notify, Options, Priority, TlsWish
from hedwig.reply import one_line
from hedwig.routing import Networks, refused
from hedwig.spool import Bytes, NewMessage, SpoolTrouble, Waiting
from hedwig.spool.digests import Putting
from hedwig.spool.tls_results import End, count, end, take
from hedwig.tlsrpt import DAY, Count, Day, Reporter, Session, day_of, letter, record
from hedwig.tlsrpt.report import Report, build

ROUND = 60.0  # seconds between flushes, and between looks at what is due
MOST = 5_000  # kinds of sessions that are kept in memory; more are flushed at once
SPREAD = (1.0, 4 * 3600.0)  # seconds from a day's end to its report (RFC 8460 §4.1)
MEDIA_TYPE = "application/tlsrpt+gzip"

Post = Callable[[str, str, bytes, str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends reports. `host`: this host's name, to whom the letters belong; `refused`: networks that nothing is
    posted to; `signer`: signs the letters, without which receivers need not believe them (RFC 8460 §3)."""

    reporter: Reporter
    host: str
    refused: Networks
    signer: Signer = NOBODY


class TlsReports:
    """Of one worker. `sender` gives what is in force now, None where there are no reports; `hint` is told of letters
    that wait for delivery. Belongs to the event loop."""

    def __init__(
        self,
        spool: Putting,
        resolver: Resolver,
        sender: Callable[[], Sender | None],
        hint: Callable[[list[Waiting]], None],
        post: Post = post,
    ) -> None:
        self._spool = spool
        self._resolver = resolver
        self._sender = sender
        self._hint = hint
        self._post = post
        self._counted: Counter[tuple[int, Session]] = Counter()

    def count(self, session: Session) -> None:
        """One more session like this."""
        if self._sender() is not None:
            self._counted[day_of(time.time()), session] += 1
            if len(self._counted) >= MOST:
                self._put()

    async def run(self) -> None:
        """Until cancelled: flush and send, a round a minute."""
        while True:
            await self.flush()
            await _guarded(self.send(time.time()), "TLS reports can't be sent")
            await asyncio.sleep(ROUND * random.uniform(0.8, 1.2))  # noqa: S311  workers need not all come at once

    async def flush(self) -> None:
        """Have what was counted written; what can't be (the spool is in trouble, and says so) is lost."""
        await asyncio.gather(*map(asyncio.wrap_future, self._put()), return_exceptions=True)

    async def send(self, now: float) -> None:
        """Send the reports that are due. Raises SpoolTrouble."""
        more = True
        while more and (sender := self._sender()) is not None:
            taken = await asyncio.wrap_future(take(self._spool, now))
            for _, domain in taken.dropped:
                log.say(log.Level.NOTICE, f"the TLS report to {domain} is given up: it could not be sent for a day")
            for day in taken.days:
                await _guarded(self._send(sender, day, now), f"the TLS report to {day.domain} can't be made")
            more = taken.more

    def _put(self) -> "list[Future[object]]":
        counted, self._counted = self._counted, Counter()
        days: dict[int, list[Count]] = {}
        for (day, session), sessions in counted.items():
            days.setdefault(day, []).append(Count(session, sessions))
        return [
            future
            for day, counts in days.items()
            for future in count(self._spool, day, counts, lambda: random.uniform(*SPREAD))  # noqa: S311
        ]

    async def _send(self, sender: Sender, day: Day, now: float) -> None:
        """One report to all that its domain names; its end, unless it is to be tried again."""
        texts = await self._resolver.texts(record.NAME + day.domain)
        if isinstance(texts, MxUnknown):
            return
        wanted = record.read(texts)
        if not wanted:
            await asyncio.wrap_future(end(self._spool, End(day.number, day.domain), now))
            return
        report = build(day, sender.reporter)
        letters = tuple(_letter(sender, report, to, now) for to in wanted.mail)
        posted = [url for url in wanted.https if await self._posted(sender, report, url)]
        if not letters and not posted:
            return
        waiting = await asyncio.wrap_future(end(self._spool, End(day.number, day.domain, letters), now))
        self._hint(list(waiting))
        for each in letters:
            text = f"{each.queue_id}: TLS report to {day.domain}: to=<{each.envelope.rcpttos[0]}>"
            log.say(log.Level.INFO, text)

    async def _posted(self, sender: Sender, report: Report, url: str) -> bool:
        address = await self._address(sender, urlsplit(url).hostname or "")
        why = "its host has no address that may be posted to"
        if address:
            why = await self._post(url, address, report.content, MEDIA_TYPE)
        shown = one_line(url)
        if why:
            log.say(log.Level.NOTICE, f"TLS report to {report.domain}: {shown} did not take it: {one_line(why)}")
        else:
            log.say(log.Level.INFO, f"TLS report to {report.domain}: posted to {shown}")
        return not why

    async def _address(self, sender: Sender, host: str) -> str:
        """The first address of the host that is not refused; "" if there is none."""
        try:
            addresses: tuple[str, ...] = (str(ipaddress.ip_address(host)),)
        except ValueError:
            answer = await self._resolver.addresses(host.rstrip(".").lower())
            addresses = answer.addresses if isinstance(answer, AddressesFound) else ()
        return next((each for each in addresses if not refused(each, sender.refused)), "")


async def _guarded(sending: Awaitable[None], failed: str) -> None:
    """What one report trips over must not hold up the others, and reports must not hold up the mail."""
    try:
        await sending
    except SpoolTrouble:
        return  # who writes there says so; it is due again later
    except Exception as error:  # noqa: BLE001
        log.event(log.Matter.FAULT, f"{failed}: {error!r}", log.Level.ALERT, reason=repr(error))


def _letter(sender: Sender, report: Report, to: str, now: float) -> NewMessage:
    """The letter as a message of the spool: nobody hears of it if it fails, and a day is all that it is worth."""
    queue_id = queueid.new(now)
    content = sender.signer.sign(letter.build(report, sender.reporter, to, queue_id, now))
    envelope = Envelope(sender.reporter.contact, (to,))
    return NewMessage(
        queue_id=queue_id,
        client=sender.host,
        envelope=envelope,
        body=Bytes(content),
        digest=digest(envelope, [content]),
        accepted_at=now,
        expires_at=now + DAY,
        parts=envelope.by_destination(),
        priority=int(Priority.BULK),
        options=Options(notify=(Notify(to, ("NEVER",)),), tls=TlsWish.OPTIONAL),
        message_id=f"<{queue_id}@{sender.reporter.domain}>",
    )
