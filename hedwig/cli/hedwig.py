"""`hedwig`: the operator's command.

    hedwig [--config-dir DIR] queue | queue show ID | queue retry, hold, release, drop [ID...]
                              queue pause [NAME] | queue resume NAME
                              trace WORD | top | mail ID | spool
                              explain ADDRESS | site | site resume NAME
                              suppress add ADDRESS | list | remove ADDRESS | explain-reply REPLY
                              key add FQDN | key list | key revoke FQDN
                              dkim new DOMAIN | dkim list | dkim check | dkim rotate DOMAIN
                              config check | config sample NAME | config man NAME
                              doctor [FQDN|DOMAIN]
                              alert test | alert list | alert failed UNIT
                              setup | open [NETWORK...] | local-key | detect-docker0

Reads the files of CONFIGDIR (default /etc/hedwig) and the spools that they name; it needs no daemon to run. Exit
status: 0; 1 when something is wrong or not found, and stderr says what; 2 for a wrong option.
"""

import gc
import io
import sys
from pathlib import Path

import click

from hedwig import __version__
from hedwig.cli.lazy import LazyGroup
from hedwig.cli.readable import readable

COMMANDS = {
    "alert": ("hedwig.cli.alert", "alert"),
    "config": ("hedwig.cli.config_check", "config"),
    "dkim": ("hedwig.cli.dkim", "dkim"),
    "detect-docker0": ("hedwig.cli.docker0", "detect_docker0"),
    "doctor": ("hedwig.cli.doctor", "doctor"),
    "explain": ("hedwig.cli.explain", "explain"),
    "explain-reply": ("hedwig.cli.explain_reply", "explain_reply"),
    "key": ("hedwig.cli.keys", "key"),
    "local-key": ("hedwig.cli.local_key", "local_key"),
    "mail": ("hedwig.cli.mail", "mail"),
    "open": ("hedwig.cli.open", "open_"),
    "queue": ("hedwig.cli.queue", "queue"),
    "setup": ("hedwig.cli.setup", "setup"),
    "site": ("hedwig.cli.site", "site"),
    "spool": ("hedwig.cli.spool", "spool"),
    "suppress": ("hedwig.cli.suppress", "suppress"),
    "top": ("hedwig.cli.top", "top"),
    "trace": ("hedwig.cli.trace", "trace"),
}


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config-dir",
    metavar="DIR",
    type=click.Path(path_type=Path, readable=False),
    default=Path("/etc/hedwig"),
    show_default=True,
    help="Where mailman.yml, postoffice.yml, worker.yml, replies.yml and clients.d lie.",
)
@click.version_option(__version__, prog_name="hedwig")
@click.pass_context
def main(context: click.Context, config_dir: Path) -> None:
    """hedwig, the outbound mail queue: look at it, and manage who may use it."""
    gc.freeze()  # what is loaded stays to the end: else Python looks through all of it then, for 10 ms
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal of another script than an address is no reason to end
            stream.reconfigure(errors="backslashreplace")
    context.obj = config_dir
    if context.invoked_subcommand != "config" and not {"-h", "--help"} & set(sys.argv):  # these need no file
        readable(config_dir)
