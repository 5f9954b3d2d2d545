"""How `hedwig dkim` shows keys, what became of them, and what DNS has of them: in the operator's language, cleaned."""

from collections.abc import Iterable
from typing import Any

import click

from hedwig.cli.language import told
from hedwig.cli.terminal import clean, moment
from hedwig.config import Problem
from hedwig.config.chinese import problem_in_chinese

_STATES = {"signs": "签名中", "staged": "待启用", "retired": "已退役"}


def show_rotated(domain: str, done: Any, keep: float) -> None:
    """What was done, and when to call again."""
    again = f"hedwig dkim rotate {domain}"
    for shown in done.deleted:
        click.echo(
            told(
                f"{shown.name}: the key is deleted; take its record out of DNS",
                f"{shown.name}：密钥已删除；请从 DNS 删去它的记录",
            )
        )
    if done.made:
        show_made(done.made)
        click.echo(
            told(
                f"\nThe old keys sign on. When DNS has the records: {again}",
                f"\n旧密钥继续签名。DNS 里有了记录之后运行：{again}",
            )
        )
    for each in done.missing:
        show_found(each)
    if done.missing:
        click.echo(
            told(
                f"Nothing was changed. When DNS shows the records: {again}",
                f"什么都没有改。DNS 里有了记录之后运行：{again}",
            ),
            err=True,
        )
    for shown in done.activated:
        click.echo(told(f"{shown.name}: signs from the next reload on", f"{shown.name}：下次重新加载后开始签名"))
    for shown in done.retired:
        until = moment(shown.since + keep)
        click.echo(
            told(
                f"{shown.name}: retired; leave its record in DNS until {until}, then: {again}",
                f"{shown.name}：已退役；其记录在 DNS 里保留到 {until}，然后运行：{again}",
            )
        )


def show_made(made: Any) -> None:
    """New keys and their records, for zone files and for panels."""
    for shown in made:
        kind = f"{shown.algorithm}{f' {shown.bits}' if shown.bits else ''}"
        click.echo(f"{clean(shown.file)}: " + told(f"made, {kind}", f"已生成，{kind}"), err=True)
    click.echo(told("For a zone file:\n", "写在区域文件（zone）里：\n"))
    for shown in made:
        click.echo(shown.zone)
    click.echo(
        told(
            "\nFor a web panel (type TXT; some want the name without the domain at its end):",
            "\n填在网页控制台里（类型 TXT；有的控制台要求名字末尾不带域名）：",
        )
    )
    name, value = told("name   ", "名字  "), told("value  ", "值    ")
    for shown in made:
        click.echo(f"\n    {name}{shown.name}\n    {value}{shown.value}")


def show_none(domain: str | None) -> None:
    """There is no key."""
    click.echo(told("No key: hedwig dkim new ", "没有密钥：hedwig dkim new ") + (domain or "DOMAIN"))


def show_found(found: Any) -> None:
    """A line for a key, and below it what to do."""
    verdict = found.verdict
    wrong, where = told(*verdict.wrong), told(*verdict.where)
    fine = told("warning", "注意") if wrong else "ok"
    word = fine if verdict.sound else told("wrong", "不对")
    click.echo(f"{found.name} ({state(found.state)})  {word}" + (told(": ", "：") + clean(wrong) if wrong else ""))
    if where:
        click.echo(f"    -> {clean(where)}" + (told(":", "：") if verdict.mend else ""))
    if verdict.mend:
        click.echo(f"       {clean(verdict.mend)}")


def facts(found: Any) -> dict[str, Any]:
    """For programs: in English."""
    verdict = found.verdict
    facts = {name: getattr(found, name) for name in ("domain", "selector", "state", "name", "sound")}
    return {**facts, "wrong": verdict.wrong.en, "mend": verdict.mend, "where": verdict.where.en}


def state(word: str) -> str:
    """What becomes of a key."""
    return told(word, _STATES[word])


def since(at: float) -> str:
    """Since when it does."""
    return told(f" since {moment(at)}", f"，自 {moment(at)}")


def faulty(folder: Any) -> int:
    """Name the faults; 1 where one of them is of what was asked for."""
    for problem in folder.faults:
        click.echo(told("Error: ", "错误：") + clean(_of(problem)), err=True)
    name_elsewhere(folder.elsewhere)
    return 1 if folder.faults else 0


def name_elsewhere(problems: Iterable[Problem]) -> None:
    """Name the faults of other domains, which keep the daemons from taking any new key."""
    for problem in problems:
        click.echo(
            told("warning: ", "注意：")
            + clean(_of(problem))
            + told(
                "; until this is mended the daemons take no new keys",
                "；修复之前守护进程不会采用新密钥",
            ),
            err=True,
        )


def _of(problem: Problem) -> str:
    return told(str(problem), problem_in_chinese(problem))
