"""How a receiver's back-offs and rates are said; for `hedwig explain` and `hedwig site`. Pure; cleaned (I11)."""

from hedwig.cli.terminal import clean, moment, span
from hedwig.spool.receivers import LIMITED, Backoff
from hedwig.worker.observer import Budget

_PER = {
    "minute": "messages a minute",
    "hour": "messages an hour",
    "day": "messages a day",
    "warm-up": "messages a day while the source is warmed up",
}


def budget_words(budget: Budget) -> str:
    """As in "3,000 messages an hour: 150 may go at once"; or when the next one may."""
    what = f"{budget.rate.limit:,} {_PER.get(budget.rate.kind, budget.rate.kind)}"
    left = f"{budget.now:,} may go at once" if budget.now else f"used up; the next one in {_brief(budget.wait)}"
    return f"{what}: {left}"


def backoff_words(backoff: Backoff, now: float) -> list[str]:
    """A rest, or the bound on connections that is left of it, with the receiver's words."""
    whence = clean(backoff.source.strip("/"))
    again = f", asked for {backoff.times} times in a row" if backoff.times > 1 else ""
    rule = f", by rule {clean(backoff.rule)}" if backoff.rule else ""
    most = f"at most {backoff.connections} at a time until {moment(backoff.until + LIMITED)}" * bool(
        backoff.connections
    )
    if backoff.until > now:
        head = (
            f"rests since {moment(backoff.since)} for {span(backoff.until - now)} more, until {moment(backoff.until)}"
        )
        head += f", from {whence}{again}{rule}" + (f", then {most}" if most else "")
    else:
        head = f"{most}, from {whence}{rule}"
    return [head, f'it said: "{clean(backoff.reason)}"']


def _brief(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else span(seconds)
