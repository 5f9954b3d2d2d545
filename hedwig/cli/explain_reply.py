"""`hedwig explain-reply "550 ..."`: what a receiver's reply means, by which rule, and what hedwig does about it.

The rules are those that the workers of this host have (etc/replies.yml, and replies.yml beside worker.yml), the policy
is verdict.py's; nothing is asked or sent, and no spool is needed.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from hedwig import verdict
from hedwig.classify import Ruling
from hedwig.classify.providers import Providers
from hedwig.classify.said import reply_of
from hedwig.classify.table import Table
from hedwig.cli.terminal import clean, echo_json, indented, span
from hedwig.config import ConfigError, load_worker, with_rules
from hedwig.config.replies import load_rules, own_file
from hedwig.reply import Reply, Stage
from hedwig.settings import Worker
from hedwig.settings.replies import About
from hedwig.verdict import Outcome, Scope, Verdict

_STAGES = (Stage.RCPT, Stage.DOT, Stage.MAIL, Stage.DATA, Stage.BANNER, Stage.EHLO, Stage.STARTTLS)
_TO = {
    Stage.BANNER: "the connection",
    Stage.EHLO: "EHLO",
    Stage.STARTTLS: "STARTTLS",
    Stage.MAIL: "MAIL",
    Stage.RCPT: "RCPT",
    Stage.DATA: "DATA",
    Stage.DOT: "the final dot",
}
_ABOUT = {
    About.CONNECTION: "this connection",
    About.ADDRESS: "this host's address",
    About.SENDER: "the sender",
    About.MESSAGE: "the message",
    About.RECIPIENT: "the recipient",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """A reply to `stage`, and what becomes of it. `site`: whose it is, "" for anybody's. `elsewhere`: the rules of
    receivers who mean something else by it."""

    reply: Reply
    stage: Stage
    site: str
    ruling: Ruling
    verdict: Verdict
    elsewhere: dict[str, str]


@click.command("explain-reply")
@click.argument("text", metavar="[REPLY]", required=False)
@click.option(
    "--site", default="", metavar="NAME", help="Who said it: a name of `sites`, an MX, or a domain of theirs."
)
@click.option("--stage", type=click.Choice([stage.value for stage in _STAGES]), help="What it answers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def explain_reply(config_dir: Path, text: str | None, site: str, stage: str | None, as_json: bool) -> None:
    """What a receiver's REPLY means, and what hedwig does about it.

    Put it in single quotes: '550 5.7.1 ...'. Without REPLY it is read from the standard input: paste it there.
    """
    reply = reply_of(text if text is not None else sys.stdin.read(1 << 16))
    if reply is None:
        raise click.UsageError("this is no reply: it has a code of three digits, as in '550 5.1.1 no such user'")
    try:
        settings = _settings(config_dir)
    except ConfigError as error:
        raise click.ClickException("\n".join(clean(str(problem)) for problem in error.problems)) from None
    whose = _site(settings, site)
    explained = explain(settings, reply, whose, Stage(stage) if stage else None)
    if as_json:
        echo_json(_json(explained))
    else:
        click.echo("\n".join(_lines(explained, settings)))


def explain(settings: Worker, reply: Reply, site: str, stage: Stage | None) -> Explained:
    """The ruling and the verdict. Without `stage`: of the first at which a rule is for it, or else at RCPT."""
    table = Table(settings.rules)
    stages = (stage,) if stage else _STAGES if reply.code >= 400 else (Stage.DOT,)
    found = {each: table.ruling(site, each, reply) for each in stages}
    at = next((each for each, ruling in found.items() if ruling.rule), stages[0])
    decided = verdict.decide(at, reply, "", found[at])
    others = {} if site else {name: table.ruling(name, at, reply).rule for name in settings.sites}
    elsewhere = {name: rule for name, rule in others.items() if rule and rule != found[at].rule}
    return Explained(reply, at, site, found[at], decided, elsewhere)


def _settings(config_dir: Path) -> Worker:
    file = config_dir / "worker.yml"
    if file.exists():
        return with_rules(file, load_worker(file))
    worker = Worker()
    return replace(worker, rules=load_rules(own_file(file, ""), worker.sites))


def _site(settings: Worker, name: str) -> str:
    if not name or name in settings.sites:
        return name
    providers = Providers(settings.sites)
    found = providers.of(name.lower(), name.lower())
    if not found:
        known = ", ".join(settings.sites)
        raise click.UsageError(f"--site: {clean(name)} is none of {known}, nor an MX or a domain of theirs")
    return found


def _lines(explained: Explained, settings: Worker) -> Iterator[str]:
    ruling = explained.ruling
    yield from indented(clean(str(explained.reply)), 0)
    whose = f", said by {explained.site}" if explained.site else ""
    yield f"  in answer to {_TO[explained.stage]}{whose}"
    if ruling.rule:
        yield f"  rule: {ruling.rule}"
        yield f"  class: {ruling.meaning}, about {_ABOUT[ruling.scope]}"
    else:
        yield "  rule: none; the code's first digit decides"
    for sentence in sentences(explained, settings):
        yield from indented(sentence, 2)
    if ruling.help:
        yield f"  see: {clean(ruling.help)}"
    for name, rule in explained.elsewhere.items():
        yield f"  from {name} it is another: {rule} (--site {name})"


def sentences(explained: Explained, settings: Worker) -> Iterator[str]:
    """What is done, in words. Pure."""
    ruling, decided = explained.ruling, explained.verdict
    yield _outcome(explained, settings)
    if decided.held:
        kept = span(settings.retry.hold)
        yield f"It is kept for {kept} (`retry.hold`) at the most; then it fails, and its sender is told why."
    word = verdict.site_word(explained.reply, ruling)
    if word and word.wait:
        named = ", as the reply itself says" if ruling.named else ""
        two = "Once mail to two of its domains has heard it, nothing" if ruling.hearsay else "Nothing"
        yield f"{two} goes to this receiver for {span(word.wait)}{named}; longer, when it says so again."
    if word and word.connections and not ruling.hearsay:
        yield "One connection at a time is used there from then on."
    if not decided.counted:
        yield "That costs the mail none of its tries."
    if ruling.suppress and decided.outcome is Outcome.FAILED and settings.suppress:
        yield (
            f"Said of one recipient alone, it puts the address on the list of `hedwig suppress` for "
            f"{span(settings.suppress)}."
        )
    if ruling.alert:
        yield "The operator is alerted, once an hour."


def _outcome(explained: Explained, settings: Worker) -> str:
    decided, ruling = explained.verdict, explained.ruling
    if decided.outcome is Outcome.DELIVERED:
        return "The message is delivered."
    if decided.outcome is Outcome.FAILED:
        whom = "The recipient has" if decided.scope is Scope.RECIPIENT else "All recipients in question have"
        return f"{whom} failed: it is not tried again, and the sender is told."
    if verdict.one_too_many(explained.stage, explained.reply, ruling):
        return "The recipients that were too many go in the next transaction, at once where others got the message."
    if decided.at_once:
        return "It is tried again at once, on another connection; by the schedule, when the same is said again."
    if decided.next_host:
        return "The receiver's next host is tried; where there is none, the mail waits and is tried again."
    if (word := verdict.site_word(explained.reply, ruling)) and word.wait and not ruling.hearsay:
        return "It waits until mail goes to this receiver again."
    if decided.held and not decided.wait:
        return "It waits, and is tried again four times an hour, later less often."
    if decided.wait:
        named = ", as the reply itself says" if ruling.named else ""
        return f"It waits for {span(decided.wait)}{named}; after that, by the schedule."
    return f"It waits, and is tried again by the schedule, first after {span(settings.retry.schedule[0])}."


def _json(explained: Explained) -> dict[str, Any]:
    reply, decided, ruling = explained.reply, explained.verdict, explained.ruling
    word = verdict.site_word(reply, ruling)
    return {
        "reply": asdict(reply),
        "stage": explained.stage.value,
        "site": explained.site,
        "rule": ruling.rule,
        "class": ruling.meaning,
        "scope": ruling.scope.value if ruling.rule else "",
        "outcome": decided.outcome.value,
        "wait": decided.wait,
        "held": decided.held,
        "at_once": decided.at_once,
        "counted": decided.counted,
        "suppress": ruling.suppress,
        "alert": ruling.alert,
        "hearsay": ruling.hearsay,
        "site_wait": word.wait if word else 0.0,
        "site_connections": word.connections if word else 0,
        "help": ruling.help,
        "elsewhere": explained.elsewhere,
    }
