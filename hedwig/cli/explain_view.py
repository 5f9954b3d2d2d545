"""How `hedwig explain` shows what it found, for people and as JSON. Pure; all from outside is cleaned (I11)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hedwig.cli.receiver_view import backoff_words, budget_words
from hedwig.cli.site_view import standing_json
from hedwig.cli.terminal import clean, counted, due, indented, localised, moment, span
from hedwig.mx import MxFound, MxNone, MxUnknown
from hedwig.settings import SiteRule
from hedwig.smtp import Target
from hedwig.spool.operate import Stop, StopKind
from hedwig.spool.shown import QueuedRecipient
from hedwig.spool.stops import FOREVER
from hedwig.spool.streams import Pause
from hedwig.spool.waits import Waits
from hedwig.tls import Policy
from hedwig.worker.outlook import Outlook, Way
from hedwig.worker.probing import Asked, NotAsked
from hedwig.worker.prospect import End, Prospect, concerning
from hedwig.worker.route import Route

_LABEL = 14
_LIMITS = {
    "connections": "{} connections at a time",
    "messages_per_connection": "{} messages on a connection",
    "recipients": "{} recipients of a message at once",
    "one_domain": "recipients of one domain at once",
    "per_minute": "{} messages a minute",
    "per_hour": "{} messages an hour",
    "per_day": "{} messages a day",
    "connections_per_minute": "{} new connections a minute",
    "family": "addresses: {}",
    "sources": "sources: {}",
}
_ALWAYS = frozenset({"connections", "messages_per_connection", "recipients"})


@dataclass(frozen=True, slots=True)
class Explained:
    """All that was found. `lines`: where in worker.yml each key stands. `queued`: the address's recipients that wait,
    up to a page of them (`more`: there are others). `notes`: what the worker's modules had to say meanwhile."""

    view: Outlook
    prospect: Prospect
    lines: Mapping[str, int]
    stops: Sequence[Stop]
    pauses: Sequence[Pause]
    queued: Sequence[QueuedRecipient]
    more: bool
    waits: Waits
    now: float
    suppressed: str = ""
    notes: Sequence[str] = ()
    probed: Asked | NotAsked | None = None


def text_of(found: Explained) -> list[str]:
    """For people; the last line is the sentence that says what would become of a letter."""
    lines = [clean(str(found.view.address))]
    for label, values in _parts(found):
        first, *others = [part for value in values for part in indented(value, _LABEL + 2)] or [""]
        lines += [f"  {label.ljust(_LABEL)}{first.strip()}", *others]
    return [*lines, "", *indented(sentence(found), 0)]


def _parts(found: Explained) -> Iterator[tuple[str, list[str]]]:
    view = found.view
    if view.client:
        yield "handed in by", [clean(view.client)]
    if view.address.destination != view.address.domain:
        yield "destination", [clean(view.address.destination)]
    yield "MX", _mx(view)
    if isinstance(view.route, Route):
        yield "receiver", [clean(view.route.site.name), clean(view.chosen)]
    if isinstance(view.route, Route):
        yield "TLS", _tls(view.route.policy)
        yield "limits", [_limit_words(each) for each in limits_of(view.route, found.lines)]
    for way in view.ways:
        yield "from", _way_words(way, found.now)
    if paused := _paused_words(found):
        yield "paused", paused
    if found.suppressed:
        yield "suppressed", [localised(clean(found.suppressed))]
    yield "waiting", _waiting_words(found)
    if found.notes:
        yield "note", [clean(note) for note in found.notes]


def _mx(view: Outlook) -> list[str]:
    match view.answer:
        case MxFound(exchangers, implicit):
            if implicit:
                return ["none; the domain's own address stands for it"]
            return [", ".join(f"{each.preference} {clean(each.host)}" for each in exchangers)]
        case MxNone(status, text):
            return [f"none: {status} {clean(text)}"]
        case MxUnknown(text):
            return [f"not known: {clean(text)}"]
    return ["not asked for: a smarthost takes the mail" if _relayed(view) else "not asked for: it is an address"]


