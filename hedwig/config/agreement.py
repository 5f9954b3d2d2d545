"""Whether the settings of one file fit together: in worker.yml what one entry names another must have; alerts.yml,
too. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from hedwig.choices import FromMismatch
from hedwig.config.problem import Unfit
from hedwig.settings import Alerts, Client, Tls, Worker

Fault = tuple[str, Unfit]  # the key's full name, and what is wrong


def disagreements(worker: Worker) -> Iterator[Fault]:
    """Every fault."""
    for name, site in worker.sites.items():
        yield from _unknown(f"sites.{name}.sources", site.sources, worker.sources, "sources")
        if name != "default" and not (site.mx or site.domains):
            right = "write `mx: [.mail.example.com]`, or `domains: [example.com]`"
            yield f"sites.{name}", Unfit("nothing says which mail is meant", right)
    for name, domain in worker.domains.items():
        yield from _unknown(f"domains.{name}.smarthost", _named(domain.smarthost), worker.smarthosts, "smarthosts")
    for name, client in worker.clients.items():
        yield from _unknown(f"clients.{name}.sources", client.sources, worker.sources, "sources")
        yield from _unknown(f"clients.{name}.smarthost", _named(client.smarthost), worker.smarthosts, "smarthosts")
    for name, source in worker.sources.items():
        if not (source.ipv4 or source.ipv6):
            yield f"sources.{name}", Unfit("it has no address", "write `ipv4: 198.51.100.7`, or ipv6, or both")
    for name, smarthost in worker.smarthosts.items():
        where = f"smarthosts.{name}"
        if not smarthost.host:
            yield f"{where}.host", Unfit("is missing", "write the server's name")
        if smarthost.user and not (smarthost.password or smarthost.password_file):
            yield f"{where}.user", Unfit("there is no password for it", "write password, or better password_file")
        if smarthost.password and smarthost.password_file:
            yield f"{where}.password", Unfit("password_file is there, too", "keep one of the two")
        if smarthost.tls in (Tls.DANE, Tls.MTA_STS):
            right = "write none, may, encrypt or verify"
            yield (
                f"{where}.tls",
                Unfit(f"{smarthost.tls.value} is about the MX of a domain, not about a smarthost", right),
            )


def faults_of_client(client: Client) -> Iterator[Fault]:
    """Every fault of a file of clients.d."""
    if len({key.hash for key in client.key}) < len(client.key):
        yield "key", Unfit("the same hash is there twice", "keep one of the two")
    whole = any(not sender.startswith("*") for sender in client.senders)
    if client.from_mismatch is FromMismatch.REWRITE and not whole:
        right = "name the address that From is to become first, like robot@example.com"
        yield "from_mismatch", Unfit("rewrite needs a whole address in `senders`", right)
    if client.most_deadline and client.deadline > client.most_deadline:
        yield "deadline", Unfit("it is later than most_deadline", "write a shorter one, or leave it out")


def _named(name: str) -> tuple[str, ...]:
    return (name,) if name else ()


def _unknown(key: str, names: Iterable[str], known: Mapping[str, object], section: str) -> Iterator[Fault]:
    for name in names:
        if name not in known:
            have = f"known there: {', '.join(known)}" if known else f"add it below `{section}:`"
            yield key, Unfit(f"there is no {name!r} in {section}", have)


def disagreements_of_alerts(alerts: Alerts) -> Iterator[Fault]:
    """Every fault of alerts.yml."""
    if alerts.command and not alerts.command[0].startswith("/"):
        yield "command", Unfit("the program is not named by its full path", "write [/usr/local/bin/page-me]")
    if alerts.webhook.secret and alerts.webhook.secret_file:
        yield "webhook.secret", Unfit("secret_file is there, too", "keep one of the two")
    if not alerts.webhook.url and (alerts.webhook.secret or alerts.webhook.secret_file):
        yield "webhook", Unfit("it has a secret and no url", "write url, too")
