"""`hedwig spool` and `hedwig trace` on a mailman's host: what may be at the postoffice though no answer came is said to
be in doubt, and a sender who hears that it was dropped hears that too (I5)."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from forwarder_rig import Rig, forwarder_rig  # noqa: F401

from hedwig.cli.hedwig import main
from hedwig.mailman import forwarder
from hedwig.mailman.client import NoVerdict, Parcel, Verdict
from hedwig.spool.sqlite import open_spool

Call = Callable[..., Result]
DOUBT = "in doubt: the postoffice may have it"


@pytest.fixture
def hedwig(tmp_path: Path) -> Call:
    (tmp_path / "mailman.yml").write_text(
        f"fqdn: less.nankai.edu.cn\npostoffice: http://127.0.0.1:1/\nkey: k\nspool: {tmp_path}/spool.db\n"
    )

    def call(*arguments: str, status: int = 0) -> Result:
        result = CliRunner(mix_stderr=False).invoke(main, ["--config-dir", str(tmp_path), *arguments])
        assert result.exit_code == status, (result.stdout, result.stderr, result.exception)
        return result

    return call


async def test_a_swallowed_answer_is_a_doubt(rig: Rig, hedwig: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request has left and nothing comes back: listed so, in the dry run too, and dropped with a report that does
    not deny the delivery."""
    monkeypatch.setattr(forwarder, "VERDICT_TIME", 0.05)
    rig.there.gate.clear()
    queue_id, reply = await rig.submit()
    assert reply.code == 250
    shown = hedwig("spool").stdout
    assert f"1 message waiting, {DOUBT}" in shown
    assert f"waiting, {DOUBT}, next try" in shown
    assert shown.count("the postoffice gave no answer within 0 s") >= 2
    assert "not offered yet" not in shown
    assert "not tried yet" not in shown
    told = json.loads(hedwig("spool", "--json").stdout)
    assert told["reached"] is False
    assert told["reasons"][0]["in_doubt"] is True
    assert told["queued"][0]["doubts"] == 1
    assert DOUBT in hedwig("spool", "drop", "--all", "--dry-run").stdout
    assert DOUBT in hedwig("trace", queue_id).stdout
    hedwig("spool", "drop", "--dsn", "--yes", queue_id)
    (delivery,) = [each.delivery for each in rig.spool.due("postoffice", 2e9, 10)]
    (report,) = rig.spool.claim([delivery], "host/0", 2e9).result(10)
    assert report.mailfrom == ""
    assert b"it may have been delivered" in b" ".join((report.content or b"").split())


async def test_what_certainly_is_not_there_is_not_in_doubt(rig: Rig, hedwig: Call) -> None:
    """Its report says plainly that it was not delivered; why it waits is said at once."""

    def down(parcels: Sequence[Parcel]) -> list[Verdict]:
        raise NoVerdict("connection refused")

    rig.there.say = down
    await rig.submit()
    shown = hedwig("spool").stdout
    assert "1 message waiting, " in shown
    assert "can't be reached: connection refused" in shown
    assert "in doubt" not in shown
    hedwig("spool", "drop", "--dsn", "--yes", "--all")
    (delivery,) = [each.delivery for each in rig.spool.due("postoffice", 2e9, 10)]
    (report,) = rig.spool.claim([delivery], "host/0", 2e9).result(10)
    assert b"may have" not in (report.content or b"")


def test_the_help_of_drop_promises_nothing_of_what_is_in_doubt(hedwig: Call) -> None:
    words = " ".join(hedwig("spool", "drop", "--help").stdout.split())
    assert "in doubt the postoffice may have" in words


async def test_a_letter_that_went_straight_through_is_to_be_asked_for_at_the_postoffice(
    rig: Rig, hedwig: Call, tmp_path: Path
) -> None:
    """mailman's spool knows only what waited. Beside a postoffice's spool that is no news."""
    queue_id, _ = await rig.submit()
    for command in ("trace",), ("queue", "show"):
        said = hedwig(*command, queue_id, status=1).stderr
        assert f"{queue_id} is not in {tmp_path}/spool.db" in said
        assert "went straight to the postoffice: ask there" in said
    (tmp_path / "postoffice.yml").write_text(f"spool: {tmp_path}/other.db\n")
    assert "ask there" not in hedwig("trace", queue_id, status=1).stderr, "it could not be looked at"
    open_spool(str(tmp_path / "other.db")).close()
    said = hedwig("trace", queue_id, status=1).stderr
    assert f"is not in {tmp_path}/other.db or {tmp_path}/spool.db" in said
    assert "ask there" not in said
