"""How `hedwig site` shows receivers, for people and as JSON. Pure; all from outside is cleaned (I11)."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from hedwig.cli.terminal import ago, clean, span, table, trimmed
from hedwig.spool.operate import Stop, StopKind
from hedwig.worker.observer import Budget, Standing
from hedwig.worker.roster import Receiver

_HEAD = ("RECEIVER", "WAITING", "SENDING", "HELD", "CONNECTIONS", "LEFT OF RATES", "STATE, OR LAST ERROR")
_PER = {"minute": "min", "hour": "h", "day": "d", "warm-up": "d (warm-up)", "connections a minute": "min (connections)"}


def lines_of(receivers: Sequence[Receiver], stops: Sequence[Stop], now: float) -> list[str]:
    """A line for each receiver and source, and what keeps mail from it."""
    if not receivers:
        return ["No receiver is known: nothing waits, and nothing went lately."]
    paused = {stop.name for stop in stops if stop.kind is StopKind.SITE}
    rows = [row for each in receivers for row in _rows(each, paused, now)]
    return [trimmed(line) for line in table([_HEAD, *rows], right=range(1, 4))]


def label_of(receiver: Receiver) -> str:
    """Its name where the settings give one; else the domain with most mail that goes there, or its MX."""
    if "." not in receiver.name or not receiver.rows:
        return receiver.name
    others = len(receiver.rows) - 1
    return receiver.rows[0].site + (f" +{others}" if others else "")


def _rows(receiver: Receiver, paused: set[str], now: float) -> Iterator[tuple[str, ...]]:
    counts = tuple(f"{number:,}" if number else "" for number in (receiver.waiting, receiver.active, receiver.held))
    label = clean(label_of(receiver))
    state = _state(receiver, paused, now)
    if not receiver.standings:
        yield (label, *counts, "", "", state)
    for number, standing in enumerate(receiver.standings):
        whence = f" from {clean(standing.source)}" if standing.source else ""
        shown = counts if number == 0 else ("", "", "")
        connections = f"{standing.in_use} of {standing.connections}"
        rates = ", ".join(map(_rate, (*standing.budgets, *standing.opening)))
        yield (label + whence, *shown, connections, rates, _rests(standing, now) or (state if number == 0 else ""))


def _rate(budget: Budget) -> str:
    left = f"{budget.now:,}" if budget.now else f"none for {span(max(budget.wait, 1))}"
    return f"{left} of {budget.rate.limit:,}/{_PER.get(budget.rate.kind, budget.rate.kind)}"


def _rests(standing: Standing, now: float) -> str:
    resting = [each for each in standing.backoffs if each.until > now]
    if not resting:
        return ""
    last = max(resting, key=lambda each: each.until)
    families = "" if standing.opens > now else f" ({', '.join(each.source.rpartition('/')[2] for each in resting)})"
    rule = f", rule {clean(last.rule)}" if last.rule else ""
    return f"rests {span(last.until - now)} more{families}{rule}: {clean(last.reason)}"


def _state(receiver: Receiver, paused: set[str], now: float) -> str:
    if names := [name for name in (receiver.name, *(row.site for row in receiver.rows)) if name in paused]:
        return f"paused by an operator: {', '.join(map(clean, names))}"
    if receiver.unknown:
        return clean(receiver.unknown)
    if receiver.pauses:
        last = max(receiver.pauses, key=lambda each: each.until)
        return f"left alone {span(last.until - now)} more: {clean(last.reason)}"
    at, error = receiver.last_error
    return f"{clean(error)} ({ago(at, now)})" if at else clean(error)


def json_of(receivers: Sequence[Receiver], stops: Sequence[Stop]) -> dict[str, Any]:
    """For programs; times are Unix seconds."""
    return {
        "receivers": [_receiver(each) for each in receivers],
        "stops": [stop._asdict() for stop in stops if stop.kind is StopKind.SITE],
    }


def _receiver(receiver: Receiver) -> dict[str, Any]:
    at, error = receiver.last_error
    return {
        "name": receiver.name,
        "destinations": [row.site for row in receiver.rows],
        "waiting": receiver.waiting,
        "active": receiver.active,
        "held": receiver.held,
        "last_error": error,
        "last_error_at": at,
        "unknown": receiver.unknown,
        "pauses": [pause._asdict() for pause in receiver.pauses],
        "sources": [standing_json(standing) for standing in receiver.standings],
    }


def standing_json(standing: Standing) -> dict[str, Any]:
    """How it stands from one source."""
    return {
        "source": standing.source,
        "connections": {"allowed": standing.connections, "in_use": standing.in_use, "window": standing.window},
        "rates": [
            {"kind": each.rate.kind, "limit": each.rate.limit, "now": each.now, "wait": each.wait}
            for each in (*standing.budgets, *standing.opening)
        ],
        "backoffs": [asdict(each) for each in standing.backoffs],
        "opens": standing.opens,
    }
