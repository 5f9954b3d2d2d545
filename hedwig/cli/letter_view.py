"""How one message looks, with its history: for people and as JSON. Pure; all from outside is cleaned (I11)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from hedwig.cli.next_try import Kept, concerning, kept
from hedwig.cli.queue_view import head, pause_lines, recipient_lines, stop_lines
from hedwig.cli.terminal import clean, due, indented, localised, moment, padded
from hedwig.options import OnDoubt, Options, Priority, submitter_of
from hedwig.spool.operate import Letter, Stop
from hedwig.spool.shown import HistoryLine
from hedwig.spool.streams import Pause
from hedwig.spool.words import State

if TYPE_CHECKING:
    from hedwig.spool.desk import SqliteDesk


class Known(NamedTuple):
    """All that one spool knows of a queue ID: what is queued (seldom more than one message), what happened, and what
    keeps its recipients from being tried."""

    queue_id: str
    letters: Sequence[Letter]
    history: Sequence[HistoryLine]
    stops: Sequence[Stop] = ()
    pauses: Sequence[Pause] = ()


def known_of(desk: "SqliteDesk", queue_ids: Sequence[str], now: float) -> list[Known]:
    """What this spool knows of these, in their order; SpoolTrouble."""
    histories, keeping = desk.histories(queue_ids), kept(desk.stops(now), desk.pauses(now))
    found = []
    for queue_id in queue_ids:
        letters = desk.letters(queue_id)
        waiting = [row for letter in letters for row in letter.recipients if row.state is not State.DONE]
        found.append(Known(queue_id, letters, histories[queue_id], *concerning(waiting, keeping)))
    return found


def known_lines(daemon: str, known: Known, now: float, *, whole: bool = False) -> list[str]:
    """One message for people: what still waits, then what happened, oldest first. `whole`: with its options."""
    lines, keeping = [], Kept(known.stops, known.pauses)
    for letter in known.letters:
        waiting = [row for row in letter.recipients if row.state is not State.DONE]
        lines += [f"{daemon}: {head(letter, now)}", *(_about(letter, now) if whole else ())]
        lines += recipient_lines(letter.recipients if whole else waiting, now, keeping)
    if not known.letters:
        client = f", from {clean(known.history[0].client)}" if known.history and known.history[0].client else ""
        lines = [f"{daemon}: {known.queue_id}{client}: nothing of it waits any more"]
    if known.stops:
        lines += ["Paused by an operator:", *stop_lines(known.stops, now)]
    if known.pauses:
        lines += ["Not tried at present:", *pause_lines(keeping, now)]
    if known.history:
        lines.append("")
    for line in known.history:
        lines += _history_lines(line)
    return lines


def _history_lines(line: HistoryLine) -> list[str]:
    """One event; below it the conversation up to the dot, where that is known of a doubtful attempt."""
    kind = line.kind.value.replace("_", " ")
    text, *talk = (clean(part) for part in localised(line.text).split("\n"))
    text = text.removeprefix(kind).removeprefix(": ")  # the kind has a column of its own
    if text[:2] in ("* ", "> ", "< "):
        text, talk = "", [text, *talk]
    first, *others = indented(": ".join(part for part in (clean(line.rcptto), text) if part), 4) or [""]
    start = f"{moment(line.at)}  {padded(kind, 9)}  {first.strip()}".rstrip()
    return [start, *others, *(f"        {said}" for said in talk)]


def _about(letter: Letter, now: float) -> list[str]:
    """What it asks for, who handed it in, how long it may wait."""
    parts = [_given_up(letter, now)]
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
    return words + [clean(word) for word in options.reports()]


def _given_up(letter: Letter, now: float) -> str:
    """Until when it waits. What is held, or whose client is paused, is not given up by time (schema.py: `expiring`)."""
    waiting = {row.state for row in letter.recipients if row.state is not State.DONE}
    if waiting and waiting <= {State.HELD, State.PAUSED}:
        return "not given up while it is held" + ("" if letter.expires_at > now else ", though past its expiry")
    return f"given up {due(letter.expires_at, now)}" if letter.expires_at > now else "past its expiry"
