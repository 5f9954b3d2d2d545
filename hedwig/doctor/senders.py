"""Which sender domains are to be looked at: those that are known on this host, or those of one client."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from hedwig.config import Unfit, host_name
from hedwig.doctor.look import dkim_keys, files
from hedwig.settings import Client, Worker


def domains(config_dir: Path, settings: Worker, name: str, client: str) -> list[str]:
    """`name`: what was asked for, a domain or the FQDN of `client`; "" for all. Empty: none is known. A name without
    a dot is no sender domain."""
    if name and not client:
        return [name]
    known: list[str] = []
    for _, each, _ in files.clients(config_dir):
        if each is not None and client in ("", each.fqdn):
            known += of_senders(each)
    if client:
        return list(dict.fromkeys(known)) or list(_sound([client]))
    known += _sound(dkim_keys.domains(config_dir))
    if settings.tls_report.contact:
        known += _sound([settings.tls_report.contact.rpartition("@")[2]])
    return list(dict.fromkeys(known))


def of_senders(client: Client) -> list[str]:
    """The domains of a client's `senders`: addresses, `*@domain`."""
    return list(_sound(sender.rpartition("@")[2] for sender in client.senders))


def _sound(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        try:
            named = host_name(name)
        except Unfit:  # "*", or a folder of another purpose
            continue
        if "." in named:  # no mail comes from a top-level domain
            yield named
