"""How queued messages and their history look, for people and as JSON. Pure; all from outside is cleaned (I11)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from hedwig.cli.terminal import clean, counted, due, indented, moment, octets, padded, span, wide
from hedwig.spool import POSTOFFICE, HistoryLine, Pause, QueuedRecipient, State

_WORDS = {
    State.READY: "not tried yet",
    State.ACTIVE: "being sent",
    State.DEFERRED: "deferred",
    State.HELD: "held",
    State.DONE: "done",
}
_ADDRESS_COLUMNS = 40  # a longer address pushes its line's rest to the right, not that of all others


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the list. `more` is the value for --after, 0 at the end."""

    queued: Sequence[QueuedRecipient]
    pauses: Sequence[Pause]
    more: int


def page_lines(daemon: str, spool: str, page: Page, now: float) -> list[str]:
    """The list for people, headed by the daemon's name."""
    messages = [list(rows) for _, rows in groupby(page.queued, key=lambda row: row.queue_id)]
    count = f"{counted(len(page.queued), 'recipient', 'recipients')} of {counted(len(messages), 'message', 'messages')}"
    lines = [f"{daemon} ({clean(spool)}): {count if messages else 'nothing waits'}"]
    for rows in messages:
        lines += ["", _head(rows[0], now), *_recipients(rows, now)]
    if page.pauses:
        lines += ["", "Not tried at present:", *_pauses(page.pauses, now)]
    if page.more:
        lines += ["", f"There is more: hedwig queue --spool {daemon} --after {page.more}"]
    return lines


def message_lines(
    daemon: str, queue_id: str, queued: Sequence[QueuedRecipient], history: Sequence[HistoryLine], now: float
) -> list[str]:
    """One message for people: what still waits, then what happened, oldest first."""
    if queued:
        lines = [f"{daemon}: {_head(queued[0], now)}", *_recipients(queued, now)]
    else:
        client = f", from {clean(history[0].client)}" if history and history[0].client else ""
        lines = [f"{daemon}: {queue_id}{client}: nothing of it waits any more"]
    if history:
        lines.append("")
    for line in history:
        kind = line.kind.value.replace("_", " ")
        text = clean(line.text).removeprefix(kind).removeprefix(": ")  # the kind has a column of its own
        first, *others = indented(": ".join(part for part in (clean(line.rcptto), text) if part), 4) or [""]
        lines += [f"{moment(line.at)}  {padded(kind, 9)}  {first.strip()}".rstrip(), *others]
    return lines


def page_json(page: Page) -> dict[str, Any]:
    """The list as JSON's values."""
    return {
        "queued": [asdict(row) for row in page.queued],
        "pauses": [asdict(pause) for pause in page.pauses],
        "after": page.more,
    }


def message_json(queued: Sequence[QueuedRecipient], history: Sequence[HistoryLine]) -> dict[str, Any]:
    """One message as JSON's values."""
    return {"queued": [asdict(row) for row in queued], "history": [asdict(line) for line in history]}


def _head(row: QueuedRecipient, now: float) -> str:
    sender = clean(row.mailfrom) or "<> (a bounce)"
    client = f"  via {clean(row.client)}" if row.client else ""
    return f"{row.queue_id}  {span(now - row.accepted_at)} old  {octets(row.size)}  from {sender}{client}"


def _recipients(rows: Sequence[QueuedRecipient], now: float) -> list[str]:
    cells = [(clean(row.rcptto), _state(row, now), clean(row.last_reply)) for row in rows]
    columns = min(max(wide(address) for address, _, _ in cells), _ADDRESS_COLUMNS)
    lines = []
    for address, state, reply in cells:
        lines += [f"    {padded(address, columns)}  {state}", *indented(reply, 8)]
    return lines


def _state(row: QueuedRecipient, now: float) -> str:
    parts = [_WORDS[row.state]]
    if row.tries:
        parts.append(counted(row.tries, "try", "tries"))
    if row.state in (State.READY, State.DEFERRED):
        parts.append(f"next try {due(row.due, now)}")
    return ", ".join(parts)


def _pauses(pauses: Sequence[Pause], now: float) -> list[str]:
    lines = []
    for pause in sorted(pauses, key=lambda one: (one.until, one.destination)):
        name = "the postoffice" if pause.destination == POSTOFFICE else clean(pause.destination)
        lines += [f"    {name}: for {span(pause.until - now)} more", *indented(clean(pause.reason), 8)]
    return lines
