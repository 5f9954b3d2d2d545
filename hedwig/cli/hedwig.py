"""`hedwig`: the operator's command.

    hedwig [--config-dir DIR] queue | queue show ID
                              key add FQDN | key list | key revoke FQDN
                              config check | config sample NAME | config man NAME
                              setup | open [NETWORK...] | local-key | detect-docker0

Reads the files of CONFIGDIR (default /etc/hedwig) and the spools that they name; it needs no daemon to run. Exit
status: 0; 1 when something is wrong or not found, and stderr says what; 2 for a wrong option.
"""

from pathlib import Path

import click

from hedwig import __version__
from hedwig.cli.config_check import config
from hedwig.cli.docker0 import detect_docker0
from hedwig.cli.keys import key
from hedwig.cli.local_key import local_key
from hedwig.cli.open import open_
from hedwig.cli.queue import queue
from hedwig.cli.setup import setup


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("/etc/hedwig"),
    show_default=True,
    help="Where mailman.yml, postoffice.yml, worker.yml and clients.d lie.",
)
@click.version_option(__version__, prog_name="hedwig")
@click.pass_context
def main(context: click.Context, config_dir: Path) -> None:
    """hedwig, the outbound mail queue: look at it, and manage who may use it."""
    context.obj = config_dir


main.add_command(config)
main.add_command(detect_docker0)
main.add_command(key)
main.add_command(local_key)
main.add_command(open_)
main.add_command(queue)
main.add_command(setup)
