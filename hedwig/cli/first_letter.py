"""The test letter of `hedwig setup`: handed in as any host would (the form of docs/http.md), then followed to its end.

It comes from postmaster@DOMAIN, in envelope and From: alike. It is handed in by this host's local key, so it goes the
way of all mail: policy, DKIM, spool, queue, worker.
"""

import http.client
import json
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import click

from hedwig.cli import desks
from hedwig.cli.language import told, told_of
from hedwig.cli.letter_view import Known, known_lines
from hedwig.config import ConfigError, load_local_key
from hedwig.config.localkey import NAME
from hedwig.spool.desk import SqliteDesk
from hedwig.spool.words import POSTOFFICE, Kind, SpoolTrouble, State

PATIENCE = 60.0  # seconds for the letter to arrive, or to be answered in any way
_TIMEOUT = 20.0  # of the postoffice
_EVERY = 0.3
_MOST = 10_000  # octets of an answer


def send(config_dir: Path, domain: str, to: str) -> bool:
    """Send it to `to`, say what became of it; whether it was delivered. ClickException where it could not be handed
    in."""
    queue_id = _handed_in(config_dir, domain, to)
    click.echo(
        told(
            f"handed in as {queue_id}; waiting for the receiver", f"已交给 postoffice，编号 {queue_id}；等待收件方答复"
        )
    )
    try:
        with desks.the_desk(config_dir, POSTOFFICE) as desk:
            known = _followed(desk, queue_id, time.monotonic() + PATIENCE)
    except SpoolTrouble as error:
        raise click.ClickException(desks.clean_lines(str(error))) from None
    click.echo("\n".join(known_lines(POSTOFFICE, known, time.time())))
    if any(
        row.state in (State.READY, State.ACTIVE) and not row.tries for each in known.letters for row in each.recipients
    ):
        click.echo(
            told(
                "Nobody has tried it yet: is a worker running? systemctl enable --now hedwig-worker@1",
                "还没有人投递它：worker 在运行吗？systemctl enable --now hedwig-worker@1",
            )
        )
    return not known.letters and any(line.kind is Kind.DELIVERED for line in known.history)


def _handed_in(config_dir: Path, domain: str, to: str) -> str:
    """Its queue ID."""
    try:
        local = load_local_key(config_dir / NAME)
    except ConfigError as error:
        raise click.ClickException(desks.clean_lines(told_of(error))) from None
    if local is None or not local.postoffice:
        raise click.ClickException(
            told(
                "this host has no postoffice of its own to hand a test letter to: send one from a container, by msmtp",
                "本机没有自己的 postoffice，无法提交测试信：请从容器里用 msmtp 发一封",
            )
        )
    sender = f"postmaster@{domain}"
    email = {"mailfrom": sender, "rcpttos": [to], "data": _letter(sender, to)}
    form = {"fqdn": local.fqdn, "key": local.key, "email": json.dumps(email)}
    status, answer = _posted(local.postoffice, urlencode(form))
    if status != http.HTTPStatus.OK:
        raise click.ClickException(
            told(f"postoffice refused the letter: {status} ", f"postoffice 拒收：{status} ") + answer
        )
    return str(json.loads(answer)["id"])


def _posted(url: str, form: str) -> tuple[int, str]:
    place = urlsplit(url)
    connect = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = connect(place.hostname or "", place.port, timeout=_TIMEOUT)
    try:
        connection.request("POST", place.path or "/", form, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        return answer.status, desks.clean_lines(answer.read(_MOST).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        raise click.ClickException(
            told(f"postoffice at {url} does not answer: {error}", f"{url} 的 postoffice 没有应答：{error}")
            + " (systemctl status hedwig-postoffice)"
        ) from None
    finally:
        connection.close()


def _letter(sender: str, to: str) -> str:
    return (
        f"From: {sender}\nTo: {to}\nSubject: hedwig: a test letter\n"
        "Content-Type: text/plain; charset=utf-8\nAuto-Submitted: auto-generated\n\n"
        "This host sends mail by hedwig. If you can read this, it arrives; look into its source whether your\n"
        "provider says spf=pass, dkim=pass and dmarc=pass (Authentication-Results).\n\n"
        "本机通过 hedwig 发信。您能读到这封信，说明投递成功；请在信件原文的 Authentication-Results 里确认\n"
        "spf=pass、dkim=pass、dmarc=pass。\n"
    )


def _followed(desk: SqliteDesk, queue_id: str, until: float) -> Known:
    """What is known of it once a receiver has said something of it, or time is up."""
    while True:
        letters = desk.letters(queue_id)
        waiting = [row for letter in letters for row in letter.recipients if not row.tries]
        if not waiting or time.monotonic() > until:
            return Known(queue_id, letters, desk.histories([queue_id])[queue_id])
        time.sleep(_EVERY)
