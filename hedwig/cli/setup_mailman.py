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
from hedwig.cli.language import told, told_of
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
            self.fail(clean(told_of(error)), param, ctx)


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
            raise click.ClickException(f"{told_of(error)}\n" + told("Nothing was changed.", "什么都没有改。")) from None
    click.echo(f"{clean(str(file))}: " + (told("written", "已写入") if new != old else told("already so", "本来就对")))
    _look_at_ca_file(values.get("ca_file", ""))
    if check:
        _check(file)
    if new != old:
        click.echo(told("Then: ", "然后运行：") + "systemctl reload hedwig-mailman")


def _given(given: dict[str, str | TextIO | None]) -> dict[str, str]:
    """What the options say."""
    values: dict[str, str] = {}
    lines, key_file = given.pop("lines"), given.pop("key_file")
    if lines is not None and getattr(lines, "name", "") == getattr(key_file, "name", None):
        raise click.UsageError(
            told("--from and --key-file can't both read standard input", "--from 和 --key-file 不能都读标准输入")
        )
    if lines is not None and not isinstance(lines, str):
        try:
            values |= pasted_lines(lines.read(), "--from")
        except ConfigError as error:
            raise click.ClickException(told_of(error)) from None
    if key_file is not None and not isinstance(key_file, str):
        values["key"] = _Key().convert(key_file.read().strip(), None, None)
    values |= {name: str(value) for name, value in given.items() if value is not None}
    if "ca_file" in values:
        try:
            values["ca_file"] = str(SCALARS["optional path"](values["ca_file"]))
        except Unfit as error:
            raise click.BadParameter(clean(told_of(error)), param_hint="--ca-file") from None
    return values


def _asked(values: dict[str, str]) -> dict[str, str]:
    """With what is still missing, asked for in the order in which `hedwig key add` prints it."""
    questions = (
        (
            "fqdn",
            told("This host's name, as in `hedwig key add FQDN`", "本机的名字，即 `hedwig key add FQDN` 里的"),
            Fqdn(),
            this_host(),
        ),
        (
            "postoffice",
            told("The postoffice's URL, like https://robot.genee.cn/", "postoffice 的网址，如 https://robot.genee.cn/"),
            Url(),
            None,
        ),
        ("key", told("The key that it printed", "它打印的密钥"), _Key(), None),
    )
    for name, text, kind, default in questions:
        while name not in values:
            answer = _answer(name, text, default)
            try:
                # What is already known stays: an option says more than a line that came along.
                values = {**_meant(name, answer, kind), **values}
            except (ConfigError, click.UsageError) as error:
                said = error.message if isinstance(error, click.UsageError) else told_of(error)
                click.echo(told("Error: ", "错误：") + said, err=True)
    return values


def _answer(name: str, text: str, default: str | None) -> str:
    if name == "key" and not sys.stdin.isatty():  # nobody sees what comes by a pipe
        return _piped(text)
    # Lines pasted at once: the next one is there, and on the screen; asking without echo would throw it away.
    hidden = name == "key" and not select.select([sys.stdin], [], [], _PASTE)[0]
    try:
        return str(click.prompt(text, default=default, hide_input=hidden, err=True)).strip()
    except click.Abort:
        if sys.stdin.isatty():  # Ctrl-C
            raise
        raise _nobody(f"--{name}") from None


def _piped(text: str) -> str:
    click.echo(f"{text}: ", err=True, nl=False)
    if not (line := sys.stdin.readline()):
        raise _nobody("--key-file")
    return line.strip()


def _nobody(option: str) -> click.UsageError:
    return click.UsageError(
        told(f"there is nobody to ask: give {option}, or --from", f"没有人可以回答：请给出 {option} 或 --from")
    )


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
        click.echo(told("warning: ", "注意：") + f"ca_file: {clean(told_of(error))}", err=True)
    if hidden := ca_files.hidden(Path(ca_file), "mailman"):
        click.echo(told("warning: ", "注意：") + f"ca_file: {clean(hidden)}", err=True)


def _check(file: Path) -> None:
    """A batch without messages: the postoffice says no more to it than whether it knows us."""
    try:
        from hedwig.mailman.client import NoVerdict, PostofficeClient
    except ImportError as error:  # python3-requests comes with hedwig-mailman alone
        click.echo(
            told(
                f"warning: the postoffice was not asked, as hedwig-mailman is not installed ({error})",
                f"注意：没有询问 postoffice，因为没有安装 hedwig-mailman（{error}）",
            ),
            err=True,
        )
        return
    settings: Mailman = load_mailman(file)
    client = PostofficeClient(with_changes(settings, missing=()))
    try:
        client.send([])
    except NoVerdict as trouble:
        click.echo(
            told(
                f"warning: {clean(str(trouble))}; mailman will spool until this is mended",
                f"注意：postoffice 没有接受（{clean(str(trouble))}）；修复之前 mailman 会把信存在本机",
            ),
            err=True,
        )
    else:
        url = clean(settings.postoffice)
        click.echo(told(f"{url} takes mail from {settings.fqdn}", f"{url} 接受来自 {settings.fqdn} 的邮件"))
    finally:
        client.close()