def _tls(policy: Policy) -> list[str]:
    """The admin's word, and what the receiver adds to it."""
    words = [f"{policy.level}, by {clean(policy.origin)}"]
    if policy.sts is not None:
        hosts = ", ".join(map(clean, policy.sts.mx))
        words.append(f"MTA-STS of {clean(policy.domain)}: {policy.sts.mode}, for {hosts}")
    if policy.sts_trouble:
        words.append(f"MTA-STS: {clean(policy.sts_trouble)}")
    return words


def _relayed(view: Outlook) -> bool:
    return isinstance(view.route, Route) and view.route.smarthost is not None


def limits_of(route: Route, lines: Mapping[str, int]) -> list[dict[str, Any]]:
    """The limits at a receiver: key, value, and the line of worker.yml that says so, 0 for a default."""
    smarthost = route.smarthost is not None
    name = route.site.provider.partition(" ")[2] if smarthost else route.site.provider or "default"
    section = "smarthosts" if smarthost else "sites"
    plain = SiteRule()
    return [
        {"key": key, "value": value, "line": lines.get(f"{section}.{name}.{key}", 0)}
        for key in _LIMITS
        if (value := getattr(route.rule, key)) != getattr(plain, key) or key in _ALWAYS
    ]


def _limit_words(limit: Mapping[str, Any]) -> str:
    value = ", ".join(limit["value"]) if isinstance(limit["value"], tuple) else limit["value"]
    shown = f"{value:,}" if isinstance(value, int) else str(value)
    where = f"worker.yml, line {limit['line']}" if limit["line"] else "default"
    return f"{_LIMITS[limit['key']].format(clean(shown))} ({where})"


def _way_words(way: Way, now: float) -> list[str]:
    standing, route = way.standing, way.route
    name = clean(route.site.source) or "the address that the system chooses"
    lines = [f"{name}, EHLO {clean(route.ehlo)}"]
    used = counted(standing.in_use, "connection", "connections")
    lines.append(f"{used} in use, of {standing.connections} that may be open now")
    lines += [budget_words(each) for each in (*standing.budgets, *standing.opening)]
    lines += [words for each in standing.backoffs for words in backoff_words(each, now)]
    for number, each in enumerate(way.targets, 1):
        if isinstance(each, Target):
            tls = way.tls.get(each.host, "")
            lines.append(f"{number}. {_target_words(each)}" + (f", TLS: {clean(tls)}" if tls else ""))
        else:
            lines.append(f"{number}. no: {_said(each)}")
    return lines


def _target_words(target: Target) -> str:
    port = f":{target.port}" if target.port != 25 else ""
    local = f"from {clean(target.local)}" if target.local else "to which this host has no route"
    return f"{clean(target.host)}[{clean(target.address)}]{port}, {local}"


def _said(said: Any) -> str:
    return clean(str(said.reply) if said.reply is not None else said.detail)


def _paused_words(found: Explained) -> list[str]:
    words = []
    for stop in concerning(found.stops, found.view):
        what = "client" if stop.kind is StopKind.CLIENT else "site"
        until = "until it is resumed" if stop.until >= FOREVER else f"until {moment(stop.until)}"
        reason = f": {clean(stop.reason)}" if stop.reason else ""
        words.append(f"{what} {clean(stop.name)}, by {clean(stop.who)}, {until}{reason}")
    for pause in found.pauses:
        words.append(f"by a worker for {span(pause.until - found.now)} more: {clean(pause.reason)}")
    return words


def _waiting_words(found: Explained) -> list[str]:
    site = clean(found.view.address.destination)
    many = f"{len(found.queued):,}{' or more' if found.more else ''}"
    words = [f"{many} for the address" + (f", {_states(found)}" if found.queued else "")]
    waits = found.waits
    parts = [f"{waits.waiting:,} for {site}", f"{waits.due:,} of them due now" if waits.waiting else ""]
    parts.append(f"the next {due(waits.later, found.now)}" if waits.later else "")
    parts.append(f"{waits.active:,} being sent" if waits.active else "")
    parts.append(f"{waits.held:,} held" if waits.held else "")
    return [*words, ", ".join(part for part in parts if part)]


