"""replies.yml -> rules: the shipped file, and over it the admin's own.

The shipped one is etc/replies.yml of a checkout, where this package lies in one, else /usr/share/hedwig/replies.yml.
In the admin's a rule under a new name goes before all shipped ones; one under a shipped rule's name changes that one in
the keys that it names, in its place. Every fault is told at once, as ever; a rule that could never be used is one.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import hedwig
from hedwig.config.document import parse_long, read_text
from hedwig.config.problem import Problem, Unfit, shown
from hedwig.config.reading import Reading
from hedwig.reply import Stage
from hedwig.settings import Replies, ReplyRule
from hedwig.settings.replies import DECISIONS, Action

if TYPE_CHECKING:
    from hedwig.classify.table import Table

NAME = "replies.yml"
_INSTALLED = Path("/usr/share/hedwig") / NAME
_STAGES = (Stage.RCPT, Stage.MAIL, Stage.DATA, Stage.DOT, Stage.BANNER, Stage.EHLO, Stage.STARTTLS)

Rules = dict[str, ReplyRule]
Fault = tuple[str, Unfit]  # the key's full name, and what is wrong


def shipped_file() -> Path:
    """Where the shipped rules lie."""
    in_checkout = Path(hedwig.__file__).parent.parent / "etc" / NAME
    return in_checkout if in_checkout.exists() else _INSTALLED


def own_file(worker_file: Path, setting: str) -> Path | None:
    """The admin's file: the one that `replies` in worker.yml names, or the one beside it; None where there is none."""
    if setting:
        return Path(setting)
    beside = worker_file.parent / NAME
    return beside if beside.exists() else None


def load_rules(own: Path | None, sites: Collection[str] | None) -> Rules:
    """All rules in the order in which they are asked; or ConfigError. `sites`: the names in worker.yml; None where
    these can't be known, and any may be right."""
    shipped = _read(shipped_file(), {}, sites)
    return _read(own, shipped, sites) if own is not None else shipped


def _read(file: Path, shipped: Rules, sites: Collection[str] | None) -> Rules:
    """The rules of a file, over the `shipped` ones."""
    from hedwig.classify.table import Table  # it takes a while to load

    reading = Reading(str(file), {"rules": shipped})
    found: Rules = Replies(**reading.section(Replies, parse_long(file, read_text(file)))).rules
    new = {name: rule for name, rule in found.items() if name not in shipped}
    rules = new | {name: found.get(name, rule) for name, rule in shipped.items()}
    named = {name: rule for name, rule in rules.items() if f"rules.{name}" in reading.lines}
    spoiled = {problem.key.split(".")[1] for problem in reading.problems if "." in problem.key}
    found_too = [*_providers(named, sites), *_disagreements({n: r for n, r in named.items() if n not in spoiled})]
    if not reading.problems:  # only whole rules can be asked
        found_too += _examples(named, Table(rules), reading.lines)
    for key, error in found_too:
        reading.problems.append(Problem(str(file), reading.line(key), key, error.wrong, error.right))
    reading.finish()
    return rules


def _providers(named: Rules, sites: Collection[str] | None) -> Iterator[Fault]:
    """Names of sites that are none."""
    for name, rule in named.items():
        for key, provider in _sites_named(rule):
            if sites is not None and provider not in sites:
                import difflib  # it takes a while to load

                near = difflib.get_close_matches(provider, sites, n=1)
                right = f"did you mean {near[0]}?" if near else f"add it below `sites:`, or write {', '.join(sites)}"
                yield f"rules.{name}.{key}", Unfit(f"there is no {shown(provider)} in sites of worker.yml", right)


def _disagreements(named: Rules) -> Iterator[Fault]:
    """What is wrong with rules that a file names, each by itself."""
    for name, rule in named.items():
        where = f"rules.{name}"
        if not (rule.status or rule.text or rule.pattern or (rule.code and rule.provider)):
            yield where, Unfit("it would be for every reply", "say which: write status, text or pattern")
        if not rule.class_:
            yield where, Unfit("it has no class", "write what such a reply means: `class: rate`")
        decisions = [step.action.value for step in rule.action if step.action in DECISIONS]
        if len(decisions) > 1:
            wrong = f"{' and '.join(decisions)} can't both be done"
            yield f"{where}.action", Unfit(wrong, "keep one of them")
        if any(step.action is Action.SUPPRESS for step in rule.action) and set(decisions) - {Action.FAIL.value}:
            right = "leave out one of them"
            yield f"{where}.action", Unfit(f"suppress is for what fails, and {decisions[0]} does not", right)


def _examples(named: Rules, table: "Table", lines: Mapping[str, int]) -> Iterator[Fault]:
    """Examples of which something else becomes than the file says. `table`: all rules together."""
    for name, rule in named.items():
        if f"rules.{name}.example" in lines:
            yield from _example(name, rule, table)


def _sites_named(rule: ReplyRule) -> Iterator[tuple[str, str]]:
    """The keys that name sites, and the names."""
    for key, names in (("provider", rule.provider), ("native", rule.native)):
        for name in names:
            yield key, name


def _example(name: str, rule: ReplyRule, table: "Table") -> Iterator[Fault]:
    from hedwig.classify.said import reply_of

    reply = reply_of(rule.example)
    if reply is None:
        return
    for provider in rule.provider or ("",):
        got = [table.ruling(provider, stage, reply).rule for stage in rule.stage or _STAGES]
        if name not in got:
            other = next((each for each in got if each), "")
            wrong = f"{other} is asked first, and is for it" if other else "this rule is not for it"
            at = f", at {provider}" if provider else ""
            yield f"rules.{name}.example", Unfit(f"{wrong}{at}", "correct the rule, or the example")
            return
