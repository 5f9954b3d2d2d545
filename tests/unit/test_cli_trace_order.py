"""`hedwig trace` of a whole domain, and in which order letters come."""

import json
import time

from cli_rig import Cli

from hedwig import queueid


def traced(cli: Cli, word: str, *options: str) -> list[str]:
    return [one["queue_id"] for one in json.loads(cli("trace", word, "--json", *options).stdout)]


def test_a_domain_shows_what_waits_for_it_and_from_it(cli: Cli) -> None:
    """Once each, the oldest first, in any case; and it is said that there is no more of it."""
    first = cli.put("a@x.example", "b@x.example")
    second = cli.put("c@other.example", mailfrom="me@X.example")
    cli.put("d@other.example")
    assert sorted(traced(cli, "@X.example")) == sorted([first, second])
    told = cli("trace", "@x.example")
    assert told.stderr.strip() == "Of a whole domain only what waits is shown; what is done is found by address or ID."
    assert len(traced(cli, "@x.example", "--limit", "1")) == 1
    assert "There are more: say --limit" in cli("trace", "@x.example", "--limit", "1").stderr
    assert "@nowhere.example is not in" in cli("trace", "@nowhere.example", status=1).stderr


def test_an_id_from_the_far_future_is_not_the_newest(cli: Cli) -> None:
    """A clock that jumped ahead has made it: the order is that of acceptance."""
    future = cli.put("a@x.example", queue_id=queueid.new(4_000_000_000.0), accepted_at=time.time() - 120)
    now = cli.put("a@x.example")
    assert traced(cli, "a@x.example") == [now, future]
