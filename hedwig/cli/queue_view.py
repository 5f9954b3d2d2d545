"""How queued messages and their history look, for people and as JSON. Pure; all from outside is cleaned (I11)."""

from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from hedwig.cli.terminal import clean, counted, due, indented, moment, octets, padded, span, wide
from hedwig.options import OnDoubt, Options, Priority, submitter_of
from hedwig.spool.operate import Letter, Stop, StopKind
from hedwig.spool.reasons import IN_DOUBT
from hedwig.spool.records import POSTOFFICE, HistoryLine, QueuedRecipient, State
from hedwig.spool.stops import FOREVER
from hedwig.spool.streams import Pause

_WORDS = {
    State.READY: "not tried yet",
    State.ACTIVE: "being sent",
    State.DEFERRED: "deferred",
    State.HELD: "held",
    State.PAUSED: "its client is paused",
    State.DONE: "done",
}
_ADDRESS_COLUMNS = 40  # a longer address pushes its line's rest to the right, not that of all others


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the list. `more` is the value for --after, "" at the end."""

    queued: Sequence[QueuedRecipient]
    pauses: Sequence[Pause]
    stops: Sequence[Stop]
    more: str


@dataclass(frozen=True, slots=True)
class Known:
    """All that one spool knows of a queue ID: what is queued (seldom more than one message), and what happened."""

    queue_id: str
    letters: Sequence[Letter]
    history: Sequence[HistoryLine]


def page_lines(daemon: str, spool: str, page: Page, now: float, chosen: str = "") -> list[str]:
    """The list for people, headed by the daemon's name. `chosen`: the filter's options, for the next page."""
    messages = [list(rows) for _, rows in groupby(page.queued, key=lambda row: row.queue_id)]
    count = f"{counted(len(page.queued), 'recipient', 'recipients')} of {counted(len(messages), 'message', 'messages')}"
    nothing = "nothing like that waits" if chosen else "nothing waits"
    more = ", the oldest; there is more" if page.more else ""
    lines = [f"{daemon} ({clean(spool)}): {count}{more}" if messages else f"{daemon} ({clean(spool)}): {nothing}"]
    paused = {stop.name for stop in page.stops if stop.kind is StopKind.SITE}
    for rows in messages:
        lines += ["", _head(rows[0], now), *_recipients(rows, now, paused)]
    if page.stops:
        lines += ["", "Paused by an operator:", *stop_lines(page.stops, now)]
    if page.pauses:
        lines += ["", "Not tried at present:", *_pauses(page.pauses, now)]
    if page.more:
        options = f"{chosen} " if chosen else ""
        lines += ["", f"There is more: hedwig queue --spool {daemon} {options}--after {page.more}"]
    return lines


def known_lines(daemon: str, known: Known, now: float, *, whole: bool = False) -> list[str]:
    """One message for people: what still waits, then what happened, oldest first. `whole`: with its options."""
    lines = []
    for letter in known.letters:
        waiting = [row for row in letter.recipients if row.state is not State.DONE]
        lines += [f"{daemon}: {_head(letter, now)}", *(_about(letter, now) if whole else ())]
        lines += _recipients(letter.recipients if whole else waiting, now)
    if not known.letters:
        client = f", from {clean(known.history[0].client)}" if known.history and known.history[0].client else ""
        lines = [f"{daemon}: {known.queue_id}{client}: nothing of it waits any more"]
    if known.history:
        lines.append("")
    for line in known.history:
        lines += _history_lines(line)
    return lines


def _history_lines(line: HistoryLine) -> list[str]:
    """One event; below it the conversation up to the dot, where that is known of a doubtful attempt."""
    kind = line.kind.value.replace("_", " ")
    text, *talk = (clean(part) for part in line.text.split("\n"))
    text = text.removeprefix(kind).removeprefix(": ")  # the kind has a column of its own
    if text[:2] in ("* ", "> ", "< "):
        text, talk = "", [text, *talk]
    first, *others = indented(": ".join(part for part in (clean(line.rcptto), text) if part), 4) or [""]
    head = f"{moment(line.at)}  {padded(kind, 9)}  {first.strip()}".rstrip()
    return [head, *others, *(f"        {said}" for said in talk)]


def row_lines(rows: Sequence[QueuedRecipient], now: float) -> list[str]:
    """A few recipients, two lines each at the most, for a list that says elsewhere what it is about."""
    lines = []
    for row in rows:
        lines.append(f"    {row.queue_id}  {clean(row.rcptto)}  {_state(row, now)}")
        lines += indented(clean(row.last_reply), 8)[:1]
    return lines


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
        "queued": [asdict(row) for row in page.queued],
        "pauses": [asdict(pause) for pause in page.pauses],
        "stops": [asdict(stop) for stop in page.stops],
        "after": page.more,
    }


def known_json(known: Known) -> dict[str, Any]:
    """One message as JSON's values."""
    return {
        "queue_id": known.queue_id,
        "letters": [asdict(letter) for letter in known.letters],
        "history": [asdict(line) for line in known.history],
    }


