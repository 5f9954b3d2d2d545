"""`hedwig explain ADDRESS`: what would become of a letter to it now, and all that this depends on.

It runs on the host that delivers, beside its workers, and asks their own modules (explaining.py). Nothing is sent; with
--probe it connects as a worker would, asks as far as RCPT, and quits.

Exit status: 0: it would be sent now (or the probed host takes it); 3: it would wait; 4: it would fail, and bounce; 1:
that can't be told, and stderr says why; 2: a wrong option.
"""

from pathlib import Path
from typing import Any

import click

from hedwig.address import Address, AddressError
from hedwig.cli.at_worker import module
from hedwig.cli.given import shown
from hedwig.config import Unfit, host_name


class Recipient(click.ParamType):
    """A mail address, as it stands in RCPT; in its brackets or without."""

    name = "ADDRESS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Read it, or fail with a sentence."""
        text = str(value).strip()
        text = text[1:-1] if text.startswith("<") and text.endswith(">") else text
        try:
            return Address.parse(text)
        except AddressError as error:
            self.fail(f"{shown(text)}: {error}", param, ctx)


class Sender(Recipient):
    """Likewise, or "<>", the null sender."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it, or fail with a sentence."""
        return "" if str(value).strip() == "<>" else super().convert(value, param, ctx)


class Client(click.ParamType):
    """The name of a host that sends."""

    name = "FQDN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it, or fail with a sentence."""
        try:
            return host_name(str(value).strip().removesuffix("."))
        except Unfit as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("address", type=Recipient())
@click.option("--client", type=Client(), metavar="FQDN", help="As if this host had handed it in.")
@click.option("--probe", is_flag=True, help="Connect, and ask the host about ADDRESS, up to RCPT.")
@click.option("--from", "sender", type=Sender(), metavar="ADDRESS", help="With --probe: MAIL FROM this; <> by default.")
@click.option("--force", is_flag=True, help="With --probe: also a receiver that rests, or is paused.")
@click.option("-v", "--verbose", is_flag=True, help="With --probe: show the conversation.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")
@click.pass_obj
def explain(config_dir: Path, address: Address, client: str | None, as_json: bool, **how: Any) -> None:
    """What would become of a letter to ADDRESS now, and why: its MX, the receiver, limits, rests and pauses, and where
    it would go.

    Nothing is sent. With --probe a host is asked, from the source and with the TLS that the letter would have, and its
    answer decides. Exit status: 0: it would be sent; 3: it would wait; 4: it would fail; 1: that can't be told.
    """
    if not how["probe"] and (how["sender"] is not None or how["force"] or how["verbose"]):
        raise click.UsageError("--from, --force and --verbose say how to --probe")
    explaining = module(config_dir, "hedwig.cli.explaining")
    asked = explaining.Question(str(address), str(how["sender"] or ""), how["force"]) if how["probe"] else None
    wanted = explaining.Wanted(address, client or "", asked, verbose=how["verbose"], as_json=as_json)
    raise SystemExit(explaining.run(config_dir, wanted))
