"""`hedwig setup` on a sending host: tell mailman its postoffice, by questions or by options.

Three lines of mailman.yml are set: fqdn, postoffice, key (and ca_file where one is given). All else in the file stays
to the letter (yamltext.py). An answer may be a whole line, `key: ...`, or all of them pasted at once. Nothing is asked
that an option or `--from` answers; so Ansible runs it without a terminal, and sees from "already so" that nothing had
to be done. At the end the postoffice is asked whether it takes this name and key. When it doesn't the lines stay all
the same: mailman spools until it does.
"""

import json
import re
import select
import sys
from dataclasses import replace as with_changes
from pathlib import Path
from typing import Any, TextIO

import click

from hedwig.cli import ca_file as ca_files
from hedwig.cli import yamltext
from hedwig.cli.files import changing, replace
from hedwig.cli.keys import Fqdn, Url
from hedwig.cli.terminal import clean
from hedwig.config import ConfigError, Unfit, load_mailman, pasted_lines
from hedwig.config.document import read_text
from hedwig.config.kinds import SCALARS, written
from hedwig.config.localkey import this_host
from hedwig.settings import Mailman

_LINE = re.compile(r"(fqdn|postoffice|key|ca_file):\s")
_PASTE = 0.2  # seconds until the next of several pasted lines is there
_KINDS = {"fqdn": "host", "postoffice": "url", "key": "secret", "ca_file": "optional path"}


class _Key(click.ParamType):
    name = "KEY"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(SCALARS["secret"](value))
        except Unfit as error:
            self.fail(clean(str(error)), param, ctx)


def set_up(config_dir: Path, given: dict[str, Any], *, check: bool) -> None:
    """With the options that were given, and answers to the other questions. ClickException, UsageError."""
    values = _asked(_given(given))
    file = config_dir / "mailman.yml"
    with changing(config_dir):
        try:
            old = read_text(file) if file.exists() else ""
            new = _edited(file, old, values)
            if new != old:
                replace(file, new, kept=True)
        except ConfigError as error:
            raise click.ClickException(f"{error}\nNothing was changed.") from None
    click.echo(f"{clean(str(file))}: {'written' if new != old else 'already so'}")
    _look_at_ca_file(values.get("ca_file", ""))
    if check:
        _check(file)
    if new != old:
        click.echo("Then: systemctl reload hedwig-mailman")


def _given(given: dict[str, str | TextIO | None]) -> dict[str, str]:
    """What the options say."""
    values: dict[str, str] = {}
    lines, key_file = given.pop("lines"), given.pop("key_file")
    if lines is not None and getattr(lines, "name", "") == getattr(key_file, "name", None):
        raise click.UsageError("--from and --key-file can't both read standard input")
    if lines is not None and not isinstance(lines, str):
        try:
            values |= pasted_lines(lines.read(), "--from")
        except ConfigError as error:
            raise click.ClickException(str(error)) from None
    if key_file is not None and not isinstance(key_file, str):
        values["key"] = _Key().convert(key_file.read().strip(), None, None)
    values |= {name: str(value) for name, value in given.items() if value is not None}
    if "ca_file" in values:
        try:
            values["ca_file"] = str(SCALARS["optional path"](values["ca_file"]))
        except Unfit as error:
            raise click.BadParameter(clean(str(error)), param_hint="--ca-file") from None
    return values


def _asked(values: dict[str, str]) -> dict[str, str]:
    """With what is still missing, asked for in the order in which `hedwig key add` prints it."""
    questions = (
        ("fqdn", "This host's name, as in `hedwig key add FQDN`", Fqdn(), this_host()),
        ("postoffice", "The postoffice's URL, like https://robot.genee.cn/", Url(), None),
        ("key", "The key that it printed", _Key(), None),
    )
    for name, text, kind, default in questions:
        while name not in values:
            answer = _answer(name, text, default)
            try:
                # What is already known stays: an option says more than a line that came along.
                values = {**_meant(name, answer, kind), **values}
            except (ConfigError, click.UsageError) as error:
                click.echo(f"Error: {error.message if isinstance(error, click.UsageError) else error}", err=True)
    return values


def _answer(name: str, text: str, default: str | None) -> str:
    # Lines pasted at once: the next one is there, and on the screen; asking without echo would throw it away.
    hidden = name == "key" and not (sys.stdin.isatty() and select.select([sys.stdin], [], [], _PASTE)[0])
    try:
        return str(click.prompt(text, default=default, hide_input=hidden, err=True)).strip()
    except click.Abort:
        if sys.stdin.isatty():  # Ctrl-C
            raise
        option = "--key-file" if name == "key" else f"--{name}"
        raise click.UsageError(f"there is nobody to ask: give {option}, or --from") from None


def _meant(name: str, answer: str, kind: click.ParamType) -> dict[str, str]:
    """The setting, or those of pasted lines, whichever they are. ConfigError, click.UsageError."""
    if answer.startswith("#"):  # a remark that `hedwig key add` printed above its lines
        return {}
    if _LINE.match(answer):
        return pasted_lines(answer, "this line")
    return {name: str(kind.convert(answer, None, None))}


def _edited(file: Path, text: str, values: dict[str, str]) -> str:
    if text:
        load_mailman(file)  # a file with faults is not touched
    for name in _KINDS:
        if name in values and _now(file, text, name) != values[name]:
            # A key of digits alone, or one that begins with a dash, is only a text in quotes.
            line = json.dumps(values[name]) if name == "key" else written(_KINDS[name], values[name])
            text = yamltext.with_value(file, text, name, line)
    return text


def _now(file: Path, text: str, name: str) -> str | None:
    return next(iter(yamltext.items(file, text, name)), None)


def _look_at_ca_file(ca_file: str) -> None:
    """The line stays, as those do that the postoffice refuses: the file may be copied here a moment later."""
    if not ca_file:
        return
    try:
        ca_files.look_at(Path(ca_file))
    except Unfit as error:
        click.echo(f"warning: ca_file: {clean(str(error))}", err=True)
    if hidden := ca_files.hidden(Path(ca_file), "mailman"):
        click.echo(f"warning: ca_file: {clean(hidden)}", err=True)


def _check(file: Path) -> None:
    """A batch without messages: the postoffice says no more to it than whether it knows us."""
    try:
        from hedwig.mailman.client import NoVerdict, PostofficeClient
    except ImportError as error:  # python3-requests comes with hedwig-mailman alone
        click.echo(f"warning: the postoffice was not asked, as hedwig-mailman is not installed ({error})", err=True)
        return
    settings: Mailman = load_mailman(file)
    client = PostofficeClient(with_changes(settings, missing=()))
    try:
        client.send([])
    except NoVerdict as trouble:
        click.echo(f"warning: {clean(str(trouble))}; mailman will spool until this is mended", err=True)
    else:
        click.echo(f"{clean(settings.postoffice)} takes mail from {settings.fqdn}")
    finally:
        client.close()
