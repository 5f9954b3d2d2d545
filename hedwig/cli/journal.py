"""What the journal says of an operator's orders; a machine without journald has the history alone."""

from collections.abc import Sequence

from hedwig import log
from hedwig.cli.who import who

_IDS = 100  # queue IDs in an entry


def tell(kind: str, words: str, reason: str, queue_ids: Sequence[str] = ()) -> None:
    """An entry in the journal, if there is one; one for each hundred of `queue_ids`, which `journalctl` finds then."""
    log.start_command("hedwig")
    by = f"{words}, by {who()}: {reason}" if reason else f"{words}, by {who()}"
    for start in range(0, max(len(queue_ids), 1), _IDS):
        some = tuple(queue_ids[start : start + _IDS])
        log.event(kind, by, log.Level.NOTICE, operator=who(), reason=reason, queue_id=some)
