"""`hedwig setup`: the first-run guide, by questions or by options.

A host that delivers (it has worker.yml) is asked for what receivers will know it by (setup_sending.py), a sending host
for its postoffice (setup_mailman.py). Where both are on one host they are joined by the local key already, and nothing
is to be said of a postoffice. Nothing is asked that an option answers; so Ansible runs it without a terminal.
"""

from pathlib import Path
from typing import Any

import click

from hedwig.cli import at_worker
from hedwig.cli.keys import Fqdn, Url
from hedwig.cli.setup_values import Address, Domain, Ehlo, Recipient

_MAILMANS = ("postoffice", "fqdn", "key_file", "lines", "ca_file")
_SENDINGS = ("domain", "ehlo", "source", "test_letter")


@click.command()
@click.option("--domain", metavar="DOMAIN", type=Domain(), help="The domain that mail is from (host that delivers).")
@click.option("--ehlo", metavar="NAME", type=Ehlo(), help="The name that this host gives in EHLO.")
@click.option("--source", metavar="ADDRESS", type=Address(), help="The IP address that mail leaves from.")
@click.option("--test-letter", metavar="ADDRESS", type=Recipient(), help="Send a test letter there; '' for none.")
@click.option("--doctor/--no-doctor", default=True, help="Look at everything that receivers look at, at the end.")
@click.option("--postoffice", metavar="URL", type=Url(), help="The postoffice's URL (sending host).")
@click.option("--fqdn", metavar="FQDN", type=Fqdn(), help="This host's name, as in `hedwig key add FQDN` there.")
@click.option("--key-file", metavar="FILE", type=click.File(), help="A file with the key alone; - is standard input.")
@click.option("--from", "lines", metavar="FILE", type=click.File(), help="What `hedwig key add` printed; - is stdin.")
@click.option("--ca-file", metavar="FILE", help="CA certificates (PEM) to trust for the postoffice.")
@click.option("--check/--no-check", default=True, help="Ask the postoffice whether it takes name and key.")
@click.pass_context
def setup(ctx: click.Context, check: bool, doctor: bool, **given: Any) -> None:
    """Set this host up: what it is known by to receivers, or which postoffice it hands mail to.

    Asks for what no option gives, writes the answers into worker.yml or mailman.yml, and leaves everything else in them
    as it is. On the host that delivers it makes DKIM keys, prints the DNS records, looks whether all is well, and sends
    a test letter. In Chinese where LANG says so.
    """
    config_dir: Path = ctx.obj
    of_mailman = {name: given[name] for name in _MAILMANS}
    of_sending = {name: given[name] for name in _SENDINGS}
    delivers = (config_dir / "worker.yml").exists()
    for_mailman = any(value is not None for value in of_mailman.values())
    for_sending = any(value is not None for value in of_sending.values())
    if for_sending or (delivers and not for_mailman):
        at_worker.module(config_dir, "hedwig.cli.setup_sending").set_up(ctx, of_sending, doctor=doctor)
    if for_mailman or not (delivers or for_sending):
        from hedwig.cli import setup_mailman

        setup_mailman.set_up(config_dir, of_mailman, check=check)
