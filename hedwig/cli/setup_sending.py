"""`hedwig setup` on the host that delivers: what receivers know it by. Loaded there alone (at_worker.py).

It asks for the domain that mail is from, the name in EHLO, the address that mail leaves from, and where a test letter
is to go; each question has an answer of its own where one can be guessed. worker.yml gets what differs, DKIM keys are
made where the domain has none, and all DNS records are printed that the domain and the host need. Then the daemons are
reloaded, and the test letter shows whether it works. Doing it again changes nothing that is right.
"""

import contextlib
import ipaddress
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from hedwig.cli import at_signer, desks, first_letter, yamltext
from hedwig.cli.dns_records import Record, records
from hedwig.cli.doctor import doctor as doctor_command
from hedwig.cli.files import changing, replace
from hedwig.cli.language import told, told_of
from hedwig.cli.setup_values import Address, Domain, Ehlo, Recipient
from hedwig.cli.terminal import clean
from hedwig.config import ConfigError, load_worker
from hedwig.config.document import read_text
from hedwig.doctor.address_rules import hidden
from hedwig.settings import Worker
from hedwig.worker import myself

_SOMEWHERE = ("2001:db8::1", 9)  # documentation (RFC 3849): connecting a datagram socket sends nothing


@dataclass(frozen=True, slots=True)
class Answers:
    """`source`: the IPv4 address that mail leaves from, as the world sees it. `letter`: "" for none."""

    domain: str
    ehlo: str
    source: str
    letter: str


def set_up(ctx: click.Context, given: dict[str, Any], *, doctor: bool) -> None:
    """With the options that were given, and answers to the other questions. Ends the command with 1 where the test
    letter was not delivered."""
    config_dir: Path = ctx.obj
    file = config_dir / "worker.yml"
    answers = _asked(given, _loaded(file))
    _heading(told("Settings", "配置"))
    _write(config_dir, file, answers)
    _heading(told(f"Keys that sign mail from {answers.domain} (DKIM)", f"为 {answers.domain} 的信签名的密钥（DKIM）"))
    keys = _keys(config_dir, answers.domain)
    reloaded = at_signer.reload(config_dir)
    _heading(told("DNS records", "DNS 记录"))
    _show(records(answers.domain, answers.ehlo, [answers.source, *_ipv6()], keys))
    if doctor:
        _heading(told("Whether receivers can check it", "收件方能否验证"))
        _examine(ctx, answers)
    if answers.letter:
        _heading(told(f"A test letter to {answers.letter}", f"给 {answers.letter} 的测试信"))
        if not reloaded:
            click.echo(
                told(
                    "The daemons were not reloaded: the letter is signed with the keys that they had before, if any.",
                    "守护进程还没有重新加载：这封信用它们原有的密钥签名（若有）。",
                )
            )
        if not first_letter.send(config_dir, answers.domain, answers.letter):
            ctx.exit(1)


def _loaded(file: Path) -> Worker:
    try:
        return load_worker(file)
    except ConfigError as error:  # a file with faults is not touched
        raise click.ClickException(f"{told_of(error)}\n" + told("Nothing was changed.", "什么都没有改。")) from None


def _heading(text: str) -> None:
    click.echo(f"\n{text}\n")


# Questions


def _asked(given: dict[str, Any], settings: Worker) -> Answers:
    ehlo = given["ehlo"] or ""
    guess = settings.ehlo or ehlo or _own_name()
    parent = guess.partition(".")[2]
    domain = given["domain"] or _answer(
        "domain",
        told("The domain that your mail is from (behind the @)", "信从哪个域名发出（@ 后面的部分）"),
        Domain(),
        parent if "." in parent else guess if "." in guess else None,
    )
    ehlo = ehlo or _answer(
        "ehlo",
        told(
            "The name of this host, which its address's PTR should give (EHLO)",
            "本机的名字，应与其地址的 PTR 一致（EHLO）",
        ),
        Ehlo(),
        guess if "." in guess and not guess.startswith("[") else f"mail.{domain}",
    )
    source = given["source"] or _answer(
        "source",
        told("The IPv4 address that its mail leaves from, as others see it", "发信所用的 IPv4 地址（外界看到的）"),
        Address(),
        _seen(settings) or None,
    )
    letter = given["test_letter"]
    if letter is None:
        question = told("Where a test letter shall go (empty: nowhere)", "测试信寄给谁（留空则不寄）")
        letter = _answer("test-letter", question, Recipient(), "")
    return Answers(domain, ehlo, source, letter)


def _seen(settings: Worker) -> str:
    """The IPv4 address that receivers see, as far as it is known: behind NAT this host's own is none."""
    named = (*settings.doctor.addresses, *(each.ipv4 for each in settings.sources.values()), myself.source_address())
    return next((each for each in named if each and ":" not in each and not hidden(each)), "")


def _own_name() -> str:
    name = socket.getfqdn()
    return name if "." in name and not name.startswith("localhost") else ""


def _answer(option: str, question: str, kind: click.ParamType, default: str | None) -> str:
    """Asked until it is one; where nobody is there to be asked, the default."""
    while True:
        try:
            answer = click.prompt(question, default=default, show_default=bool(default), err=True)
        except click.Abort:
            if click.get_text_stream("stdin").isatty():  # Ctrl-C
                raise
            click.echo(err=True)
            if default is None:
                missing = told("there is nobody to ask: give", "没有人可以回答：请给出")
                raise click.UsageError(f"{missing} --{option}") from None
            answer = default
        try:
            return str(kind.convert(answer, None, None))
        except click.UsageError as error:
            click.echo(told("Error: ", "错误：") + error.message, err=True)
            if answer == default:
                default = None


