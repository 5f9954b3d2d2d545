"""`hedwig site`: the receivers, as workers see them; and `hedwig site resume`, which lets mail go to one that rests.

A receiver (site) is a provider of worker.yml's `sites`, a smarthost, or a set of MX hosts (sites.py does it).
"""

from pathlib import Path

import click

from hedwig.cli.at_worker import module
from hedwig.cli.given import REASON, Text

_SITES = "hedwig.cli.sites"
_LIMIT = click.option(
    "--limit", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Destinations to look at."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON; times are Unix seconds.")


@click.group(invoke_without_command=True)
@_LIMIT
@_JSON
@click.pass_context
def site(context: click.Context, limit: int, as_json: bool) -> None:
    """The receivers: what waits for each, its connections, rates and rests, and what it said last."""
    if context.invoked_subcommand is None:
        module(context.obj, _SITES).show(context.obj, limit, as_json=as_json)


@site.command("list")
@_LIMIT
@_JSON
@click.pass_obj
def list_(config_dir: Path, limit: int, as_json: bool) -> None:
    """The same."""
    module(config_dir, _SITES).show(config_dir, limit, as_json=as_json)


@site.command()
@click.argument("name", type=Text())
@REASON
@_JSON
@click.pass_obj
def resume(config_dir: Path, name: str, reason: str, as_json: bool) -> None:
    """Let mail go to a receiver that rests, or that workers leave alone, within a second or two.

    NAME is a receiver as it is listed: a provider (google), a recipients' domain, or its MX hosts. What an operator has
    paused is for `hedwig queue resume`; what is due later for `hedwig queue retry --site`.
    """
    module(config_dir, _SITES).resume(config_dir, name, reason, as_json=as_json)
