"""What workers know together of receivers: it holds for all of them, and outlives them."""

import threading

import pytest

from hedwig.rates import Rate
from hedwig.spool import Pause, receivers
from hedwig.spool.receivers import AGAIN, LIMITED, LONGEST, Asking, Backoff
from hedwig.spool.sqlite import open_spool

NOW = 1_700_000_000.0
HOURLY = Rate("hour", 100, 3600.0)


@pytest.fixture
def spool(tmp_path):
    with_close = open_spool(str(tmp_path / "spool.db"))
    yield with_close
    with_close.close()


def word(wait, since=NOW, **more):
    return Backoff("google", "main/ipv4", since, since + wait, **more)


def back_off(spool, *words):
    return [receivers.back_off(spool, each).result() for each in words][-1]


def test_every_worker_sees_a_back_off_until_it_ends(spool, tmp_path):
    back_off(spool, word(60, rule="google/rate", reason="421 4.7.28 slow down"))
    other = open_spool(str(tmp_path / "spool.db"), create=False)
    [seen] = receivers.backoffs(other, NOW + 59)
    other.close()
    assert (seen.site, seen.until, seen.rule, seen.reason) == (
        "google", NOW + 60, "google/rate", "421 4.7.28 slow down"
    )  # fmt: skip
    assert receivers.backoffs(spool, NOW + 61) == []


def test_the_same_trouble_from_several_connections_is_one(spool):
    last = back_off(spool, word(60), word(60, NOW + 1), word(30, NOW + 2))
    assert (last.times, last.since, last.until) == (1, NOW, NOW + 61)


def test_it_lasts_twice_as_long_each_time_it_comes_again(spool):
    first = back_off(spool, word(1800))
    second = back_off(spool, word(1800, first.until + 10))
    third = back_off(spool, word(1800, second.until + 10))
    fourth = back_off(spool, word(1800, third.until + 10))
    fifth = back_off(spool, word(1800, fourth.until + 10))
    lengths = [each.until - each.since for each in (first, second, third, fourth, fifth)]
    assert lengths == [1800, 3600, 7200, LONGEST, LONGEST]
    late = back_off(spool, word(1800, fifth.until + AGAIN + 1))
    assert (late.times, late.until - late.since) == (1, 1800)


def test_what_the_receiver_names_itself_is_not_made_shorter(spool):
    first = back_off(spool, word(86400))
    again = back_off(spool, word(86400, first.until + 10))
    assert again.until - again.since == 86400


def test_a_bound_on_connections_outlasts_the_rest(spool):
    back_off(spool, word(0, connections=1))
    assert [each.connections for each in receivers.backoffs(spool, NOW + LIMITED - 1)] == [1]
    assert receivers.backoffs(spool, NOW + LIMITED + 1) == []


def test_the_operator_lifts_it(spool):
    back_off(spool, word(3600), Backoff("qq", "main/ipv4", NOW, NOW + 60))
    assert [each.site for each in receivers.lift(spool, ["google"], NOW + 1).result()] == ["google"]
    assert [each.site for each in receivers.backoffs(spool, NOW + 1)] == ["qq"]
    assert receivers.lift(spool, ["google", "unheard.of"], NOW + 2).result() == []
    assert receivers.lifted(spool) == {"google": NOW + 2, "unheard.of": NOW + 2}


def test_after_a_lift_the_next_one_is_a_first_one(spool):
    first = back_off(spool, word(1800))
    receivers.lift(spool, ["google"], first.since + 60).result()
    again = back_off(spool, word(1800, first.since + 70))
    assert (again.times, again.until - again.since) == (1, 1800)


def test_the_mark_of_a_lift_is_forgotten(spool):
    receivers.lift(spool, ["google"], NOW).result()
    receivers.save_paces(spool, {}, NOW + AGAIN - 1).result()
    assert receivers.lifted(spool) == {"google": NOW}
    receivers.save_paces(spool, {}, NOW + AGAIN + 1).result()
    assert receivers.lifted(spool) == {}


def test_what_workers_published_of_a_destination_ends(spool):
    pauses = [Pause(name, NOW, NOW + 60, "it rests") for name in ("163.com", "qq.com")]
    spool.claim([], "host/1", NOW, pauses).result()
    receivers.unpause(spool, ["163.com"]).result()
    assert [each.destination for each in spool.pauses(NOW)] == ["qq.com"]


def ask(spool, wanted, now=NOW, rates=(HOURLY,)):
    return receivers.ask_tokens(spool, Asking("netease", "main", rates, wanted, now)).result()


def test_tokens_are_shared_by_all_who_ask_at_a_time(spool, tmp_path):
    """Four workers ask as fast as they can: together they get no more than the burst."""
    got = []
    others = [open_spool(str(tmp_path / "spool.db"), create=False) for _ in range(4)]

    def worker(each):
        got.extend(ask(each, 2).tokens for _ in range(10))

    threads = [threading.Thread(target=worker, args=(each,)) for each in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in others:
        each.close()
    assert sum(got) == HOURLY.burst


def test_where_there_is_no_token_the_wait_is_told(spool):
    assert ask(spool, 50).tokens == HOURLY.burst
    none = ask(spool, 1)
    assert none.tokens == 0
    assert none.rate == HOURLY
    assert ask(spool, 1, NOW + none.wait + 0.01).tokens == 1


def test_the_tightest_of_several_rates_decides(spool):
    minute = Rate("minute", 2, 60.0)
    assert ask(spool, 5, rates=(HOURLY, minute)).tokens == 1
    assert ask(spool, 5, rates=(HOURLY, minute)).rate == minute
    assert ask(spool, 5).tokens == HOURLY.burst - 1


def test_tokens_that_were_not_used_come_back(spool):
    assert ask(spool, 5).tokens == 5
    ask(spool, -3)
    assert ask(spool, 5).tokens == 3


def test_rates_survive_a_restart(spool, tmp_path):
    ask(spool, 50)
    spool.close()
    again = open_spool(str(tmp_path / "spool.db"), create=False)
    assert ask(again, 1, NOW + 1).tokens == 0
    again.close()


def test_a_clock_that_was_set_back_does_not_stop_mail_for_long(spool):
    ask(spool, 50, NOW + 86400)
    wait = ask(spool, 1, NOW).wait
    assert 0 < wait <= HOURLY.burst * HOURLY.step


def test_windows_are_kept_for_a_day(spool):
    receivers.save_paces(spool, {("a", ""): 7.0, ("b", "main"): 1.0}, NOW).result()
    assert receivers.paces(spool, NOW + 100) == {("a", ""): 7.0, ("b", "main"): 1.0}
    assert receivers.paces(spool, NOW + 90_000) == {}