# Settings


def _write(config_dir: Path, file: Path, answers: Answers) -> None:
    with changing(config_dir):
        try:
            old = read_text(file)
            new = _edited(file, old, answers)
        except ConfigError as error:
            raise click.ClickException(f"{told_of(error)}\n" + told("Nothing was changed.", "什么都没有改。")) from None
        if new != old:
            replace(file, new, kept=True)
    click.echo(f"{clean(str(file))}: " + (told("written", "已写入") if new != old else told("already so", "本来就对")))


def _edited(file: Path, text: str, answers: Answers) -> str:
    settings = load_worker(file)
    if settings.ehlo != answers.ehlo:
        text = yamltext.with_value(file, text, "ehlo", answers.ehlo)
    source, seen = answers.source, settings.doctor.addresses
    if source not in myself.own_addresses():
        click.echo(
            told(
                f"{source} is no address of this host: mail is taken to leave from there by NAT",
                f"{source} 不是本机的地址：视为经 NAT 从那里发出",
            )
        )
        return text if source in seen else _with(file, text, "doctor", _behind_nat(source), _behind_nat(*seen))
    if seen:
        text = _with(file, text, "doctor", _behind_nat(), _behind_nat(*seen))
    known = {each.ipv4 for each in settings.sources.values()}
    if source in (known or {myself.source_address()}):
        return text
    return _with(file, text, "sources", _one_source(source), _one_source(*known))


def _behind_nat(*seen: str) -> str:
    return f"{{addresses: [{', '.join(seen)}]}}"


def _one_source(*known: str) -> str:
    return f"{{main: {{ipv4: {json.dumps(known[0])}}}}}" if len(known) == 1 else ""


def _with(file: Path, text: str, section: str, written: str, was: str) -> str:
    """With a section that the file did not have, or that stands there as this command would have written it (`was`);
    one of the admin's own is left to them. `was`: "" for what it never writes."""
    ours = bool(was) and f"{section}: {was}" in text.splitlines()
    if yamltext.has(file, text, section) and not ours:
        raise _by_hand(file, section, written.removeprefix("{").removesuffix("}"))
    return yamltext.with_value(file, text, section, written)


def _by_hand(file: Path, section: str, line: str) -> click.ClickException:
    return click.ClickException(
        told(
            f"{clean(str(file))} has `{section}` already: write there by hand: {line}. Nothing was changed.",
            f"{clean(str(file))} 里已有 `{section}`：请手工写入 {line}。什么都没有改。",
        )
    )


# Keys and records


def _keys(config_dir: Path, domain: str) -> list[Record]:
    """The records of the keys that sign for the domain; made where it has none."""
    keys = at_signer.module("hedwig.cli.dkim_keys")
    try:
        files = keys.sound_files(config_dir, domain)
        there = [keys.shown(file) for file in files if file.state is not keys.State.RETIRED]
        for each in there or keys.new(config_dir, domain, None, keys.ALGORITHMS):
            state = told("already there", "已有") if there else told("made", "已生成")
            click.echo(f"{clean(each.file)}: {state}, {each.algorithm}")
        shown = [keys.shown(file) for file in keys.sound_files(config_dir, domain)]
        return [Record(each.name, "TXT", each.value, each.zone) for each in shown]
    except ConfigError as error:
        raise click.ClickException(desks.clean_lines(told_of(error))) from None


def _examine(ctx: click.Context, answers: Answers) -> None:
    """By doctor, for this domain. What it finds stops nothing: DNS may take a while to show the records."""
    given = {"addresses": (), "receivers": (), "dnsbls": (), "connect": True}
    with contextlib.suppress(SystemExit):
        ctx.invoke(doctor_command, name=answers.domain, as_json=False, journal=False, **given)


def _show(found: list[Record]) -> None:
    click.echo(told("For a zone file:\n", "写在区域文件（zone）里：\n"))
    for record in found:
        click.echo(record.in_zone())
    click.echo(told("\nThe same for a web panel:", "\n同样的内容，填在网页控制台里："))
    for record in found:
        whose = f"    ({told(*record.whose)})" if record.whose[0] else ""
        click.echo(f"\n    {record.kind:5} {record.name}{whose}\n          {record.value}")
    click.echo(
        told(
            "\nA domain has one SPF record: where there is one, put the ip4: and ip6: parts into it, and let it end as "
            "it does. Where there is none, name all others in it who send for the domain (office mail, Google ...). "
            "~all has receivers mark who is missing there; make it -all, which has them refuse, when DMARC reports "
            "have shown no other for some weeks.\nThe domain needs an MX as well, a host that takes its mail: "
            "receivers refuse senders whom nobody can answer, and bounces go there.",
            "\n一个域名只能有一条 SPF 记录：若已有，把 ip4: 和 ip6: 部分加进去，结尾保持原样。若还没有，"
            "请把其他替该域名发信的（企业邮箱、Google 等）也写进去。~all 让收件方只标记遗漏者；"
            "几周的 DMARC 报告里不再出现别的来源后，再改为 -all（让收件方拒收）。\n"
            "域名还需要 MX 记录，指向收信的主机：收件方会拒收无法回信的发件人，退信也寄到那里。",
        )
    )


def _ipv6() -> list[str]:
    """The IPv6 address that mail leaves from, where this host has a way out by it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.connect(_SOMEWHERE)
        address = ipaddress.ip_address(probe.getsockname()[0])
        return [str(address)] if address.is_global else []
    return []
