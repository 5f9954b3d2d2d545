"""An operator's order, from the first look to the last word: look, say, ask, do, say.

It goes lot by lot, each in a transaction of its own, with a rest as long between them, so that mail flows meanwhile;
broken off (Ctrl-C: behind the lot under way) what is done is said, and the rest is as it was. What a worker is sending
is called back where it is to be held or dropped (spool/recall.py), and waited for as long as something comes; what is
on its way still is dealt with as it comes back, without this command.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from hedwig.cli import desks, journal, queue_view
from hedwig.cli.breaking import Breaking
from hedwig.cli.terminal import counted, echo_json
from hedwig.cli.who import who
from hedwig.spool.desk import SqliteDesk
from hedwig.spool.operate import Act, Filter, Forecast, Lot, Order, Tally, Telling
from hedwig.spool.shown import QueuedRecipient
from hedwig.spool.words import Kind, SpoolTrouble

DONE = {Act.RETRY: "due now", Act.HOLD: "held", Act.RELEASE: "released", Act.DROP: "dropped"}
_KIND = {Act.RETRY: Kind.RETRY, Act.HOLD: Kind.HELD, Act.RELEASE: Kind.RELEASED, Act.DROP: Kind.DROPPED}
_NONE = {
    Act.RETRY: "nothing that fits is deferred (what is held is released by `hedwig queue release`)",
    Act.HOLD: "nothing that fits waits",
    Act.RELEASE: "nothing that fits is held (a paused client or site goes on by `hedwig queue resume`)",
    Act.DROP: "nothing that fits waits",
}
_RECALLS = (Act.HOLD, Act.DROP)
_MOST_REST = 1.0  # seconds between two lots
_ROUNDS = 3  # through all of it, while something changes under our hands
_PATIENCE = 6.0  # seconds without anything coming back: workers look for recalls each second
_POLL = 0.1
_AT_ONCE = 500  # messages whose history is asked for


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator said besides what is meant."""

    act: Act
    reason: str
    yes: bool
    dry_run: bool
    as_json: bool
    telling: Telling | None = None

    @property
    def only_look(self) -> bool:
        """Whether nothing is to be changed: a program that reads JSON is not asked."""
        return self.dry_run or (self.as_json and not self.yes)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found before anything is done. `asked`: how many are busy and would be called back."""

    tally: Tally
    asked: int
    forecast: Forecast | None
    held: int = 0  # where nothing is left to hold: how many are held already


def carry_out(desk: SqliteDesk, wanted: Filter, wish: Wish) -> None:
    """Ends the command: 1 where there was nothing to do, or something was left as it was."""
    try:
        tally = desk.tally(wanted, wish.act)
        forecast = desk.forecast(wanted, wish.telling) if wish.telling else None
        held = 0 if tally.recipients or wish.act is not Act.HOLD else desk.tally(wanted, Act.RELEASE).recipients
        seen = _Seen(tally, tally.busy if wish.act in _RECALLS else 0, forecast, held)
        if not wish.as_json:
            _announce(seen, wish)
            if wish.act is Act.RETRY:
                now = time.time()
                click.echo(
                    "".join(f"{each}\n" for each in queue_view.left_alone_lines(desk.pauses(now), tally.first, now)),
                    nl=False,
                )
        if not tally.recipients and not seen.asked:
            if wish.as_json:
                echo_json(_json(wish, seen, None))
            raise SystemExit(1)
        if wish.only_look or not _agreed(wish, seen):
            if wish.as_json:
                echo_json(_json(wish, seen, None))
            elif not wish.only_look:
                click.echo("Nothing was changed.")
            return
        work = _Work(desk, wanted._replace(last=tally.last), wish, tally.recipients)
        try:
            work.run()
        except KeyboardInterrupt:
            work.broken_off = True
        work.clear()
        if wish.as_json:
            echo_json(_json(wish, seen, work))
        else:
            _conclude(wish, work)
    except SpoolTrouble as error:
        raise click.ClickException(desks.clean_lines(str(error))) from None
    raise SystemExit(1 if work.missed or work.broken_off else 0)


def _announce(seen: _Seen, wish: Wish) -> None:
    now, tally = time.time(), seen.tally
    if tally.recipients:
        will = "would be" if wish.only_look else "will be"
        click.echo(f"{_counts(tally.recipients, tally.messages)} {will} {DONE[wish.act]}:")
        for line in queue_view.row_lines(tally.first, now):
            click.echo(line)
        if tally.recipients > len(tally.first):
            click.echo(f"    and {tally.recipients - len(tally.first):,} more")
    elif not seen.asked:
        already = f"{counted(seen.held, 'recipient is', 'recipients are')} already held; {_NONE[wish.act]}"
        click.echo(already if seen.held else _NONE[wish.act], err=True)
    if tally.busy:
        then = f"called back, and {DONE[wish.act]} unless it is too late" if seen.asked else "left alone"
        click.echo(f"{counted(tally.busy, 'recipient is', 'recipients are')} being sent now, to be {then}:")
        for line in queue_view.row_lines(tally.busy_first, now):
            click.echo(line)
        if tally.busy > len(tally.busy_first):
            click.echo(f"    and {tally.busy - len(tally.busy_first):,} more")
    if seen.forecast and (tally.recipients or seen.asked):
        click.echo(forecast_line(seen.forecast))


def forecast_line(forecast: Forecast) -> str:
    """Whom a drop tells, in words. Pure."""
    parts = [f"{counted(forecast.reports, 'bounce goes', 'bounces go')} to the senders"]
    if forecast.digested:
        parts.append(
            f"{counted(forecast.digested, 'more is', 'more are')} told in digests within the hour "
            "(`reports_per_hour` in worker.yml)"
        )
    if forecast.null:
        parts.append(f"nobody is told of {counted(forecast.null, 'message', 'messages')} with the null sender <>")
    if forecast.unwanted:
        parts.append(f"the senders of {counted(forecast.unwanted, 'message', 'messages')} asked for no report (NOTIFY)")
    return "; ".join(parts)


def _agreed(wish: Wish, seen: _Seen) -> bool:
    if wish.yes:
        return True
    if not sys.stdin.isatty():
        told = " and --dsn or --no-dsn" if wish.act is Act.DROP else ""
        raise click.UsageError(f"nobody is here to be asked: say --yes{told}, or --dry-run to look only")
    whom = counted(seen.tally.recipients + seen.asked, "recipient", "recipients")
    told = ""
    if wish.act is Act.DROP:
        told = f", with {counted(seen.forecast.reports, 'bounce', 'bounces')}" if seen.forecast else ", and tell nobody"
    return click.confirm(f"{wish.act.value.capitalize()} {whom}{told}?")


class _Work:
    """Does it, and counts. `recipients`, `messages`: what waited and is done; `missed`: what changed under our hands
    and was left. `recalled`: what was busy; of it `back` is done, `over` has its outcome, `left` is under way still."""

    def __init__(self, desk: SqliteDesk, wanted: Filter, wish: Wish, expected: int) -> None:
        self._desk = desk
        self._wanted = wanted
        self._wish = wish
        self._order = Order(wish.act, who(), wish.reason, wish.telling)
        self._expected = expected
        self._last_id = ""
        self._breaking = Breaking()
        self._shown = sys.stderr.isatty() and not wish.as_json
        self._recalled: dict[tuple[int, int], QueuedRecipient] = {}
        self.recipients = self.messages = self.missed = self.reports = self.digested = 0
        self.recalled = self.back = self.over = self.left = 0
        self.broken_off = False

    def run(self) -> None:
        """All of it, again where something was missed: it went through somebody's hands meanwhile."""
        try:
            with self._breaking.work():
                for _ in range(_ROUNDS):
                    self.missed = 0
                    self._lots()
                    if self._wish.act in _RECALLS:
                        self._recall()
                    if not self.missed or self._wish.act not in _RECALLS:
                        return
        finally:
            self._reckon()

    def _lots(self) -> None:
        after = ""
        while True:
            began = time.monotonic()
            with self._breaking.step():
                lot = self._desk.act(self._order, self._wanted, after)
                took = time.monotonic() - began
                self._add(lot)
            after = lot.after
            if not after:
                return
            time.sleep(min(took, _MOST_REST))

    def _add(self, lot: Lot) -> None:
        """One lot is on disk."""
        ids = list(dict.fromkeys(row.queue_id for row in lot.touched))
        if ids:
            words = _counts(len(lot.touched), len(ids)) + f" {DONE[self._wish.act]}"
            journal.tell(_KIND[self._wish.act], words, self._wish.reason, ids)
            self.messages += len(ids) - (ids[0] == self._last_id)
            self._last_id = ids[-1]
        self.recipients += len(lot.touched)
        self.missed += lot.missed
        self.reports += len(lot.reports)
        self.digested += lot.digested
        self._show(f"{self.recipients:,} of {self._expected:,} ")

    def _recall(self) -> None:
        after = ""
        while True:
            with self._breaking.step():
                recalled = self._desk.recall(self._order, self._wanted, after)
                self._recalled |= dict(zip(recalled.places, recalled.asked, strict=True))
                ids = list(dict.fromkeys(row.queue_id for row in recalled.asked))
                if ids:
                    words = f"{_counts(len(recalled.asked), len(ids))} called back to be {DONE[self._wish.act]}"
                    journal.tell(_KIND[self._wish.act], words, self._wish.reason, ids)
            after = recalled.after
            if not after:
                break
        self._wait()

    def _wait(self) -> None:
        places = list(self._recalled)
        left, until = len(places) + 1, time.monotonic() + _PATIENCE
        while places and time.monotonic() < until:
            now_left = self._desk.left(places)
            if now_left < left:
                left, until = now_left, time.monotonic() + _PATIENCE
            if not left:
                return
            self._show(f"waiting for {counted(left, 'recipient', 'recipients')} to come back ")
            time.sleep(_POLL)

    def _reckon(self) -> None:
        """What became of those that were called back: the last word of their histories."""
        if not self._recalled:
            return
        self.recalled = len(self._recalled)
        self.left = self._desk.left(list(self._recalled))
        rows = list(self._recalled.values())
        last = self._last_words(list(dict.fromkeys(row.queue_id for row in rows)))
        self.back = sum(last.get((row.queue_id, row.rcptto)) == _KIND[self._wish.act] for row in rows)
        self.over = max(0, self.recalled - self.left - self.back)

    def _last_words(self, ids: Sequence[str]) -> dict[tuple[str, str], Kind]:
        found: dict[tuple[str, str], Kind] = {}
        for start in range(0, len(ids), _AT_ONCE):
            for queue_id, lines in self._desk.histories(ids[start : start + _AT_ONCE]).items():
                found |= {(queue_id, line.rcptto): line.kind for line in lines if line.rcptto}
        return found

    def _show(self, words: str) -> None:
        if self._shown:
            click.echo(f"\r\x1b[K{words}", nl=False, err=True)

    def clear(self) -> None:
        """No progress is shown any more."""
        if self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)


