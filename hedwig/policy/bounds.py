"""How large a letter may be, and how much may be sent: `max_size` and the quotas. Pure."""

from hedwig.moments import utc
from hedwig.policy.refused import Refused
from hedwig.quota import Counter, Exceeded
from hedwig.reply import Reply
from hedwig.settings import Client


def oversized(client: Client, size: int) -> Refused | None:
    """Whether a letter of so many octets is too large for this client."""
    if not client.max_size or size <= client.max_size:
        return None
    text = f"{size} octets; letters of up to {client.max_size} are taken from {client.fqdn}"
    return Refused(Reply(552, "5.3.4", f"{text} ({client.where('max_size')}: max_size)"))


def over_quota(client: Client, counters: tuple[Counter, Counter | None], recipients: int, now: float) -> Refused | None:
    """Whether one more letter to so many is too much now. `counters`: the host's, and its container's where that is
    known."""
    for section, quota, counter in (
        ("quota", client.quota, counters[0]),
        ("container_quota", client.container_quota, counters[1]),
    ):
        exceeded = counter.exceeded(quota, recipients, now) if quota and counter is not None else None
        if exceeded:
            return _too_much(client, section, exceeded, recipients, now)
    return None


def _too_much(client: Client, section: str, exceeded: Exceeded, recipients: int, now: float) -> Refused:
    name = f"{section}.{exceeded.limit}"
    decides = f"{client.where(name)}: {name}: {exceeded.most}"
    if not exceeded.frees_at:
        return Refused(Reply(554, "5.5.3", f"{recipients} recipients are more than may ever go at once ({decides})"))
    whose = "this container of " if section == "container_quota" else ""
    text = f"quota: {whose}{client.fqdn} may send again from {utc(exceeded.frees_at)} ({decides})"
    return Refused(Reply(452, "4.7.1", text), max(1, int(exceeded.frees_at - now) + 1))
