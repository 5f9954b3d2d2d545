"""The file of a sending host in clients.d, as an operator edits it."""

from ..host import FQDN, Host


def rules(host: Host, text: str, fqdn: str = FQDN) -> None:
    """Put these lines below the keys, in place of those that an earlier call put there."""
    file = host.config / "clients.d" / f"{fqdn}.yml"
    kept = file.read_text().partition("# rules\n")[0]
    new = file.with_suffix(".new")
    new.write_text(f"{kept}# rules\n{text}")
    new.chmod(0o640)
    new.rename(file)