def _states(found: Explained) -> str:
    states = dict.fromkeys(row.state.value for row in found.queued)
    counts = (f"{sum(row.state.value == state for row in found.queued):,} {state}" for state in states)
    trying = [row.due for row in found.queued if row.state.value in ("ready", "deferred")]
    return ", ".join(counts) + (f", next try {due(min(trying), found.now)}" if trying else "")


def sentence(found: Explained) -> str:
    """What would become of a letter."""
    prospect, whom = found.prospect, clean(str(found.view.address))
    if prospect.end is End.SENT and prospect.target is not None and prospect.way is not None:
        target = prospect.target
        ehlo = clean(prospect.way.route.ehlo)
        to = f"{clean(target.host)}[{clean(target.address)}]"
        return f"A letter to {whom} would be sent now, from {clean(target.local)} ({ehlo}) to {to}."
    if prospect.end is End.FAILS:
        return f"A letter to {whom} would fail at once, and its sender get a bounce: {localised(clean(prospect.why))}"
    until = ""
    if FOREVER > prospect.until > 0:
        until = f" until {moment(prospect.until)} ({span(prospect.until - found.now)})"
    return f"A letter to {whom} would wait{until}: {clean(prospect.why)}"


def json_of(found: Explained) -> dict[str, Any]:
    """For programs; times are Unix seconds."""
    view = found.view
    mx = view.answer
    return {
        "address": str(view.address),
        "destination": view.address.destination,
        "client": view.client,
        "mx": [asdict(each) for each in mx.exchangers] if isinstance(mx, MxFound) else [],
        "mx_implicit": isinstance(mx, MxFound) and mx.implicit,
        "dns": mx.text if isinstance(mx, MxNone | MxUnknown) else "",
        "receiver": view.route.site.name if isinstance(view.route, Route) else "",
        "chosen": view.chosen,
        "tls": _tls_json(view.route.policy) if isinstance(view.route, Route) else None,
        "limits": limits_of(view.route, found.lines) if isinstance(view.route, Route) else [],
        "ways": [_way_json(way) for way in view.ways],
        "workers": view.workers,
        "stops": [stop._asdict() for stop in concerning(found.stops, view)],
        "pauses": [pause._asdict() for pause in found.pauses],
        "suppressed": found.suppressed,
        "waiting": {
            "address": [row._asdict() for row in found.queued],
            "more": found.more,
            "site": asdict(found.waits),
        },
        "notes": list(found.notes),
        "prospect": _prospect_json(found.prospect),
        "sentence": sentence(found),
        "probe": asdict(found.probed) if found.probed is not None else None,
    }


def _tls_json(policy: Policy) -> dict[str, Any]:
    sts = policy.sts
    return {
        "level": policy.level.value,
        "origin": policy.origin,
        "dane": policy.dane,
        "mta_sts": {"mode": sts.mode.value, "mx": list(sts.mx)} if sts is not None else None,
        "mta_sts_trouble": policy.sts_trouble,
    }


def _way_json(way: Way) -> dict[str, Any]:
    return standing_json(way.standing) | {
        "ehlo": way.route.ehlo,
        "tls": dict(way.tls),
        "targets": [asdict(each) if isinstance(each, Target) else {"not": _said(each)} for each in way.targets],
    }


def _prospect_json(prospect: Prospect) -> dict[str, Any]:
    target, until = prospect.target, 0.0 if prospect.until >= FOREVER else prospect.until
    return {
        "end": prospect.end.value,
        "why": prospect.why,
        "until": until,
        "from": target.local if target else "",
        "to": f"{target.host}[{target.address}]" if target else "",
    }
