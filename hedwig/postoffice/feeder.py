"""The feeder: keeps the queue supplied with hints about deliveries that are due (I2), within windows (window.py, I9).

It goes by *streams*: what goes to one destination in one priority. Better priorities go first, whatever waits behind
them: bulk has to wait while what is urgent or normal fills the windows, and starves nobody else. Within a priority
destinations take turns, and in each of them what was never tried and what was (Look.due).

What it learns, and from where:

- Fresh deliveries: told by acceptance in this process; hinted at once where the window has room.
- Deferred ones that became due: asked of the spool every POLL seconds, with an overlap.
- All that is due: every stream at the start, after the queue began anew or the clock jumped, and every minute.
- How fast hints are taken: by asking which of them still wait; as soon as a window may run low where one is full.
- Pauses that workers publish: nothing is hinted for such a stream until they end, and what was out is forgotten,
  because workers have dropped it. Expired deliveries are hinted all the same: they are bounced, not sent.
- A hint that was put over a minute ago and whose delivery still waits is put again, unless the queue still has it. So
  is an earlier one, once the operator has freed something: it may have been taken while its delivery was held.

How it fails: the queue may be away, hang or be emptied at any time; `down` says so, acceptance goes on, and hints are
put when it is back. No error ends it, not even one that nobody foresaw. It keeps no list of what waits: a million
waiting deliveries cost it their destinations' names. One thread runs `run`; `step` is one round and does not wait, for
tests. `notice` may be called from any thread.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from hedwig import log
from hedwig.postoffice.complaints import Complaints
from hedwig.postoffice.hints import Hints, stream_of
from hedwig.postoffice.lost import Lost
from hedwig.postoffice.pausing import Pausing
from hedwig.postoffice.timetable import Clocks, Timetable
from hedwig.postoffice.turns import Turns
from hedwig.postoffice.window import Windows, one_lane
from hedwig.pulse import Pulse
from hedwig.queue import Queue, QueueDown
from hedwig.spool import Look, SpoolTrouble, Stream, Waiting
from hedwig.spool.stops import EVERYWHERE

POLL = 0.25
POLL_SHORT = 0.1  # while a receiver has mail enough for a moment
OVERLAP = 2.0
INSTANCE_EVERY = 1.0
ALL_EVERY = 60.0
ALL_AT_MOST = 5.0  # all destinations are not asked for more often than that, however cheap it is
EXPIRED_EVERY = 1.0
EXPIRED_MORE = 0.1  # where there are more than go into one round
RETRY = 0.5
ASK_FAST = 0.02
ASK_SLOW = 0.5
ASK_IDLE = 2.0
JUMP = 2.0
AT_ONCE = 1000  # hints in one round of topping up, so that fresh mail gets its turn in between
MOST_NOTICED = 50_000


class Feeder:
    """Feeds one queue from one spool."""

    def __init__(
        self, look: Look, queue: Queue, clocks: Clocks | None = None, lane_of: Callable[[str], str] = one_lane
    ) -> None:
        self.pulse = Pulse("the feeder")
        self._look = look
        self._clocks = clocks or Clocks()
        self._windows = Windows(lane_of)
        self._hints = Hints(queue, self._windows, lane_of)
        self._wake = threading.Event()
        self._noticed: deque[Waiting] = deque()
        self._overrun = False
        self._stopping = False
        self._backlog = Turns()  # streams to be topped up
        self._full: set[Stream] = set()  # streams with a full window and perhaps more that is due
        self._priorities: set[int] = set()  # all that were met
        self._pausing = Pausing()
        self._instance = ""
        self._times = Timetable(self._clocks, "instance", "all", "due", "pauses", "expired", "ask")
        self._asked_at = self._clocks.monotonic()
        self._times.after("ask", ASK_FAST)
        self._ask_every = ASK_FAST
        self._due_since = self._clocks.unix()
        self._lost = Lost()
        self._wrong = Complaints()

    @property
    def down(self) -> str:
        """Why the queue gets no hints; "" while it does."""
        return self._wrong.queue or self._wrong.fault

    def notice(self, waiting: Sequence[Waiting]) -> None:
        """Fresh deliveries are in the spool."""
        if len(self._noticed) < MOST_NOTICED:
            self._noticed.extend(waiting)
        else:
            self._overrun = True  # the spool will tell
        self._wake.set()

    def run(self) -> None:
        """Feed until `stop`."""
        while not self._stopping:
            self._wake.clear()
            self.pulse.busy()
            wait = self.step()
            self._wake.wait(max(wait, 0.0))
        self.pulse.end()
        self._hints.queue.close()

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stopping = True
        self._wake.set()

    def step(self) -> float:
        """One round; gives the seconds until the next one has something to do, if nothing is noticed before."""
        self._mind_the_clock()
        fresh = self._take_noticed()
        try:
            if self._times.is_due("instance", RETRY if self._wrong.queue else INSTANCE_EVERY):
                self._compare_instance()
            if self._wrong.queue:
                self._set_aside(fresh)
                return RETRY
            busy = self._feed(fresh)
        except Exception as error:  # noqa: BLE001 -- the last line of defence: without this thread no mail is delivered
            self._set_aside(fresh)
            self._complain(error)
            return RETRY
        self._wrong.all_is_well()
        if self._pressed():
            self._times.not_after("ask", self._asked_at + self._ask_every)
        return 0.0 if busy or self._noticed else self._times.wait()

    def _feed(self, fresh: Sequence[Waiting]) -> bool:
        self._watch_pauses()
        self._put_fresh(fresh)
        self._find_due()
        self._ask()
        return self._top_up()

    def _complain(self, error: Exception) -> None:
        if isinstance(error, QueueDown):
            self._wrong.queue_is_down(error)
            self._times.after("instance", RETRY)
            return
        if isinstance(error, SpoolTrouble):
            self._wrong.spool_is_unread(error)
        else:
            self._wrong.at_fault(error)
        self._times.at_once("all", "pauses")

    def _pressed(self) -> bool:
        """Whether something waits for hints to be taken."""
        return bool(self._full) or (bool(self._backlog) and bool(self._windows.full_lanes()))

    def _mind_the_clock(self) -> None:
        jumped = self._times.jumped()
        if abs(jumped) > JUMP:
            self._forget_hints()  # whether one was put before its delivery was put off can't be told any more
            self._due_since = self._clocks.unix()
            self._times.at_once("all", "pauses")

    def _take_noticed(self) -> list[Waiting]:
        fresh = [self._noticed.popleft() for _ in range(len(self._noticed))]
        if self._overrun:
            self._overrun = False
            self._times.at_once("all")
        return fresh

    def _set_aside(self, fresh: Sequence[Waiting]) -> None:
        self._backlog.add(stream_of(waiting) for waiting in fresh)

    def _compare_instance(self) -> None:
        instance = self._hints.queue.instance()
        self._wrong.queue_is_back()
        if instance != self._instance:
            if self._instance:
                log.say(log.Level.NOTICE, "the queue began anew: hints are put again")
            self._instance = instance
            self._forget_hints()
            self._times.at_once("all")

    def _forget_hints(self) -> None:
        """All are put anew: a doubled hint does no harm (I2)."""
        self._windows.forget_all()
        self._full.clear()

    def _watch_pauses(self) -> None:
        if not self._times.is_due("pauses", POLL):
            return
        unix, began = self._clocks.unix(), self._clocks.monotonic()
        known = self._look.pauses(self._pausing.asked_from(unix))
        took = self._clocks.monotonic() - began
        for destination, first in self._pausing.changed(known, unix).items():
            if destination == EVERYWHERE:
                self._times.at_once("all")
                self._times.not_after("ask", self._asked_at + ASK_SLOW)
                self._lost.freed(unix)
            for priority in [each for each in self._priorities if each >= first]:
                stream = Stream(destination, priority)
                self._windows.forget(stream)
                self._full.discard(stream)
                if self._pausing.is_paused(stream):
                    self._backlog.discard(stream)
                else:
                    self._backlog.put_last(stream)
        if self._pausing.short:
            self._times.not_after("pauses", began + max(POLL_SHORT, 10 * took))

    def _put_fresh(self, fresh: Sequence[Waiting]) -> None:
        to_put: list[Waiting] = []
        rooms: dict[Stream, int] = {}
        for waiting in fresh:
            stream = stream_of(waiting)
            room = rooms.get(stream)
            if room is None:
                room = self._room_for_fresh(stream)
            if room > 0:
                to_put.append(waiting)
            elif room == 0:
                self._backlog.add([stream])
            rooms[stream] = room - 1
        self._put(to_put)

    def _room_for_fresh(self, stream: Stream) -> int:
        """How many fresh ones may be hinted at once; less than 0 where they have their turn with the others there."""
        self._priorities.add(stream.priority)
        if stream in self._backlog or stream in self._full or self._pausing.is_paused(stream):
            return -1
        return self._windows.fresh_room(stream)

    def _find_due(self) -> None:
        unix = self._clocks.unix()
        if self._times.is_due("all", ALL_EVERY):
            started = self._clocks.monotonic()
            self._more(self._look.streams(unix, None))
            took = self._clocks.monotonic() - started
            self._times.after("all", min(ALL_EVERY, max(ALL_AT_MOST, 200 * took)))
        if self._times.is_due("due", POLL):
            self._more(self._look.streams(unix, self._due_since - OVERLAP))
            self._due_since = unix
        if self._times.is_due("expired", EXPIRED_EVERY):
            expired = self._look.expired(unix, AT_ONCE)
            self._put([one for one in expired if one.delivery not in self._windows.out(stream_of(one))])
            if len(expired) == AT_ONCE:
                self._times.after("expired", EXPIRED_MORE)

    def _more(self, streams: set[Stream]) -> None:
        self._priorities.update(stream.priority for stream in streams)
        self._backlog.add(stream for stream in streams - self._full if not self._pausing.is_paused(stream))

    def _put(self, waiting: Sequence[Waiting]) -> None:
        try:
            self._hints.put(waiting, self._clocks.unix())
        except QueueDown:
            self._set_aside(waiting)
            raise

    def _ask(self) -> None:
        """Which hints have been taken? At most a tenth of the time is spent on asking."""
        if not self._times.is_due("ask", ASK_IDLE):
            return
        now = self._clocks.monotonic()
        hinted = self._windows.every()
        taken = self._windows.taken(
            self._look.still_waiting(hinted, self._clocks.unix()) if hinted else set(), now - self._asked_at
        )
        unix = self._clocks.unix()
        self._hints.put_lost(self._lost.before(unix, self._clocks.monotonic()), unix)
        took = self._clocks.monotonic() - now
        self._ask_every = max(10 * took, ASK_FAST if taken else min(ASK_SLOW, 2 * self._ask_every))
        self._asked_at = now
        for stream in [one for one in self._full if self._windows.low(one)]:
            self._full.discard(stream)
            self._backlog.add([stream])

    def _top_up(self) -> bool:
        """Fill windows, by turns; whether there is more to do at once."""
        left = AT_ONCE
        waiting: list[Waiting] = []
        for stream in self._backlog.first(AT_ONCE):
            room = min(self._windows.room(stream), self._windows.lane_room(stream), left)
            if not left:
                break
            share = min(room, max(100, left // len(self._backlog)))
            self._backlog.discard(stream)
            if not self._windows.low(stream):
                self._full.add(stream)
            elif not room:
                self._backlog.put_last(stream)  # its lane is full: behind those of other lanes
            else:
                found = self._due(stream, share)
                waiting += found
                left -= len(found)
                self._windows.hinted(stream, [one.delivery for one in found], self._clocks.unix())
        self._put(waiting)
        return bool(self._backlog) and left < AT_ONCE

    def _due(self, stream: Stream, share: int) -> list[Waiting]:
        """Up to `share` due deliveries that are not hinted yet; keeps the stream in turn if there may be more.

        One that became due after its last hint was put has been taken and deferred meanwhile: that hint is gone.
        """
        out = self._windows.out(stream)
        limit = len(out) + share
        due = self._look.due(stream.destination, self._clocks.unix(), limit, stream.priority)
        if len(due) >= limit:
            self._backlog.put_last(stream)
        return [one for one in due if one.due > out.get(one.delivery, float("-inf"))][:share]
