"""From a submission to the spool's message: clocks, deadlines, priorities and a client's policy, by table."""

from dataclasses import replace

import pytest

from hedwig import queueid
from hedwig.envelope import Envelope, digest
from hedwig.options import PLAIN, OnDoubt, Options, Priority
from hedwig.postoffice.registration import Time, new_message
from hedwig.postoffice.submission import Submission
from hedwig.settings import DAY, HOUR, Client
from hedwig.spool import Bytes, NewMessage

NOW = 1_000_000_000.0
EXPIRE = 5.0 * DAY
HOST = Client("host.example")
ENVELOPE = Envelope("a@y.example", ("b@x.example",))
SENT = Submission(queueid.new(), ENVELOPE, Bytes(b"x\r\n"), digest(ENVELOPE, [b"x\r\n"]))


def registered(client: Client = HOST, behind: float = 0.0, **fields: object) -> NewMessage:
    return new_message(client, replace(SENT, **fields), Time(NOW, behind, EXPIRE))


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (None, 0),
        (0, 0),
        (-4 * DAY, -4 * DAY),
        (0.5, 0),  # nothing was accepted after now, or what comes later would look older
        (HOUR, 0),
        (2 * DAY, 0),
        (-6 * DAY, 0),  # its host was away for long: it has the whole time again
        (-40 * DAY, 0),
        (-NOW, 0),
        (float("inf"), 0),
        (float("nan"), 0),
    ],
)
def test_the_other_hosts_clock_is_believed_unless_it_is_ahead_or_absurd(told: float | None, kept: float) -> None:
    message = registered(accepted_at=None if told is None else NOW + told)
    assert message.accepted_at == NOW + kept
    assert message.expires_at == min(NOW + kept, NOW) + EXPIRE


@pytest.mark.parametrize("ahead", [-HOUR, -1.0, 0.0, 1.0, HOUR])
def test_a_hosts_messages_keep_their_order_whatever_its_clock(ahead: float) -> None:
    """The one that was accepted later is the later one here too, though it arrived first (a backlog never replaces
    newer mail)."""
    older, newer = NOW - 20 + ahead, NOW - 10 + ahead
    first = new_message(HOST, replace(SENT, accepted_at=newer), Time(NOW - 9.9, -ahead, EXPIRE))
    second = new_message(HOST, replace(SENT, accepted_at=older), Time(NOW + 0.5, 0.6 - ahead, EXPIRE))
    assert second.accepted_at < first.accepted_at


@pytest.mark.parametrize("wrong", [HOUR, -HOUR, 20 * DAY, 60.0, -60.0])
@pytest.mark.parametrize("known", [True, False])
def test_a_clock_that_was_wrong_for_a_while_makes_nothing_newer(wrong: float, known: bool) -> None:
    """What comes a second later with the right clock is newer than what came with the wrong one, and not superseded."""
    behind = -wrong if known else 0.0
    first = new_message(HOST, replace(SENT, accepted_at=NOW + wrong - 0.1), Time(NOW, behind, EXPIRE))
    second = new_message(HOST, replace(SENT, accepted_at=NOW + 0.9), Time(NOW + 1, 0.0, EXPIRE))
    assert first.accepted_at <= NOW < second.accepted_at


@pytest.mark.parametrize("wrong", [HOUR, -HOUR])
def test_a_clock_that_became_wrong_makes_nothing_older(wrong: float) -> None:
    first = registered(accepted_at=NOW - 1)
    assert registered(behind=-wrong, accepted_at=NOW + wrong).accepted_at == NOW > first.accepted_at


def test_with_a_key_age_counts_more_than_time_in_the_queue() -> None:
    """What waited over there for longer than it may wait here still does not look new."""
    waited = registered(accepted_at=NOW - 6 * DAY, options=Options(supersede="otp"))
    assert (waited.accepted_at, waited.expires_at) == (NOW - 6 * DAY, NOW + EXPIRE)


def test_from_an_absurd_clock_the_age_is_taken() -> None:
    """A host without a clock's battery lives in 1970; how long the message waited there is true all the same."""
    message = registered(behind=NOW - 1060.0, accepted_at=1000.0)
    assert message.accepted_at == NOW - 60


@pytest.mark.parametrize("behind", [0.0, -HOUR, HOUR])
def test_a_deadline_is_on_this_hosts_clock(behind: float) -> None:
    """Ten minutes from now stay ten minutes, whatever the clock over there."""
    there = NOW - behind
    message = registered(behind=behind, options=Options(deadline=there + 600), accepted_at=there)
    assert message.options.deadline == message.expires_at == NOW + 600