def _head(row: QueuedRecipient | Letter, now: float) -> str:
    sender = clean(row.mailfrom) or "<> (a bounce)"
    client = f"  via {clean(row.client)}" if row.client else ""
    return f"{row.queue_id}  {span(now - row.accepted_at)} old  {octets(row.size)}  from {sender}{client}"


def _about(letter: Letter, now: float) -> list[str]:
    """What it asks for, who handed it in, how long it may wait."""
    parts = [f"given up {due(letter.expires_at, now)}" if letter.expires_at > now else "past its expiry"]
    if letter.priority in (Priority.URGENT, Priority.BULK):
        parts.append(Priority(letter.priority).name.lower())
    if letter.smtputf8:
        parts.append("SMTPUTF8")
    parts += _asked(letter.options, now)
    lines = indented("; ".join(parts), 4)
    if letter.submitter:
        lines += indented(f"handed in by {clean(str(submitter_of(letter.submitter)))}", 4)
    if letter.origin:
        lines += indented(f"a report about {clean(letter.origin)}", 4)
    return lines


def _asked(options: Options, now: float) -> list[str]:
    words = []
    if options.deadline:
        words.append(f"not to be sent after {moment(options.deadline)}")
    if options.supersede:
        words.append(f"supersede key {clean(options.supersede)}")
    if options.on_doubt is not OnDoubt.RETRY:
        words.append(f"on doubt: {options.on_doubt.value}")
    if options.ret:
        words.append(f"RET={options.ret}")
    if options.envid:
        words.append(f"ENVID={clean(options.envid)}")
    for each in options.notify[:3]:
        if each.when:
            words.append(f"NOTIFY={','.join(each.when)} for {clean(each.rcptto)}")
    return words


def _recipients(rows: Sequence[QueuedRecipient], now: float, paused: Container[str] = ()) -> list[str]:
    cells = [(clean(row.rcptto), _state(row, now, paused), clean(row.last_reply)) for row in rows]
    columns = min(max((wide(address) for address, _, _ in cells), default=0), _ADDRESS_COLUMNS)
    lines = []
    for address, state, reply in cells:
        lines += [f"    {padded(address, columns)}  {state}", *indented(reply, 8)]
    return lines


def _state(row: QueuedRecipient, now: float, paused: Container[str] = ()) -> str:
    at_mailman = row.destination == POSTOFFICE
    # What was offered before it came to mailman's own spool has an answer, or why there is none, and no try.
    offered = at_mailman and row.state is State.READY and row.last_reply
    parts = ["waiting" if offered else _WORDS[row.state]]
    if at_mailman and row.doubts:
        parts.append(IN_DOUBT)
    if row.tries:
        parts.append(counted(row.tries, "try", "tries"))
    if row.state in (State.READY, State.DEFERRED):
        parts.append("its site is paused" if row.destination in paused else f"next try {due(row.due, now)}")
    return ", ".join(parts)


def _pauses(pauses: Sequence[Pause], now: float) -> list[str]:
    lines = []
    for pause in sorted(pauses, key=lambda one: (one.until, one.destination)):
        name = "the postoffice" if pause.destination == POSTOFFICE else clean(pause.destination)
        lines += [f"    {name}: for {span(pause.until - now)} more", *indented(clean(pause.reason), 8)]
    return lines
