"""Whether the settings of one file fit together: in worker.yml what one entry names another must have, and what one
demands another must not rule out; alerts.yml, too. Pure. An error is what could never work, or would be passed over in
silence.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from hedwig.choices import FromMismatch
from hedwig.config.problem import Unfit
from hedwig.settings import SITES, Alerts, Client, Family, SiteRule, Source, Tls, Worker

DEFAULT = "default"
Fault = tuple[str, Unfit]  # the key's full name, and what is wrong

_SWITCHES = {Tls.DANE: "dane", Tls.MTA_STS: "mta_sts"}  # what looks these up, unless it is false
_FAMILIES = {Family.IPV4: "ipv4", Family.IPV6: "ipv6"}  # those that allow no other


def disagreements(worker: Worker, lines: Collection[str]) -> Iterator[Fault]:
    """Every fault. `lines`: the full names of the keys that the file itself has; all else is a default."""
    yield from _of_retry(worker, lines)
    yield from _of_tls(worker)
    for name, rule in worker.sites.items():
        yield from _of_site(worker, name, rule)
    for key in ("mx", "domains"):
        yield from _claimed_twice(worker, key, lines)
    for name, domain in worker.domains.items():
        yield from _unknown(f"domains.{name}.smarthost", _named(domain.smarthost), worker.smarthosts, "smarthosts")
    for name, client in worker.clients.items():
        where = f"clients.{name}.sources"
        yield from _unknown(where, client.sources, worker.sources, "sources")
        yield from _unknown(f"clients.{name}.smarthost", _named(client.smarthost), worker.smarthosts, "smarthosts")
        if client.sources and not client.smarthost:
            for site, rule in worker.sites.items():
                yield from _unreachable(where, worker, rule, client.sources, f", and `sites: {site}` wants one")
    yield from _of_sources(worker.sources)
    yield from _of_smarthosts(worker)


def _of_retry(worker: Worker, lines: Collection[str]) -> Iterator[Fault]:
    # Whoever shortens `expire` alone wants no warnings: only what the file says itself is held against it.
    if "retry.warn_after" in lines and worker.retry.warn_after >= worker.retry.expire:
        wrong = "no sender is ever warned: mail expires before that, or then (`expire`)"
        yield "retry.warn_after", Unfit(wrong, "write a shorter time than `expire` has, or 0 for never")


def _of_tls(worker: Worker) -> Iterator[Fault]:
    """What is demanded, and can't be had as its switch is off: no such mail could be delivered, ever."""
    demands: list[tuple[str, Tls | None]] = [("tls", worker.tls)]
    demands += [(f"sites.{name}.tls", site.tls) for name, site in worker.sites.items()]
    demands += [(f"domains.{name}.tls", domain.tls) for name, domain in worker.domains.items()]
    for key, tls in demands:
        switch = _SWITCHES.get(tls) if tls else None
        if tls and switch and not getattr(worker, switch):
            wrong = f"`{switch}: false` rules {tls.value} out, so that this mail could never be delivered"
            yield key, Unfit(wrong, f"write {switch}: true, or here none, may, encrypt or verify")


def _of_site(worker: Worker, name: str, site: SiteRule) -> Iterator[Fault]:
    where = f"sites.{name}"
    yield from _unknown(f"{where}.sources", site.sources, worker.sources, "sources")
    if name == DEFAULT:
        for key, value in (("mx", site.mx), ("domains", site.domains)):
            if value:
                right = f"write it below a name of its own: `partner: {{{key}: [{value[0]}]}}`"
                yield f"{where}.{key}", Unfit("default is for the receivers that no other site names", right)
    elif not (site.mx or site.domains):
        right = "write `mx: [.mail.example.com]`, or `domains: [example.com]`"
        yield where, Unfit("nothing says which mail is meant", right)
    yield from _unreachable(f"{where}.family", worker, site, site.sources or tuple(worker.sources))


def _unreachable(key: str, worker: Worker, rule: SiteRule, names: Iterable[str], why: str = "") -> Iterator[Fault]:
    """Where a receiver's addresses are tried in one family alone, and none of the sources has an address of it."""
    family = _FAMILIES.get(rule.family)
    sources = {name: source for name in names if (source := worker.sources.get(name)) and (source.ipv4 or source.ipv6)}
    if family and sources and not any(getattr(source, family) for source in sources.values()):
        wrong = f"no {family} address is in {', '.join(sources)} of sources{why}: such mail could never leave"
        yield key, Unfit(wrong, f"write {family} there, or other sources, or another family")


def _claimed_twice(worker: Worker, key: str, lines: Collection[str]) -> Iterator[Fault]:
    """Servers or domains of two sites: one of them would have no say. But a site of the admin's may take what is a
    known one's by default: or a new version, which knows more receivers, would refuse a file that was fine."""
    owners: dict[str, str] = {}
    for name, site in worker.sites.items():
        for value in getattr(site, key) if name != DEFAULT else ():
            other = owners.get(value, "")
            owners[value] = name
            if other and (name in SITES or f"sites.{other}.{key}" in lines):
                at, rival = (name, other) if f"sites.{name}.{key}" in lines else (other, name)
                yield f"sites.{at}.{key}", Unfit(f"{value} is of `sites: {rival}`, too", "keep it in one of the two")


def _of_sources(sources: Mapping[str, Source]) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for name, source in sources.items():
        if not (source.ipv4 or source.ipv6):
            yield f"sources.{name}", Unfit("it has no address", "write `ipv4: 198.51.100.7`, or ipv6, or both")
        for family in _FAMILIES.values():
            address = getattr(source, family)
            if address and (other := first.setdefault(address, name)) != name:
                wrong = f"{address} is in `sources: {other}`, too, and would have two sets of limits"
                yield f"sources.{name}.{family}", Unfit(wrong, "keep it in one of the two")


def _of_smarthosts(worker: Worker) -> Iterator[Fault]:
    for name, smarthost in worker.smarthosts.items():
        where = f"smarthosts.{name}"
        if not smarthost.host:
            yield f"{where}.host", Unfit("is missing", "write the server's name")
        if smarthost.user and not (smarthost.password or smarthost.password_file):
            yield f"{where}.user", Unfit("there is no password for it", "write password, or better password_file")
        if smarthost.password and smarthost.password_file:
            yield f"{where}.password", Unfit("password_file is there, too", "keep one of the two")
        if smarthost.tls in _SWITCHES:
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
    if "from_match" in client.lines and not client.lines.keys() & {"senders", "from_mismatch"}:
        right = "write `senders` or `from_mismatch`, too, or leave it out"
        yield "from_match", Unfit("nothing is looked at without `senders` or `from_mismatch`", right)
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
