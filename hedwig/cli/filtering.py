"""The options by which mail is chosen, the same for the list and for what is done with it."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from hedwig.cli.given import Text, shown
from hedwig.cli.terminal import clean

STATES = ("ready", "deferred", "active", "held", "paused")

Command = TypeVar("Command", bound=Callable[..., Any])


class Duration(click.ParamType):
    """Seconds, from "30m", "2h", "1d12h"."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or fail with a sentence."""
        from hedwig import moments

        seconds = moments.duration(str(value))
        if not seconds:
            self.fail(f"{shown(str(value))} is no duration: write it like 30m, 2h or 1d12h", param, ctx)
        return float(seconds)


class QueueId(click.ParamType):
    """A queue ID, in any case."""

    name = "ID"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it, or fail with a sentence."""
        from hedwig import queueid

        wanted = str(value).strip().upper()
        if not queueid.is_valid(wanted):
            self.fail(f"{shown(str(value))} is no queue ID: they have 26 characters, like {queueid.new()}", param, ctx)
        return wanted


_OPTIONS = (
    click.option("--site", type=Text(), metavar="DOMAIN", help="For this destination."),
    click.option("--client", type=Text(), metavar="FQDN", help="From this host, as in `hedwig key add`."),
    click.option(
        "--sender", type=Text(), metavar="ADDRESS", help="Of this sender; @DOMAIN for all of a domain, <> for bounces."
    ),
    click.option("--rcpt", type=Text(), metavar="ADDRESS", help="To this recipient; @DOMAIN for all of a domain."),
    click.option("--state", type=click.Choice(STATES), help="In this state."),
    click.option("--older", metavar="DURATION", type=Duration(), help="Accepted longer ago than that."),
    click.option("--reply", type=Text(), metavar="TEXT", help="With this in the last reply."),
)


def filter_options(command: Command) -> Command:
    """Add the options; their values go to `filter_of`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def filter_of(given: dict[str, Any], ids: tuple[str, ...] = ()) -> Any:
    """The Filter; takes its options out of `given`."""
    from hedwig.spool.operate import Filter
    from hedwig.spool.words import State

    chosen = {name: given.pop(name) for name in ("site", "client", "sender", "rcpt", "state", "older", "reply")}
    return Filter(
        ids=ids,
        site=site_of(chosen["site"] or ""),
        client=chosen["client"] or "",
        sender=chosen["sender"] or "",
        rcpt=_rcpt_of(chosen["rcpt"] or ""),
        state=State(chosen["state"]) if chosen["state"] else None,
        accepted=time.time() - chosen["older"] if chosen["older"] else 0.0,
        reply=chosen["reply"] or "",
    )


def site_of(name: str) -> str:
    """A destination as the spool has it: A-labels in lower case."""
    if name.isascii() and not name.startswith("["):
        return name.lower()
    from hedwig.address import Address, AddressError  # it takes a while to load

    try:
        return Address.parse(f"x@{name}").destination
    except AddressError:
        return name


def _rcpt_of(text: str) -> str:
    return f"@{site_of(text[1:])}" if text.startswith("@") else text


def words_of(context: click.Context) -> str:
    """The filter's options as they were given, for a command that the reader may copy."""
    import shlex

    names = {
        "older": "--older",
        **{name: f"--{name}" for name in ("site", "client", "sender", "rcpt", "state", "reply")},
    }
    given = {name: context.params.get(name) for name in names}
    parts = [
        f"{names[name]} {shlex.quote(f'{value:.0f}s' if name == 'older' else str(value))}"
        for name, value in given.items()
        if value
    ]
    return clean(" ".join(parts))
