"""How `hedwig explain --probe` says what a host answered, and what that means. Pure; cleaned (I11)."""

import time
from collections.abc import Iterator

from hedwig.address import Address
from hedwig.cli import explain_reply
from hedwig.cli.terminal import clean, indented, moment, span
from hedwig.reply import Stage
from hedwig.settings import Worker
from hedwig.spool.stops import FOREVER
from hedwig.verdict import Outcome
from hedwig.worker.probing import Asked, NotAsked
from hedwig.worker.prospect import End


def end_of(probed: Asked | NotAsked) -> End:
    """What would become of a letter, by this answer."""
    if isinstance(probed, NotAsked):
        return probed.end
    if probed.taken:
        return End.SENT
    return End.FAILS if probed.decided.outcome is Outcome.FAILED else End.WAITS


def text_of(probed: Asked | NotAsked, address: Address, settings: Worker) -> list[str]:
    """What was said, where, by which rule it is understood; and what that means for a letter."""
    whom = clean(str(address))
    if isinstance(probed, NotAsked):
        return indented(f"No host was asked about {whom}{_until(probed)}: {clean(probed.why)}{_force(probed)}", 0)
    said = probed.said
    how = f", {clean(probed.how)}" if probed.how else ""
    where = f"{clean(probed.host)}{how}: at {said.stage.upper()}" if probed.host else "No host was asked"
    lines = indented(f"{where}: {clean(str(said.reply) if said.reply is not None else said.detail)}", 0)
    means = " ".join(_means(probed, whom, settings))
    return [*lines, *indented(means, 0), *([f"see: {clean(probed.ruling.help)}"] if probed.ruling.help else [])]


def _until(probed: NotAsked) -> str:
    left = probed.until - time.time()
    return f" until {moment(probed.until)} ({span(left)})" if left > 0 and probed.until < FOREVER else ""


def _force(probed: NotAsked) -> str:
    return " (--force asks all the same)" if probed.forcible else ""


def _means(probed: Asked, whom: str, settings: Worker) -> Iterator[str]:
    reply, ruling = probed.said.reply, probed.ruling
    if probed.taken:
        yield f"It takes mail for {whom}, as far as it tells before the letter."
        return
    fails = end_of(probed) is End.FAILS
    by = ""
    if reply is not None and probed.host and probed.said.stage is not Stage.LOCAL:
        by = f", by rule {ruling.rule} ({ruling.meaning})" if ruling.rule else ", by the code"
    yield f"A letter to {whom} would {'fail, and its sender get a bounce' if fails else 'wait'}{by}."
    if by and reply is not None:
        known = explain_reply.Explained(reply, probed.said.stage, "", ruling, probed.decided, {})
        yield from list(explain_reply.sentences(known, settings))[int(fails) :]  # the first one says that it fails
