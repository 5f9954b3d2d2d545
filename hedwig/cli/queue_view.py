"""How a list of what is queued looks, for people and as JSON. Pure; all from outside is cleaned (I11). One message with
its history: letter_view.py.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from hedwig.cli.next_try import NOTHING, Kept, kept, next_try, operators
from hedwig.cli.terminal import clean, counted, indented, moment, octets, padded, span, wide
from hedwig.spool.operate import Letter, Stop, StopKind
from hedwig.spool.reasons import IN_DOUBT
from hedwig.spool.shown import QueuedRecipient
from hedwig.spool.stops import FOREVER
from hedwig.spool.streams import Pause
from hedwig.spool.words import POSTOFFICE, State

_WORDS = {
    State.READY: "not tried yet",
    State.ACTIVE: "being sent",
    State.DEFERRED: "deferred",
    State.HELD: "held",
    State.PAUSED: "its client is paused",
    State.DONE: "done",
}
_SHORTLY = 5.0  # seconds: a rest that is over by then is not worth a word
_ADDRESS_COLUMNS = 40  # a longer address pushes its line's rest to the right, not that of all others


class Page(NamedTuple):
    """A part of the list. `more` is the value for --after, "" at the end."""

    queued: Sequence[QueuedRecipient]
    pauses: Sequence[Pause]
    stops: Sequence[Stop]
    more: str


def page_lines(daemon: str, spool: str, page: Page, now: float, chosen: str = "") -> list[str]:
    """The list for people, headed by the daemon's name. `chosen`: the filter's options, for the next page."""
    messages = [list(rows) for _, rows in groupby(page.queued, key=lambda row: row.queue_id)]
    count = f"{counted(len(page.queued), 'recipient', 'recipients')} of {counted(len(messages), 'message', 'messages')}"
    nothing = "nothing like that waits" if chosen else "nothing waits"
    more = ", the oldest; there is more" if page.more else ""
    lines = [f"{daemon} ({clean(spool)}): {count}{more}" if messages else f"{daemon} ({clean(spool)}): {nothing}"]
    known = kept(page.stops, page.pauses)
    for rows in messages:
        lines += ["", head(rows[0], now), *recipient_lines(rows, now, known)]
    if known.stops:
        lines += ["", "Paused by an operator:", *stop_lines(known.stops, now)]
    if known.pauses:
        lines += ["", "Not tried at present:", *pause_lines(known, now)]
    if page.more:
        options = f"{chosen} " if chosen else ""
        lines += ["", f"There is more: hedwig queue --spool {daemon} {options}--after {page.more}"]
    return lines


def row_lines(rows: Sequence[QueuedRecipient], now: float) -> list[str]:
    """A few recipients, two lines each at the most, for a list that says elsewhere what it is about."""
    lines = []
    for row in rows:
        lines.append(f"    {row.queue_id}  {clean(row.rcptto)}  {_state(row, now)}")
        lines += indented(clean(row.last_reply), 8)[:1]
    return lines


def left_alone_lines(pauses: Sequence[Pause], rows: Sequence[QueuedRecipient], now: float) -> list[str]:
    """Of the destinations of these rows those that workers leave alone, and how to have them tried all the same."""
    wanted = {row.destination for row in rows}
    return [
        f"{clean(pause.destination)} is left alone for {span(pause.until - now)} more ({clean(pause.reason)}); "
        f"to have it tried now: hedwig site resume {clean(pause.destination)}"
        for pause in kept((), pauses).pauses
        if pause.destination in wanted and pause.until > now + _SHORTLY
    ]


def stop_lines(stops: Sequence[Stop], now: float) -> list[str]:
    """What an operator has paused: what, since when, until when, who and why."""
    lines = []
    for stop in stops:
        what = "client" if stop.kind is StopKind.CLIENT else "site"
        until = "until it is resumed" if stop.until >= FOREVER else f"until {moment(stop.until)}"
        by = f"by {clean(stop.who)}" if stop.who else ""
        lines.append(f"    {what} {clean(stop.name)}: since {moment(stop.since)}, {until}")
        lines += indented(": ".join(part for part in (by, clean(stop.reason)) if part), 8)
    return lines


def page_json(page: Page) -> dict[str, Any]:
    """The list as JSON's values."""
    return {
        "queued": page.queued,
        "pauses": page.pauses,
        "stops": page.stops,
        "after": page.more,
    }


def head(row: QueuedRecipient | Letter, now: float) -> str:
    """A message's first line: ID, age, size, sender and client."""
    sender = clean(row.mailfrom) or "<> (a bounce)"
    client = f"  via {clean(row.client)}" if row.client else ""
    return f"{row.queue_id}  {span(now - row.accepted_at)} old  {octets(row.size)}  from {sender}{client}"


def recipient_lines(rows: Sequence[QueuedRecipient], now: float, known: Kept = NOTHING) -> list[str]:
    """A message's recipients: state, and below it the last reply."""
    cells = [(clean(row.rcptto), _state(row, now, known), clean(row.last_reply)) for row in rows]
    columns = min(max((wide(address) for address, _, _ in cells), default=0), _ADDRESS_COLUMNS)
    lines = []
    for address, state, reply in cells:
        lines += [f"    {padded(address, columns)}  {state}", *indented(reply, 8)]
    return lines


def _state(row: QueuedRecipient, now: float, known: Kept = NOTHING) -> str:
    at_mailman = row.destination == POSTOFFICE
    # What was offered before it came to mailman's own spool has an answer, or why there is none, and no try.
    offered = at_mailman and row.state is State.READY and row.last_reply
    parts = ["waiting" if offered else _WORDS[row.state]]
    if at_mailman and row.doubts:
        parts.append(IN_DOUBT)
    if row.tries:
        parts.append(counted(row.tries, "try", "tries"))
    if row.state in (State.READY, State.DEFERRED):
        parts.append(next_try(row, now, known))
    return ", ".join(parts)


def pause_lines(known: Kept, now: float) -> list[str]:
    """What workers leave alone, for how long, and why. What an operator has paused has its end in stop_lines."""
    lines = []
    for pause in known.pauses:
        name = "the postoffice" if pause.destination == POSTOFFICE else clean(pause.destination)
        if operators(pause, known.stops):
            lines += indented(f"{name}: {clean(pause.reason)}", 4)
        else:
            lines += [f"    {name}: for {span(pause.until - now)} more", *indented(clean(pause.reason), 8)]
    return lines