def _conclude(wish: Wish, work: _Work) -> None:
    done = DONE[wish.act]
    if work.recipients or not work.recalled:
        verb = "is" if work.recipients == 1 else "are"
        click.echo(f"{_counts(work.recipients, work.messages)} {verb} {done}.")
    if work.recalled:
        parts = [f"{work.back:,} came back and {'is' if work.back == 1 else 'are'} {done}"]
        if work.over:
            parts.append(f"for {work.over:,} it was too late (`hedwig trace` tells)")
        if work.left:
            parts.append(f"{work.left:,} {'is' if work.left == 1 else 'are'} {done} on coming back undelivered")
        click.echo(f"Of {counted(work.recalled, 'recipient', 'recipients')} being sent, {'; '.join(parts)}.")
    if wish.telling:
        more = f", {work.digested:,} more are told in digests" if work.digested else ""
        besides = ", besides those of what was being sent" if work.back or work.left else ""
        click.echo(f"{counted(work.reports, 'bounce is', 'bounces are')} on the way to the senders{more}{besides}.")
    if work.missed:
        click.echo(
            f"{counted(work.missed, 'recipient', 'recipients')} changed meanwhile and were left alone: say it again.",
            err=True,
        )
    if work.broken_off:
        click.echo("Broken off: the rest is as it was.", err=True)


def _counts(recipients: int, messages: int) -> str:
    return f"{counted(recipients, 'recipient', 'recipients')} of {counted(messages, 'message', 'messages')}"


def _json(wish: Wish, seen: _Seen, work: _Work | None) -> dict[str, Any]:
    tally = seen.tally
    result: dict[str, Any] = {
        "act": wish.act.value,
        "recipients": tally.recipients,
        "messages": tally.messages,
        "first": tally.first,
        "busy": tally.busy,
        "busy_first": tally.busy_first,
        "forecast": seen.forecast,
    }
    if work is not None:
        names = ("recipients", "messages", "missed", "reports", "digested", "recalled", "back", "over", "left")
        result["done"] = {name: getattr(work, name) for name in (*names, "broken_off")}
    return result