def test_a_deadline_is_always_one() -> None:
    """0 would be none."""
    assert registered(behind=-NOW, options=Options(deadline=60.0)).options.deadline == 1.0


def test_the_earlier_of_deadline_and_expiry_ends_it() -> None:
    late = registered(options=Options(deadline=NOW + 9 * DAY), accepted_at=NOW)
    assert (late.options.deadline, late.expires_at) == (NOW + 9 * DAY, NOW + EXPIRE)


def test_one_that_is_over_already_is_registered_all_the_same() -> None:
    """It may be a repeat (I3); past its expiry it is claimed at once and not sent."""
    assert registered(options=Options(deadline=NOW - 60), accepted_at=NOW - 90).expires_at == NOW - 60


@pytest.mark.parametrize(
    ("client", "asked", "priority"),
    [
        (Priority.NORMAL, None, 1),
        (Priority.BULK, None, 2),
        (Priority.BULK, Priority.URGENT, 0),
        (Priority.URGENT, Priority.BULK, 2),
        (Priority.BULK, Priority.NORMAL, 1),
    ],
)
def test_a_messages_own_word_comes_before_its_clients(client: Priority, asked: Priority | None, priority: int) -> None:
    message = registered(replace(HOST, priority=client), options=Options(priority=asked))
    assert (message.priority, message.options.priority) == (priority, asked)


@pytest.mark.parametrize(
    ("client", "most", "asked", "given"),
    [
        (Priority.NORMAL, Priority.NORMAL, Priority.URGENT, Priority.NORMAL),
        (Priority.NORMAL, Priority.NORMAL, Priority.BULK, Priority.BULK),
        (Priority.BULK, Priority.BULK, Priority.URGENT, Priority.BULK),
        (Priority.BULK, Priority.NORMAL, Priority.URGENT, Priority.NORMAL),
        (Priority.URGENT, Priority.BULK, Priority.URGENT, Priority.URGENT),
        (Priority.NORMAL, Priority.NORMAL, None, None),
    ],
)
def test_a_messages_own_word_goes_as_far_as_its_client_may(
    client: Priority, most: Priority, asked: Priority | None, given: Priority | None
) -> None:
    host = replace(HOST, priority=client, most_priority=most)
    message = registered(host, options=Options(priority=asked))
    assert (message.options.priority, message.priority) == (given, int(client if given is None else given))


@pytest.mark.parametrize("policy", OnDoubt)
def test_doubt_is_the_clients_policy_alone(policy: OnDoubt) -> None:
    """A message can't choose it."""
    client = replace(HOST, on_doubt=policy)
    for asked in OnDoubt:
        assert registered(client, options=Options(on_doubt=asked)).options == Options(on_doubt=policy)


def test_nothing_asked_is_nothing() -> None:
    """The rule costs no object and no column."""
    message = registered(message_id="<1@b>", submitter='{"peer":"172.17.0.2"}')
    assert message.options is PLAIN
    assert (message.message_id, message.submitter) == ("<1@b>", '{"peer":"172.17.0.2"}')
    assert (message.client, message.digest, message.parts) == (
        "host.example",
        SENT.digest,
        {"x.example": ("b@x.example",)},
    )


@pytest.mark.parametrize(
    ("accepted", "sent", "behind", "told"),
    [
        (-60.0, -0.5, 0.0, (-60.0, 59.5)),
        (-60.0 - HOUR, -HOUR, HOUR, (-60.0, 60.0)),  # a clock that is an hour slow
        (-0.2, 0.1, 0.0, (-0.2, 0.3)),
        (5.0, 4.0, 0.0, (0.0, 0.0)),  # one that was set back meanwhile, and is ahead
        (-6 * DAY, 0.0, 0.0, (-6 * DAY, 6 * DAY)),  # long past expiry: it is told all the same
        (-40 * DAY, 0.0, 0.0, None),
        (None, 0.0, 0.0, None),
        (-60.0, None, 0.0, None),
    ],
)
def test_when_mailman_took_it_and_how_long_it_waited_there(
    accepted: float | None, sent: float | None, behind: float, told: tuple[float, float] | None
) -> None:
    """The wait by the clock of its host alone, the time by ours."""
    message = registered(
        behind=behind,
        accepted_at=None if accepted is None else NOW + accepted,
        sent_at=None if sent is None else NOW + sent,
    )
    expected = (0.0, 0.0) if told is None else (NOW + told[0], told[1])
    assert (message.taken_at, message.waited) == pytest.approx(expected, abs=1e-6)
