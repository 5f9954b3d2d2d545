"""`hedwig dkim new | check | list | rotate`: the keys that sign mail (DKIM), and their DNS records.

Keys lie in CONFIGDIR/dkim/DOMAIN/SELECTOR.pem (config/dkim.py), of root and group hedwig, mode 0640. A domain's first
keys sign as soon as the daemons are reloaded: until their records are published receivers take such mail as unsigned,
which it would be anyway. Later ones go through `rotate`, which changes nothing before DNS shows the new record.

What makes keys or asks DNS is loaded when it is needed: its libraries come with hedwig-postoffice.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click

from hedwig.cli import at_signer, dkim_view
from hedwig.cli.language import told, told_of
from hedwig.cli.terminal import clean, echo_json
from hedwig.config import ConfigError, Unfit
from hedwig.config.chinese import in_chinese
from hedwig.config.names import domain as domain_name


class Domain(click.ParamType):
    """A domain on the command line."""

    name = "DOMAIN"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """In lower-case A-labels, or a usage error."""
        try:
            named = domain_name(value)
        except Unfit as error:
            self.fail(clean(told_of(error)), param, ctx)
        if "." not in named:
            self.fail(
                told(
                    f"{named} is no domain that mail comes from: write it like example.com",
                    f"{named} 不是发信域名：请写成 example.com 这样",
                ),
                param,
                ctx,
            )
        return named


class Selector(click.ParamType):
    """A selector on the command line."""

    name = "S"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it is, or a usage error."""
        from hedwig.config.dkim import selector_fault

        if fault := selector_fault(value):
            self.fail(f"{clean(ascii(value))}: {told(fault, in_chinese(fault))}", param, ctx)
        return value


@click.group()
def dkim() -> None:
    """The keys that sign mail (DKIM): make, publish, check and rotate them."""


@dkim.command()
@click.argument("domain", type=Domain())
@click.option(
    "--selector", type=Selector(), help="Its name in DNS; with two keys what both begin with. [default: date]"
)
@click.option("--both", "kind", flag_value="both", default=True, help="An RSA and an Ed25519 key (the default).")
@click.option("--rsa", "kind", flag_value="rsa", help="An RSA key alone, 2048 bits: every receiver knows it.")
@click.option("--ed25519", "kind", flag_value="ed25519", help="An Ed25519 key alone: not every receiver knows it yet.")
@click.option("--json", "as_json", is_flag=True, help="Print the keys and records as JSON.")
@click.pass_obj
def new(config_dir: Path, domain: str, selector: str | None, kind: str, as_json: bool) -> None:
    """Make keys for DOMAIN, and print their DNS records.

    They sign letters whose From: is of DOMAIN, or of a domain below it that has no keys of its own. A domain that has
    such a key is refused: `hedwig dkim rotate` replaces it.
    """
    keys = at_signer.module("hedwig.cli.dkim_keys")
    algorithms = ("rsa", "ed25519") if kind == "both" else (kind,)
    with _told():
        made = keys.new(config_dir, domain, selector, algorithms)
        dkim_view.name_elsewhere(keys.found(config_dir, domain).elsewhere)
    if as_json:
        echo_json(made)
        return
    dkim_view.show_made(made)
    click.echo(
        told(
            f"\nThey sign from the next reload on. When DNS has the records: hedwig dkim check {domain}",
            f"\n下次重新加载后开始签名。DNS 里有了记录之后运行：hedwig dkim check {domain}",
        )
    )
    at_signer.reload(config_dir)


@dkim.command("list")
@click.argument("domain", type=Domain(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_obj
def list_(config_dir: Path, domain: str | None, as_json: bool) -> None:
    """List the keys with their DNS records: all, or those of DOMAIN.

    Exit status 1 where a key of those, or a file's name, is at fault; the others are listed all the same.
    """
    keys = at_signer.module("hedwig.cli.dkim_keys")
    with _told():
        folder = keys.found(config_dir, domain)
        found = [keys.shown(file) for file in folder.files]
    if as_json:
        echo_json(found)
    elif not found and not folder.faults:
        dkim_view.show_none(domain)
    for shown in () if as_json else found:
        bits = f" {shown.bits}" if shown.bits else ""
        since = dkim_view.since(shown.since) if shown.state != "signs" else ""
        click.echo(f"{shown.name}  {shown.algorithm}{bits}, {dkim_view.state(shown.state)}{since}")
        click.echo(f"    {clean(shown.file)}\n    {shown.value}")
    raise SystemExit(dkim_view.faulty(folder))


@dkim.command()
@click.argument("domain", type=Domain(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_obj
def check(config_dir: Path, domain: str | None, as_json: bool) -> None:
    """Look up the DNS records, and compare them with the keys: of all domains, or of DOMAIN.

    Exit status 1 where receivers could not verify what is signed, or where there is no key.
    """
    keys, look = at_signer.module("hedwig.cli.dkim_keys"), at_signer.module("hedwig.cli.dkim_look")
    with _told():
        folder = keys.found(config_dir, domain)
        found = look.look(config_dir, folder.files)
    if as_json:
        echo_json([dkim_view.facts(each) for each in found])
    for each in () if as_json else found:
        dkim_view.show_found(each)
    if not found and not folder.faults and not as_json:
        dkim_view.show_none(domain)
    bad = [each for each in found if each.state == "signs" and not each.sound]
    raise SystemExit(dkim_view.faulty(folder) or (1 if bad or not found else 0))


@dkim.command()
@click.argument("domain", type=Domain())
@click.option("--force", is_flag=True, help="Don't wait: for DNS to show the new keys, or for retired ones to be over.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@click.pass_obj
def rotate(config_dir: Path, domain: str, force: bool, as_json: bool) -> None:
    """Replace the keys of DOMAIN, a step at each call.

    First new keys are made, and their records printed. When DNS shows those, the next call takes the new keys into use
    and retires the old ones; their records stay in DNS for 7 days more, for mail that is still under way. A call after
    that deletes the retired keys, and says which records to take out. Exit status 1: DNS does not show the records yet.
    """
    keys, look = at_signer.module("hedwig.cli.dkim_keys"), at_signer.module("hedwig.cli.dkim_look")
    with _told():
        done = keys.rotate(config_dir, domain, look.look, force=force)
        dkim_view.name_elsewhere(keys.found(config_dir, domain).elsewhere)
    if as_json:
        missing = [dkim_view.facts(each) for each in done.missing]
        echo_json({name: getattr(done, name) for name in done.__dataclass_fields__} | {"missing": missing})
        raise SystemExit(1 if missing else 0)
    dkim_view.show_rotated(domain, done, keys.KEEP)
    if done.activated:
        at_signer.reload(config_dir)
    raise SystemExit(1 if done.missing else 0)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Around what reads or writes keys: its troubles become sentences."""
    try:
        yield
    except ConfigError as error:
        raise click.ClickException("\n".join(map(clean, told_of(error).splitlines()))) from None
