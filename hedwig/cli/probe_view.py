"""How `hedwig explain --probe` says what a host answered, and what that means. Pure; cleaned (I11)."""

from hedwig import verdict
from hedwig.address import Address
from hedwig.cli.terminal import clean, indented, moment, span
from hedwig.reply import Stage
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
    said = probed.said
    failed = verdict.decide(said.stage, said.reply, said.detail).outcome is Outcome.FAILED
    return End.FAILS if failed else End.WAITS


def text_of(probed: Asked | NotAsked, address: Address, now: float) -> list[str]:
    """What was said, where; and what that means in a sentence."""
    whom = clean(str(address))
    if isinstance(probed, NotAsked):
        until = f" until {moment(probed.until)} ({span(probed.until - now)})" if FOREVER > probed.until > now else ""
        force = " (--force asks all the same)" if probed.forcible else ""
        return indented(f"No host was asked about {whom}{until}: {clean(probed.why)}{force}", 0)
    said = probed.said
    tls = f", {clean(probed.tls)}" if probed.tls else ", without TLS" if said.stage in _IN_SESSION else ""
    where = f"{clean(probed.host)}{tls}" if probed.host else "No host was asked"
    how = f"at {said.stage.upper()}: " if probed.host else ""
    lines = indented(f"{where}: {how}{clean(str(said.reply) if said.reply is not None else said.detail)}", 0)
    return [*lines, *indented(_MEANS[end_of(probed)].format(whom), 0)]


_IN_SESSION = frozenset({Stage.MAIL, Stage.RCPT})
_MEANS = {
    End.SENT: "It takes mail for {}, as far as it tells before the letter.",
    End.WAITS: "A letter to {} would be deferred, and tried again by the schedule.",
    End.FAILS: "A letter to {} would fail, and its sender get a bounce.",
}
