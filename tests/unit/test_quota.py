"""Quotas: never more than they allow within their time, and the time at which there is room is the true one."""

import random

import pytest

from hedwig.policy import over_quota
from hedwig.quota import KEPT, SLOT, Counter, slot_of
from hedwig.settings import Client, Quota

NOW = 1_000_000_200.0


def test_it_frees_when_it_says():
    """One at a time as the counter allows: in no hour more than ten, and the time that was told is no second off."""
    quota, counter, sent, now = Quota(messages_per_hour=10), Counter(), [], NOW
    chance = random.Random(1)
    while len(sent) < 100:
        exceeded = counter.exceeded(quota, 1, now)
        if exceeded:
            assert counter.exceeded(quota, 1, exceeded.frees_at - 1) is not None
            assert 0 < exceeded.frees_at - now <= 3600 + SLOT
            now = exceeded.frees_at
            continue
        counter.add(slot_of(now), 1, 1)
        sent.append(now)
        now += chance.randrange(400)
    assert max(sum(1 for other in sent if each <= other < each + 3600) for each in sent) == 10


def test_of_several_the_last_to_free_counts():
    counter = Counter()
    counter.add(slot_of(NOW), 1, 50)
    quota = Quota(messages_per_hour=1, recipients_per_day=60)
    hour = counter.exceeded(quota, 10, NOW)
    day = counter.exceeded(quota, 11, NOW)
    assert hour is not None
    assert day is not None
    assert (hour.limit, day.limit) == ("messages_per_hour", "recipients_per_day")
    assert day.frees_at - hour.frees_at == 23 * 3600
    never = counter.exceeded(quota, 61, NOW)
    assert never is not None
    assert never.frees_at == 0


def test_clocks():
    """What a clock ahead has counted is in nobody's way once it is set back; what is a day old is forgotten."""
    counter, quota = Counter(), Quota(messages_per_day=1)
    counter.add(slot_of(NOW + 86400), 1, 1)
    assert counter.exceeded(quota, 1, NOW) is None
    assert counter.exceeded(quota, 1, NOW + 86400)
    counter.forget(NOW + 86400 + KEPT + SLOT)
    assert not counter.slots


@pytest.mark.parametrize(
    ("container", "said"),
    [
        (False, "quota: less.example may send again from 2001-09-09 02:55:00 UTC (clients.d/less.example.yml line 3: "
                "quota.messages_per_hour: 1)"),
        (True, "quota: this container of less.example may send again from 2001-09-09 02:55:00 UTC "
               "(clients.d/less.example.yml: container_quota.messages_per_hour: 1)"),
    ],
)  # fmt: skip
def test_what_is_said(container, said):
    counter = Counter()
    counter.add(slot_of(NOW), 1, 1)
    one = Quota(messages_per_hour=1)
    client = Client("less.example", **{"container_quota" if container else "quota": one},
                    lines={"quota.messages_per_hour": 3})  # fmt: skip
    refused = over_quota(client, (Counter(), counter) if container else (counter, None), 1, NOW)
    assert refused is not None
    assert str(refused.reply) == f"452 4.7.1 {said}"
    assert NOW + refused.retry_after == pytest.approx(NOW + 3900, abs=1)
    many = over_quota(Client("l.example", quota=Quota(recipients_per_day=5)), (counter, None), 6, NOW)
    assert many is not None
    assert (many.reply.code, many.reply.enhanced, many.retry_after) == (554, "5.5.3", 0)
