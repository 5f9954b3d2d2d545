"""What is held: not given up by time, and held once."""

from cli_rig import Cli


def test_a_held_letter_is_not_given_up_by_time(cli: Cli) -> None:
    """The view says what the spool does (no held delivery is ever claimed to be expired)."""
    queue_id = cli.put("a@x.example", "b@y.example")
    assert "given up in " in cli("queue", "show", queue_id).stdout
    cli("queue", "hold", queue_id, "--rcpt", "a@x.example", "--yes")
    assert "given up in " in cli("queue", "show", queue_id).stdout, "for the other one"
    cli("queue", "hold", queue_id, "--yes")
    shown = cli("queue", "show", queue_id).stdout
    assert "not given up while it is held" in shown
    assert "given up in " not in shown
    cli("queue", "release", queue_id, "--yes")
    assert "given up in " in cli("queue", "show", queue_id).stdout


def test_holding_what_is_held_says_so_and_writes_nothing(cli: Cli) -> None:
    queue_id = cli.put("a@x.example")
    cli("queue", "hold", queue_id, "--yes")
    before = cli("trace", queue_id).stdout.count("held")
    again = cli("queue", "hold", queue_id, "--yes", status=1)
    assert again.stderr.startswith("1 recipient is already held; nothing")
    assert cli("trace", queue_id).stdout.count("held") == before
